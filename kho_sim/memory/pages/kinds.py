"""Small values that all of the page allocator speaks: migrate types and runs.

Source: include/linux/mmzone.h and kernel-facts sections 0, 3.4 and 9.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from kho_sim.base.extent import Extent

COSTLY_ORDER = 3
"""The highest order that per-CPU lists keep besides that of transparent huge pages."""


class Migratetype(IntEnum):
    """What a pageblock is used for, numbered as the kernel numbers it.

    HIGHATOMIC (3) and ISOLATE (5) are left out: no recorded workload reserves or isolates.
    """

    UNMOVABLE = 0
    MOVABLE = 1
    RECLAIMABLE = 2
    CMA = 4


UNMOVABLE, MOVABLE, RECLAIMABLE, CMA = Migratetype
PCP_TYPES = 3
TYPE_SLOTS = max(Migratetype) + 1
FALLBACKS: dict[int, tuple[Migratetype, ...]] = {
    UNMOVABLE: (RECLAIMABLE, MOVABLE),
    MOVABLE: (RECLAIMABLE, UNMOVABLE),
    RECLAIMABLE: (UNMOVABLE, MOVABLE),
}


class Run(NamedTuple):
    """Blocks of one order that lie side by side, in the order in which they were handed out.

    ``first_pfn`` is the first page of the first block; the others follow upwards (``step`` 1) or
    downwards (-1). Which order they are of, whoever holds the run knows.
    """

    first_pfn: int
    blocks: int
    step: int = 1

    def pfns(self, order: int = 0) -> range:
        """Return the first page of every block, in the order of the run."""
        step = self.step << order
        return range(self.first_pfn, self.first_pfn + self.blocks * step, step)

    def extent(self, order: int = 0) -> Extent:
        """Return the pages [lowest, end) that the run takes."""
        first, blocks, step = self
        if step > 0:
            return Extent(first, first + (blocks << order))
        return Extent(first - (blocks - 1 << order), first + (1 << order))

    def backwards(self, order: int = 0) -> Run:
        """Return the same blocks, last one first."""
        first, blocks, step = self
        return Run(first + (blocks - 1) * (step << order), blocks, -step)

    def split(self, blocks: int, order: int = 0) -> tuple[Run, Run]:
        """Return the first ``blocks`` blocks, and the rest (which may be empty)."""
        first, held, step = self
        return Run(first, blocks, step), Run(first + blocks * (step << order), held - blocks, step)


def run_of(extent: tuple[int, int], order: int, step: int) -> Run:
    """Return the run of a step that takes the pages of an extent: ``Run.extent`` the other way."""
    start, end = extent
    return Run(start if step > 0 else end - (1 << order), (end - start) >> order, step)


def joined(runs: Iterable[Run], order: int) -> list[Run]:
    """Return the same blocks in the same order, with neighbours of one direction put together."""
    result: list[Run] = []
    for run in runs:
        if result:
            first, blocks, step = result[-1]
            way = 1 if run.first_pfn > first else -1
            if (
                run.first_pfn == first + way * (blocks << order)
                and (blocks == 1 or step == way)
                and (run.blocks == 1 or run.step == way)
            ):
                result[-1] = Run(first, blocks + run.blocks, way)
                continue
        result.append(run)
    return result


@dataclass(slots=True)
class Request:
    """So many requests for one block each, to be served in turn.

    ``blocks`` falls to 1 when a zone was asked in vain and adapted its limits: it will be asked,
    and adapt, again before the next block.
    """

    blocks: int
    order: int
    migratetype: Migratetype
    cma: bool
