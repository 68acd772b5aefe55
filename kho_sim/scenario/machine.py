"""The machine of a scenario: its memory, by size or range by range, firmware, nodes and CPUs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any

from pydantic import Field

from kho_sim.base.units import format_exact
from kho_sim.base.words import (
    ARM64,
    EFI_MEMORY,
    FIRMWARES,
    MEMORY_KINDS,
    PLATFORM_FIRMWARES,
    PLATFORMS,
    USABLE_MEMORY,
)
from kho_sim.platform.platform import platform_of
from kho_sim.rates import DEFAULT_HARDWARE
from kho_sim.scenario.bad_memory import BadMemory
from kho_sim.scenario.fields import (
    PAGE_BYTES,
    Choice,
    ListOf,
    Node,
    Size,
    SizeOrZero,
    SizeRule,
)
from kho_sim.scenario.platform import broken_end, where_started
from kho_sim.scenario.section import BrokenRule, Section
from kho_sim.scenario.time import Given, HardwareRule

BOOTABLE = 64 << 20
"""Room that a boot loader needs for kernel and initrd."""
LEAST_BYTES = 16 << 20
MOST_BYTES = 1 << 46
"""64 TiB, the reach of the direct map of x86_64 with four-level page tables; arm64 reaches 128
(kernel-facts-arm64 1.2)."""
EFI_FIRMWARES = ("ovmf-q35",)
LEAST_BYTES_OF_FIRMWARE = {"ovmf-q35": (256 << 20, 64 << 10)}
"""Firmware that needs more: bytes, and more of them for each CPU."""
LEAST_BYTES_OF_FIRST_NODE = {"qemu-virt-uefi": 128 << 20}
"""Firmware that keeps parts near the end of the first node and starts a kernel below them."""
Memory = Annotated[int, SizeRule(LEAST_BYTES, MOST_BYTES, PAGE_BYTES)]


class MemoryRange(Section):
    """One range of the firmware's memory map, [start, end) in bytes."""

    start: SizeOrZero
    end: Size
    node: Node = 0
    kind: Annotated[str, Choice(MEMORY_KINDS, "a kind of range")] = MEMORY_KINDS[0]
    """usable or reserved as in an e820 map, or the type of an EFI descriptor. What a kernel has as
    memory is usable, conventional, or of loader or boot; the rest matters as entries of the map.
    nomap is memory of arm64 that firmware keeps using."""

    @property
    def is_memory(self) -> bool:
        """Tell whether a kernel that runs has the range as memory."""
        return self.kind in USABLE_MEMORY

    def broken_rules(self) -> Iterator[BrokenRule]:
        yield from _broken_ends(self.start, self.end)


class Span(Section):
    """A range of addresses, [start, end) in bytes."""

    start: SizeOrZero
    end: Size

    def broken_rules(self) -> Iterator[BrokenRule]:
        yield from _broken_ends(self.start, self.end)


class HotplugRange(Span):
    """A place where memory may be plugged in later (SRAT)."""

    node: Node = 0


class Efi(Section):
    """The tables that EFI leaves in memory, on a machine that it started."""

    memory_map: Span | None = None
    """The place of the map for the first kernel; kexec makes later kernels a shorter one."""
    attributes: Span | None = None
    """The memory attributes table; the boot services data that hold it are never given back."""
    runtime_ranges: Annotated[int, Field(ge=0, le=100_000)] | None = None
    """Descriptors that kexec passes on; if left out, those of runtime services and mmio, and one
    for the attributes."""
    initrd_end: SizeOrZero = 0
    """The end of the first kernel's initrd; 0: the end of low memory."""
    kept_tables: Annotated[int, Field(ge=0, le=100)] = 0
    """Tables that each kernel keeps (ESRT, BGRT, MOK variables): each costs a copy of the map."""


class BootLoader(Section):
    """Where a boot loader puts a first kernel of arm64 and what belongs to it."""

    image_start: Size
    initrd_start: SizeOrZero = 0
    device_tree_start: SizeOrZero = 0
    """0: at the first 2 MiB border behind the initrd."""


def _broken_ends(start: int, end: int) -> Iterator[BrokenRule]:
    if end <= start:
        yield ("end",), f"the range ends at {end:#x}, not above its start {start:#x}"


def _default_nodes(data: dict[str, Any]) -> int:
    nodes: list[int] = [part.node + 1 for part in data["memory_map"] or ()]
    return max([len(data["node_memory"] or ()), 1, *nodes])


