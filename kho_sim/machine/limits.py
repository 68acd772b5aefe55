"""What a command line takes from a machine, or adds to it: one kernel's view.

The machine is the same for a whole chain; ``mem=``, ``memmap=``, ``nr_cpus=``, ``maxcpus=`` and
``numa=off`` change what one kernel sees of it. Left out: the boot loader does not know of them, and
a kernel whose initrd lies in memory that it does not see moves it.

Source: kernel-facts-distro section 6 (``mem=``, ``nr_cpus=``); the kernel's list of parameters for
the forms of ``memmap=``. That CPUs of a node without memory go to the first one is assumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from kho_sim.base.command_line import CommandLine, MemoryEdit
from kho_sim.base.command_line.memory_map import FORGET, LIMIT, USE
from kho_sim.base.extent import subtracted
from kho_sim.machine.machine import (
    RESERVED,
    USABLE,
    FirmwareRange,
    Machine,
    NodeRange,
    joined_ranges,
)


@dataclass(frozen=True, slots=True)
class MachineLimits:
    """What one kernel is told of its machine. None is no limit.

    ``edits``: of the memory map, in the order of the line. ``possible_cpus``: more do not exist
    for this kernel. ``started_cpus``: more are not brought up at boot, 0 standing for the boot CPU
    alone. ``one_node``: nodes are not looked for.
    """

    edits: tuple[MemoryEdit, ...] = ()
    possible_cpus: int | None = None
    started_cpus: int | None = None
    one_node: bool = False

    @classmethod
    def of(cls, line: CommandLine) -> MachineLimits:
        """Return what a command line leaves of its kernel's machine."""
        return cls(line.memory_edits, line.nr_cpus, line.maxcpus, line.numa_off)

    def seen(self, machine: Machine) -> Machine:
        """Return the machine as early boot sees it; the same one if nothing is different."""
        if self.edits:
            firmware = edited(machine.firmware, _edits_of(machine, self.edits))
            seen = replace(machine, firmware=firmware, first_seen=machine.map_first_seen)
            machine = _with_nodes_of_its_memory(seen)
        if self.one_node and machine.nodes != (0,):
            cpu_nodes = (0,) * machine.cpus
            machine = replace(
                machine, node_ranges=(), hotplug=(), cpu_nodes=cpu_nodes, has_node_distances=False
            )
        return _with_cpus(machine, self.possible_cpus)

    def running(self, machine: Machine) -> Machine:
        """Return the machine as the running kernel uses it: with the CPUs that it starts."""
        started = self.started_cpus
        return _with_cpus(self.seen(machine), None if started is None else max(started, 1))


def _edits_of(machine: Machine, edits: Iterable[MemoryEdit]) -> Iterator[MemoryEdit]:
    """Yield the edits with addresses: on arm64, where memory begins anywhere, ``mem=`` is how much
    of it there is. Source: memblock_mem_limit_remove_map()."""
    for edit in edits:
        if edit.kind == LIMIT and machine.device_tree:
            edit = edit._replace(start=_end_of_first(machine, edit.start))
        yield edit


def _end_of_first(machine: Machine, size: int) -> int:
    """Return where the first ``size`` bytes of memory end, or all of it."""
    for extent in machine.memory:
        if extent.size >= size:
            return extent.start + size
        size -= extent.size
    return machine.end_of_memory


def edited(
    firmware: Sequence[FirmwareRange], edits: Iterable[MemoryEdit]
) -> tuple[FirmwareRange, ...]:
    """Return a map after these edits. What is not memory stays so, whatever is added over it.

    Source: parse_memopt() and parse_memmap_one(), e820__range_remove() and e820__range_add().
    """
    ranges = list(firmware)
    for kind, start, end in edits:
        if kind == LIMIT:
            ranges = _cut(ranges, start, max((part.end for part in ranges), default=start))
        elif kind == FORGET:
            ranges = []
        elif kind == USE:
            free = subtracted([(start, end)], [(part.start, part.end) for part in ranges])
            ranges += [FirmwareRange(*extent) for extent in free]
        else:
            ranges = [*_cut(ranges, start, end)]
            free = subtracted([(start, end)], [(part.start, part.end) for part in ranges])
            ranges += [FirmwareRange(*extent, RESERVED) for extent in free]
        ranges = joined_ranges(ranges)
    return tuple(ranges)


def _cut(ranges: Sequence[FirmwareRange], start: int, end: int) -> list[FirmwareRange]:
    """Take [start, end) out of what is memory."""
    kept = [part for part in ranges if part.kind != USABLE]
    for part in ranges:
        if part.kind == USABLE:
            left = subtracted([(part.start, part.end)], [(start, end)] if start < end else [])
            kept += [FirmwareRange(*extent) for extent in left]
    return sorted(kept)


def _with_nodes_of_its_memory(machine: Machine) -> Machine:
    """Take away the nodes, and parts of nodes, that lost all of their memory."""
    memory = machine.memory
    if not memory:
        return machine
    ends = machine.end_of_memory
    spans = [
        NodeRange(span.start, min(span.end, ends), span.nid)
        for span in machine.node_ranges
        if any(span.start < part.end and part.start < span.end for part in memory)
    ]
    if not spans:
        return replace(machine, node_ranges=(), cpu_nodes=(0,) * machine.cpus)
    nodes = {span.nid for span in spans}
    first = min(nodes)
    cpu_nodes = tuple(nid if nid in nodes else first for nid in machine.cpu_nodes)
    return replace(machine, node_ranges=tuple(spans), cpu_nodes=cpu_nodes)


def _with_cpus(machine: Machine, count: int | None) -> Machine:
    if count is None or count >= machine.cpus:
        return machine
    return replace(machine, cpu_nodes=machine.cpu_nodes[:count])
