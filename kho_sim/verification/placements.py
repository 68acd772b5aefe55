"""Every logged early allocation, asked again of the modelled memblock.

The state comes from the log: its first dump of both arrays, or what it tells of the time before it
(``first_requests``), then each call in its order. What the model answers is compared with the
kernel's answer; then the kernel's counts, so that one miss does not cause the next. Needs
``memblock=debug``. Searches whose request the log does not print are made up where the kernel's
source fixes them (node data, a node's scratch area); others are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from kho_sim.base import requesters
from kho_sim.base.command_line import parse_command_line
from kho_sim.kho.extend import ExtendOptions, strategy_of
from kho_sim.kho.scratch import alignment_bytes
from kho_sim.logs.reader import BootLog, MemblockCall
from kho_sim.machine import Machine, MachineLimits
from kho_sim.memory.memblock import MAX_NUMNODES, SMP_CACHE_BYTES, Memblock
from kho_sim.releases import load_release
from kho_sim.scenario.spec import Kernel
from kho_sim.trace.records import Boot
from kho_sim.trace.trace import Trace
from kho_sim.verification.comparison import Miss
from kho_sim.verification.first_requests import ask_for_cma_area, state_before_requests
from kho_sim.verification.logged_state import (
    Areas,
    chain_areas,
    memblock_at,
    memblock_of_dump,
    tree_of,
)


@dataclass
class Placements:
    """The replay of one boot. ``left_out`` counts requests that could not be asked, by reason."""

    compared: int = 0
    exact: int = 0
    misses: list[Miss] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)

    def leave_out(self, reason: str) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + 1


def check_placements(trace: Trace, machine: Machine, kernels: list[Kernel]) -> list[Placements]:
    """Replay each boot of a log; ``kernels`` has the kernel of each boot."""
    areas = chain_areas(trace)
    logs: tuple[BootLog, ...] = trace.extra["boots"]
    return [
        _Replay(trace, log, boot, machine, areas, kernel).run()
        for log, boot, kernel in zip(logs, trace[Boot], kernels, strict=True)
    ]


class _Replay:
    """One boot's calls, from its first dump to the hand-over to the page allocator."""

    def __init__(
        self,
        trace: Trace,
        log: BootLog,
        boot: Boot,
        machine: Machine,
        areas: Areas | None,
        kernel: Kernel,
    ):
        self.trace = trace
        self.log = log
        self.kho = boot.kind == "kho"
        line = parse_command_line(kernel.command_line)
        self.machine = MachineLimits.of(line).seen(machine)
        self.from_below = line.movable_node
        self.areas = areas or boot.scratch_areas
        self.extend = kernel.extend
        self.scratch_rules = load_release(kernel.release).scratch
        self.result = Placements()
        self.memblock = state_before_requests(log, self.areas, self.kho)
        self.holds_first_calls = self.memblock is not None
        """Whether that state has what is reserved and added before the first request."""
        self.sequence = 0
        self.nodes_known = False
        self.extension_due = False

    def run(self) -> Placements:
        for call in self.log.calls:
            if call.op == "retrieve":
                break
            if call.op == "dump":
                self._start_from(call)
            elif call.op == "regions":
                self._take_regions(call.caller)
            elif call.op == "extend":
                self.extension_due = self.kho
            elif call.op == "alloc":
                self._replay(call)
                self.sequence += 1
            elif self.memblock is not None and (self.sequence or not self.holds_first_calls):
                self._apply(call, self.memblock)
        return self.result

    # State that the log records

    def _start_from(self, call: MemblockCall) -> None:
        dump = next(iter(self.log.dumps[call.base : call.base + 1]), None)
        if dump and dump.memory and dump.reserved:
            limit = self.memblock.reserved.capacity if self.memblock else 0
            self.memblock = memblock_of_dump(dump, self.areas, self.kho, self.log.geometry)
            self.memblock.reserved.capacity = max(limit, self.memblock.reserved.capacity)
            self.nodes_known = any(region.nid >= 0 for region in dump.memory)

    def _take_regions(self, moment: str) -> None:
        """Take what the kernel marked from its regions after the extension, if the log has them."""
        recorded = memblock_at(self.log, moment, self.areas, self.kho)
        if moment == "after_extend" and recorded is not None and self.memblock is not None:
            self.extension_due = False
            for region in recorded.memory:
                if region.flags != 0:
                    self.memblock.mark_kho_scratch(region.base, region.size)

    def _extend_if_due(self, memblock: Memblock) -> None:
        """Mark by the model's own step without such regions; its pages were taken before."""
        tree = tree_of(self.trace, self.log.boot)
        if not self.extension_due or tree is None:
            return
        self.extension_due = False
        options = ExtendOptions(self.extend.shift)
        page_bytes = memblock.geometry.page_bytes
        pages = count(page_bytes, page_bytes)
        extend = strategy_of(self.extend.strategy).extend
        extend(memblock, tree.freeze(), options, pages.__next__, lambda _: None)

    def _learn_nodes(self, memblock: Memblock) -> None:
        self.nodes_known = True
        for span in self.machine.node_spans:
            memblock.set_node(span.start, span.end - span.start, span.nid)
        for span in self.machine.node_spans:
            memblock.set_reserved_node(span.start, span.end - span.start, span.nid)

    def _apply(self, call: MemblockCall, memblock: Memblock) -> None:
        if call.op == "double":
            self._compare_array(call, memblock)
            return
        verbs: dict[str, Callable[[], int]] = {
            "reserve": lambda: memblock.reserve(call.base, call.size, call.nid, call.flags),
            "free": lambda: memblock.phys_free(call.base, call.size),
            "add": lambda: memblock.add(call.base, call.size, MAX_NUMNODES),
            "remove": lambda: memblock.remove(call.base, call.size),
        }
        verbs[call.op]()

    # Requests

    def _replay(self, call: MemblockCall) -> None:
        memblock = self.memblock
        if memblock is None:
            self.result.leave_out("the log does not show the state before it")
            return
        if call.what == requesters.NODE_DATA and not self.nodes_known:
            self._learn_nodes(memblock)
        if call.phase == "after":
            self._extend_if_due(memblock)
        memblock.bottom_up = self.from_below and not self.nodes_known
        predicted = self._ask(call, memblock)
        if predicted is None:
            self.result.leave_out("the log does not show the request, only its answer")
        else:
            self._count(call, predicted)
        self._settle(call, predicted or 0, memblock)

    def _ask(self, call: MemblockCall, memblock: Memblock) -> int | None:
        size, align, low, high = call.size, call.align, call.min_address, call.max_address
        match call.function:
            case "memblock_alloc_try_nid" | "memblock_alloc_try_nid_raw":
                return memblock.alloc_try_nid_raw(size, align, low, high, call.nid)
            case "memblock_alloc_exact_nid_raw":
                return memblock.alloc_exact_nid_raw(size, align, low, high, call.nid)
            case "memblock_phys_alloc_range":
                return memblock.phys_alloc_range(size, align, low, high)
            case "memblock_alloc_hugetlb":
                return memblock.alloc_hugetlb(size, call.nid, call.exact)
        if call.what == requesters.NODE_DATA:
            return memblock.alloc_range_nid(size, SMP_CACHE_BYTES, 0, 0, call.nid, False)
        if call.what == requesters.node_scratch(call.nid):
            area_align = alignment_bytes(memblock.geometry, self.scratch_rules)
            return memblock.alloc_range_nid(size, area_align, 0, 0, call.nid, True)
        return ask_for_cma_area(memblock, call, self.log, self.machine)

    def _count(self, call: MemblockCall, predicted: int) -> None:
        self.result.compared += 1
        if predicted == call.result:
            self.result.exact += 1
        else:
            asked = (call.what, call.size, call.align, call.nid)
            self.result.misses.append(Miss(self.sequence, *asked, predicted, call.result))

    def _settle(self, call: MemblockCall, predicted: int, memblock: Memblock) -> None:
        """Leave the state as the kernel's answer made it, whatever the model's was."""
        if predicted != call.result:
            if predicted:
                memblock.phys_free(predicted, call.size)
            if call.result:
                memblock.reserve(call.result, call.size, call.result_nid, call.flags)
        if call.what == requesters.GIGANTIC_PAGE and call.result:
            page_bytes = memblock.geometry.page_bytes
            memblock.mark_noinit(call.result + page_bytes, call.size - page_bytes)

    def _compare_array(self, call: MemblockCall, memblock: Memblock) -> None:
        """A doubled array is a search as well; its reservation is part of the calls."""
        place, _ = memblock.array_pages().get(call.caller, (0, 0))
        align = memblock.geometry.page_bytes
        doubling = call._replace(what=f"{call.caller} array", result=call.base, align=align)
        self._count(doubling, place)