class Machine(Section):
    """The hardware, the same for all kernels of the chain."""

    platform: Annotated[str, Choice(PLATFORMS, "a platform")] = PLATFORMS[0]
    """The architecture."""
    memory_map: Annotated[ListOf[MemoryRange], Field(min_length=1)] | None = None
    """Ranges in ascending order, for a real machine; in place of memory and firmware."""
    node_memory: Annotated[ListOf[Memory], Field(min_length=1)] | None = None
    """The memory of each node, where it is not split equally."""
    memory: Memory | None = Field(
        default_factory=lambda data: sum(data["node_memory"] or ()) or None
    )
    """All memory; with node_memory its sum, with memory_map none."""
    firmware: Annotated[str, Choice(FIRMWARES, "a firmware")] | None = Field(
        default_factory=lambda data: (
            None if data["memory_map"] else PLATFORM_FIRMWARES[data["platform"]][0]
        )
    )
    """Firmware, which decides the holes of the memory map: SeaBIOS of QEMU's machines (qemu-pc, the
    default, or qemu-q35), or OVMF, which is EFI, on the latter (ovmf-q35); on arm64 none
    (qemu-virt, the default, which has a device tree) or UEFI (qemu-virt-uefi)."""
    nodes: Annotated[int, Field(ge=1, le=64)] = Field(default_factory=_default_nodes)
    """NUMA nodes; memory is split equally unless node_memory has the sizes."""
    cpus: Annotated[int, Field(ge=1, le=8192)] = 4
    """CPUs that are possible: a kernel lays out memory for all of them."""
    present_cpus: Annotated[int, Field(ge=1, le=8192)] | None = None
    """CPUs that are there from the beginning; the rest of cpus is only possible. All if left
    out."""
    firmware_tables: ListOf[Span] | None = None
    """Tables of ACPI outside of memory, with memory_map, where they are known."""
    efi: Efi | None = None
    """The tables of EFI, with a memory_map; any type of EFI in the map makes it an EFI map."""
    boot_loader: BootLoader | None = None
    """The places of a first kernel of arm64, with a memory_map; if left out, QEMU's."""
    hotplug: ListOf[HotplugRange] | None = None
    """Places where memory may be plugged in later."""
    page_table_levels: Annotated[int, Field(ge=4, le=5)] | None = None
    """Levels of page tables on x86_64; 5 if left out, as in the recorded machines. CPUs without
    LA57 have 4."""
    node_distances: bool | None = None
    """True if the firmware says how far nodes are from each other (ACPI's SLIT)."""
    hardware: Annotated[Given, HardwareRule()] = DEFAULT_HARDWARE
    """The set of time rates: one that was published for such a machine, or a mapping with base and
    the rates that differ, in ns for one, as in {base: epyc, shutdown: 1.2s}."""
    pci_functions: Annotated[int, Field(ge=0, le=100_000)] | None = None
    """Functions on PCI that each kernel looks at; if left out, as many as hardware has."""
    pci_waits: Annotated[int, Field(ge=0, le=1000)] | None = None
    """Root bridges behind which each kernel waits for a second; none if left out."""
    bad_memory: BadMemory | None = None
    """Uncorrectable errors; none if left out."""

    @property
    def has_efi(self) -> bool:
        """Tell whether EFI starts the machine."""
        types = {part.kind for part in self.memory_map or ()}
        return self.firmware in EFI_FIRMWARES or bool(self.efi or types & set(EFI_MEMORY))

    @property
    def total_bytes(self) -> int:
        """All memory, however it was given."""
        usable = [part for part in self.memory_map or () if part.is_memory]
        return self.memory or sum(part.end - part.start for part in usable)

    @property
    def _least_bytes(self) -> int:
        least, per_cpu = LEAST_BYTES_OF_FIRMWARE.get(self.firmware or "", (LEAST_BYTES, 0))
        return least + per_cpu * self.cpus

    @property
    def _least_first_bytes(self) -> int:
        return LEAST_BYTES_OF_FIRST_NODE.get(self.firmware or "", 0)

    @property
    def _first_node_bytes(self) -> int:
        return self.node_memory[0] if self.node_memory else self.total_bytes // self.nodes

    def broken_rules(self) -> Iterator[BrokenRule]:
        if self.memory_map:
            yield from self._broken_map_rules()
        elif self.efi:
            yield ("efi",), "efi goes with a memory_map; a firmware on EFI lays its own tables"
        elif self.firmware_tables:
            yield ("firmware_tables",), "firmware_tables goes with a memory_map"
        elif self.boot_loader:
            yield ("boot_loader",), "boot_loader goes with a memory_map"
        elif not self.memory:
            yield (), "there is no memory; accepted: memory: 64GiB, or memory_map: [...]"
        elif self.memory > MOST_BYTES:
            yield ("node_memory",), f"this adds up to more than {format_exact(MOST_BYTES)}"
        elif self.memory < self._least_bytes:
            least = format_exact(self._least_bytes)
            text = f"firmware {self.firmware} with {self.cpus} CPUs needs {least} of memory or more"
            yield ("memory",), text
        elif self.node_memory and self.memory != sum(self.node_memory):
            total = format_exact(sum(self.node_memory))
            yield ("memory",), f"memory is not the {total} that node_memory adds up to"
        elif self.memory // self.nodes < LEAST_BYTES:
            yield ("nodes",), f"{self.nodes} nodes would have less than 16MiB of memory each"
        elif self._first_node_bytes < self._least_first_bytes:
            least = format_exact(self._least_first_bytes)
            text = f"firmware {self.firmware} needs {least} in the first node or more"
            yield ("node_memory" if self.node_memory else "memory",), text
        known = PLATFORM_FIRMWARES[self.platform]
        if self.firmware and not self.memory_map and self.firmware not in known:
            text = f"{self.firmware} is no firmware of {self.platform}"
            yield ("firmware",), f"{text}; accepted: {', '.join(known)}"
        for index, place in enumerate(self.hotplug or ()):
            if place.node >= self.nodes:
                text = f"node {place.node} is not there; nodes: {self.nodes}"
                yield ("hotplug", index, "node"), text
        if self.present_cpus and self.present_cpus > self.cpus:
            yield (
                ("present_cpus",),
                f"{self.present_cpus} CPUs are more than the {self.cpus} of cpus",
            )
        if self.node_memory and self.nodes != len(self.node_memory):
            yield ("nodes",), f"nodes is {self.nodes}, but node_memory has {len(self.node_memory)}"

    def _broken_map_rules(self) -> Iterator[BrokenRule]:
        ranges = self.memory_map or ()
        if self.boot_loader and self.platform != ARM64:
            text = f"{self.platform} has its places from kernel.placed; this is for {ARM64}"
            yield ("boot_loader",), text
        for index, (left, right) in enumerate(pairwise(ranges), start=1):
            if right.start < left.end:
                text = f"starts at {right.start:#x}, but the range before ends at {left.end:#x}"
                yield ("memory_map", index, "start"), text
        for index, part in enumerate(ranges):
            if part.node >= self.nodes:
                yield (
                    ("memory_map", index, "node"),
                    f"node {part.node} is not there; nodes: {self.nodes}",
                )
        usable = [part for part in ranges if part.is_memory]
        for name, start in self.boot_loader or ():
            if start and not any(part.start <= start < part.end for part in usable):
                places = ", ".join(f"{part.start:#x}-{part.end:#x}" for part in usable[:4])
                yield ("boot_loader", name), f"{start:#x} is not in memory; accepted: {places}"
        large = [part for part in usable if part.end - part.start >= BOOTABLE]
        platform = platform_of(self.platform)
        if not any(part.start < platform.boot_loader_end for part in large):
            room = f"{format_exact(BOOTABLE)}{where_started(platform)}"
            yield ("memory_map",), f"no usable range of {room}, where a kernel is started"
        for index, part in enumerate(ranges):
            if part.is_memory:
                yield from broken_end(platform, part.end, ("memory_map", index))
            if part.kind == "nomap" and self.platform != ARM64:
                text = f"{self.platform} has no nomap ranges; accepted: usable, reserved, EFI types"
                yield ("memory_map", index, "kind"), text
        if self.total_bytes > MOST_BYTES:
            yield ("memory_map",), f"this adds up to more than {format_exact(MOST_BYTES)}"
        if self.firmware:
            yield ("firmware",), "firmware goes with memory; a memory_map needs none"
        if self.node_memory:
            yield ("node_memory",), "node_memory goes with memory; memory_map has a node per range"
        elif self.memory:
            yield ("memory",), "memory is what memory_map adds up to; leave it out"
