"""A machine as its firmware describes it to each kernel of a chain.

Models the memory map, what EFI adds to it, the nodes of memory, the number of CPUs, and how large
a device tree is. Left out: everything that does not decide where early allocations land (devices,
distances).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from kho_sim.base.extent import Extent, round_down, round_up, total_size
from kho_sim.machine.efi import Efi

USABLE = "usable"
RESERVED = "reserved"
MMIO = "mmio"
"""Registers of devices, as EFI names them: kernels on x86 take such entries out of their map."""
NOMAP = "nomap"
"""Memory that firmware keeps using: memblock knows it, but nobody allocates or maps it."""


class FirmwareRange(NamedTuple):
    """One entry of a firmware's map: [start, end) in bytes; 'usable' and 'nomap' ones are
    memory."""

    start: int
    end: int
    kind: str = USABLE


def joined_ranges(ranges: Iterable[FirmwareRange]) -> list[FirmwareRange]:
    """Return ranges in address order, neighbours of one kind that touch put together."""
    joined: list[FirmwareRange] = []
    for part in sorted(ranges):
        if joined and joined[-1].end == part.start and joined[-1].kind == part.kind:
            joined[-1] = joined[-1]._replace(end=part.end)
        else:
            joined.append(part)
    return joined


class NodeRange(NamedTuple):
    """A part of the address space that belongs to a node; holes in it are not memory."""

    start: int
    end: int
    nid: int


@dataclass(frozen=True, slots=True)
class DeviceTree:
    """The sizes of a device tree that describes a machine, in bytes.

    ``cold_bytes``: the blob as the boot loader leaves it. ``packed_bytes``: as kexec packs it,
    without its command line. ``unflattened_bytes``: the block that a kernel makes of it, 0 where
    ACPI describes the hardware. ``seed_bytes``: what each kexec adds, the seed of random numbers.
    """

    cold_bytes: int
    packed_bytes: int
    unflattened_bytes: int = 0
    seed_bytes: int = 0


@dataclass(frozen=True, slots=True)
class BootLoader:
    """Where a boot loader puts a first kernel and what belongs to it, on arm64.

    ``image``: its address, or 0 where it goes as high as ``image_end_max`` allows. ``initrd``: its
    address, or 0 right below the image. ``device_tree``: its address, or 0 below the initrd.
    """

    image: int = 0
    image_end_max: int = 0
    initrd: int = 0
    device_tree: int = 0


@dataclass(frozen=True)
class Machine:
    """What a kexec does not change.

    ``firmware``: the map, ascending. ``node_ranges``: the nodes' spans, ascending and disjoint;
    memory outside all of them belongs to node 0. ``cpu_nodes``: the node of each possible CPU,
    present ones first. ``plugged_cpus``: how many of them are there from the beginning, None for
    all. ``firmware_tables``: the ranges that firmware makes every kernel reserve, in memory or not.
    ``efi``: what EFI adds to the map, None on a machine that a BIOS started. ``hotplug``: where
    memory may be plugged in later, by node. ``device_tree`` and ``boot_loader``: what each passes
    to a kernel on arm64. ``lowest_address``: no kernel uses memory below it. ``page_bytes``: the
    page size of all kernels of a chain. ``page_table_levels``: what its CPUs can walk; more levels
    reach more addresses. ``has_node_distances``: whether the firmware says how far nodes are from
    each other (SLIT). ``first_seen``: the map before a command line changed it, if one did.
    ``nodes_online``: the firmware's nodes, with those that have no memory; 0 if there are none of
    these. ``assumptions``: what ``explain`` shows.
    """

    firmware: tuple[FirmwareRange, ...]
    cpu_nodes: tuple[int, ...]
    node_ranges: tuple[NodeRange, ...] = ()
    plugged_cpus: int | None = None
    firmware_tables: tuple[Extent, ...] = ()
    efi: Efi | None = None
    hotplug: tuple[NodeRange, ...] = ()
    device_tree: DeviceTree | None = None
    boot_loader: BootLoader | None = None
    lowest_address: int = 0
    page_bytes: int = 4096
    page_table_levels: int = 5
    has_node_distances: bool = False
    first_seen: tuple[FirmwareRange, ...] = ()
    nodes_online: int = 0
    assumptions: tuple[str, ...] = ()

    @property
    def cpus(self) -> int:
        """The possible CPUs: a kernel lays out memory for all of them."""
        return len(self.cpu_nodes)

    @property
    def map_first_seen(self) -> tuple[FirmwareRange, ...]:
        """The firmware's map, whatever a command line makes of it."""
        return self.first_seen or self.firmware

    @property
    def memory_bytes(self) -> int:
        """All usable memory."""
        return total_size(self.memory)

    @property
    def present_cpus(self) -> int:
        """The CPUs that are present from the beginning."""
        return self.cpus if self.plugged_cpus is None else min(self.plugged_cpus, self.cpus)

    @cached_property
    def memory(self) -> tuple[Extent, ...]:
        """Usable memory in whole pages, ascending."""
        return self._in_pages(USABLE)

    @cached_property
    def nomap(self) -> tuple[Extent, ...]:
        """Memory that no kernel may map, in whole pages, ascending."""
        return self._in_pages(NOMAP)

    @property
    def start_of_memory(self) -> int:
        return min(extent.start for extent in (*self.memory, *self.nomap))

    @property
    def end_of_memory(self) -> int:
        return max(extent.end for extent in (*self.memory, *self.nomap))

    @property
    def end_of_possible_memory(self) -> int:
        """The end of memory, with all that may be plugged in."""
        return max([self.end_of_memory, *(place.end for place in self.hotplug)])

    @cached_property
    def node_spans(self) -> tuple[NodeRange, ...]:
        """The nodes' spans as NUMA init registers them (kernel-facts section 1).

        Neighbouring ranges of one node are joined over the hole between them.
        """
        ranges = self.node_ranges or (NodeRange(0, self.end_of_memory, 0),)
        spans: list[NodeRange] = []
        for span in ranges:
            start = max(span.start, self.lowest_address)
            if spans and spans[-1].nid == span.nid:
                spans[-1] = NodeRange(spans[-1].start, span.end, span.nid)
            else:
                spans.append(NodeRange(start, span.end, span.nid))
        return tuple(spans)

    @cached_property
    def nodes(self) -> tuple[int, ...]:
        """The nodes that have memory, ascending."""
        return tuple(sorted({span.nid for span in self.node_spans}))

    def nodes_for_scratch(self, without_memory: bool) -> tuple[int, ...]:
        """Return the nodes that get a scratch area: all that are online, or those with memory."""
        online = range(self.nodes_online) if without_memory else ()
        return tuple(sorted({*self.nodes, *online}))

    def node_of(self, address: int) -> int:
        """Return the node of an address; 0 outside of all spans."""
        for span in self.node_spans:
            if span.start <= address < span.end:
                return span.nid
        return 0

    def by_node(self, extent: Extent) -> Iterator[tuple[Extent, int]]:
        """Yield the parts of a range that lie on one node each, with that node."""
        edges = {edge for span in self.node_spans for edge in (span.start, span.end)}
        inside = (edge for edge in edges if extent.start < edge < extent.end)
        for start, end in pairwise(sorted({extent.start, extent.end, *inside})):
            yield Extent(start, end), self.node_of(start)

    def cpus_of(self, nid: int) -> int:
        """Return how many CPUs a node can have."""
        return self.cpu_nodes.count(nid)

    def present_cpus_of(self, nid: int) -> int:
        """Return how many CPUs a node has from the beginning."""
        return self.cpu_nodes[: self.present_cpus].count(nid)

    def with_present_cpus(self, present: int) -> Machine:
        """Return the machine with so many of its CPUs present, dealt to its nodes like the rest."""
        nodes = sorted(set(self.cpu_nodes))
        groups = (present, self.cpus - present)
        dealt = (nodes[cpu * len(nodes) // count] for count in groups for cpu in range(count))
        return replace(self, cpu_nodes=tuple(dealt), plugged_cpus=present)

    def _in_pages(self, kind: str) -> tuple[Extent, ...]:
        pages = (
            Extent(
                max(round_up(entry.start, self.page_bytes), self.lowest_address),
                round_down(entry.end, self.page_bytes),
            )
            for entry in self.firmware
            if entry.kind == kind
        )
        return tuple(extent for extent in pages if extent.size > 0)
