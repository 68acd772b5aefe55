"""A user's module with plug-ins, as tests and worker processes import it."""

from typing import Literal

from kho_sim.base.work import Work
from kho_sim.chain.workload import PluginWorkload, Workload
from kho_sim.kho.extend import Extension
from kho_sim.kho.extend.base import error_line
from kho_sim.scenario.fields import Size
from kho_sim.scenario.section import Section


class HoldSection(Section):
    """Memory that is held."""

    kind: Literal["hold"]
    size: Size
    """Bytes."""


class Hold(Workload[HoldSection]):
    """Holds movable memory in each kernel."""

    def arrive(self, kernel):
        kernel.memory.hold(self.section.size, movable=True)


HOLD = PluginWorkload(HoldSection, Hold)


class Late(Hold):
    """Breaks the contract: goes on when its kernel's time is over."""

    def serve(self, kernel):
        begin, end = kernel.window
        yield kernel.env.timeout(end - begin + 1)


class Unequal(Hold):
    """Breaks the contract: every run is another."""

    runs = 0

    def __init__(self, section, number, seed):
        super().__init__(section, number, seed)
        Unequal.runs += 1

    def arrive(self, kernel):
        kernel.say(f"run {Unequal.runs}")


def mark_the_top(memblock, incoming, options, allocate_page, free_page):
    """Mark what lies above the last preserved byte."""
    tables = [page + incoming.geometry.page_bytes for page in incoming.table_pages()]
    end = max([extent.end for extent in incoming.preserved_extents()] + tables)
    before = memblock.scratch_bytes()
    errno = memblock.mark_kho_scratch(end, memblock.end_of_dram() - end)
    return Extension(
        shift=options.shift,
        extended_bytes=memblock.scratch_bytes() - before,
        error=error_line(errno),
        work=Work(ranges_marked=not errno),
    )
