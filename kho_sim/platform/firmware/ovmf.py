"""OVMF, the EFI firmware of virtual machines, on QEMU's ``q35``: its memory map for any size.

OVMF takes memory from the end of low memory down: first what its early phase needs, some of it for
each CPU, then its drivers, then the boot loader's. So all of it lies at fixed distances from that
end. Left out: the single ranges of drivers, which only matter as one, and how far a firmware of
another build is off.

Source: kernel-facts-distro 4, and the maps of recorded boots (2 to 16 GiB, 1 to 4 CPUs), which the
e820 map equals. The distances at other sizes and numbers of CPUs are stated assumptions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kho_sim.base.extent import Extent, round_up
from kho_sim.machine.efi import Efi, EfiDescriptor
from kho_sim.machine.machine import Machine
from kho_sim.platform.firmware.e820 import (
    FOUR_GIB,
    MIB,
    PAGE_BYTES,
    deal_memory,
    end_of_low_memory,
    start_of_high_memory,
)
from kho_sim.platform.firmware.efi import e820_of
from kho_sim.platform.firmware.ranges import deal_cpus

BELOW = (
    EfiDescriptor(0, 0xA0000, "conventional"),
    EfiDescriptor(MIB, 0x806000, "conventional"),
    EfiDescriptor(0x806000, 0x808000, "acpi nvs"),
    EfiDescriptor(0x808000, 0x810000, "conventional"),
    EfiDescriptor(0x810000, 0x900000, "acpi nvs"),
    EfiDescriptor(0x900000, 0x1500000, "boot data"),
)
FREE_FROM = 0x1500000
ABOVE = (
    EfiDescriptor(0xB0000000, 0xC0000000, "reserved"),
    EfiDescriptor(0xFFC00000, FOUR_GIB, "mmio"),
)

# Of the early phase: bytes below the end of low memory, and what each CPU adds

EARLY_CPUS = 8
"""So many CPUs find room in the first 2 MiB below the end; more move all that follows down."""
STACKS_BYTES, STACK_BYTES = 0x80000, 0x8000
EARLY_RESERVED_BYTES = 0x84000
EARLY_HELD_BYTES, EARLY_HELD_BYTES_PER_CPU = 0x16F000, 0x10000
EARLY_BYTES = 2 * MIB
"""Down to a border of so much."""

# Of drivers and boot loader: bytes below the end of low memory, and what each CPU adds to some

NVS = Extent(0x882000, 0x802000)
RECLAIM = Extent(0x894000, 0x882000)
RESERVED = Extent(0xB14000, 0x894000)
RUNTIME_END_BYTES, RUNTIME_BYTES = 0x1474000, 0x102000
LOW_ONLY_BYTES = 0x16000
"""Of drivers, which a machine without memory above 4 GiB does not need."""
DRIVERS_BYTES = 0x2291000
ATTRIBUTES_HELD_BYTES = 0x20000
LOADER_HELD = Extent(0x236A000, 0x22CC000)
INITRD_END_BYTES = 0x2BC1000
LOADED_HELD = Extent(0x4483000, 0x4463000)

# Tables

ATTRIBUTES = Extent(0x298, 0x6C8)
"""The attributes table, in the range that holds it."""
DESCRIPTOR_BYTES = 48
DESCRIPTORS, MAP_PAGES = 134, 3
DESCRIPTORS_LOW_ONLY, MAP_PAGES_LOW_ONLY = 125, 2
MAP_OFFSET_BYTES = 64
RUNTIME_RANGES = 6
DSDT_BYTES, DSDT_BYTES_PER_CPU = 0x1FCF, 0x56
APIC_BYTES, APIC_BYTES_PER_CPU = 0x70, 8
SRAT_BYTES = 0x110
"""Of two nodes; for more it is a little longer."""
FACS = Extent(0x824000, 0x823FC0)
TABLES_BYTES = 0x884000
"""Where the DSDT ends, and the others follow it downwards, each in pages of its own."""
USUAL_TABLE_PAGES = 4
"""Of DSDT and APIC with few CPUs; with many they push down all that lies below."""

ASSUMPTIONS = (
    "OVMF's ranges lie at the distances from the end of low memory that recorded boots have, and "
    "grow with each CPU as those of 1, 2 and 4 CPUs do",
    "what OVMF keeps for its runtime is six descriptors, whatever the machine",
    "the initrd of a first kernel ends where that of recorded boots does, whatever its size",
)
LEAST_BYTES = 256 << 20
LEAST_BYTES_PER_CPU = 64 << 10
"""With less than both, the firmware and a kernel do not fit below the end of low memory."""


def ovmf_machine(memory_bytes: int, *, cpus: int, node_bytes: Sequence[int] = ()) -> Machine:
    """Return the machine of that size; ``node_bytes`` splits it over nodes (one if empty).

    Raises ValueError if that is less memory than the firmware and a kernel need.
    """
    if memory_bytes < least_bytes(cpus):
        raise ValueError(f"OVMF with {cpus} CPUs does not fit into {memory_bytes} bytes")
    low_end = end_of_low_memory(memory_bytes, "qemu-q35")
    high_bytes = max(memory_bytes - low_end, 0)
    high_start = start_of_high_memory(high_bytes)
    shares = list(node_bytes) or [memory_bytes]
    low = _Low(low_end, cpus, bool(high_bytes))
    descriptors = [*BELOW, *low.descriptors(), *ABOVE]
    if high_bytes:
        descriptors.append(EfiDescriptor(high_start, high_start + high_bytes, "conventional"))
    return Machine(
        firmware=e820_of(descriptors),
        cpu_nodes=deal_cpus(cpus, len(shares)),
        node_ranges=deal_memory(shares, low_end, high_start) if len(shares) > 1 else (),
        firmware_tables=tuple(low.acpi_tables(len(shares))),
        efi=Efi(
            tuple(sorted(descriptors)),
            RUNTIME_RANGES,
            low.memory_map(len(shares)),
            low.attributes,
            low.initrd_end,
        ),
        lowest_address=PAGE_BYTES,
        assumptions=ASSUMPTIONS,
    )


def least_bytes(cpus: int) -> int:
    """Return the least memory that the firmware and a kernel need."""
    return LEAST_BYTES + LEAST_BYTES_PER_CPU * cpus


class _Low:
    """What OVMF has below the end of low memory."""

    def __init__(self, end: int, cpus: int, has_high_memory: bool):
        self._end = end
        self._cpus = cpus
        self._low_only = not has_high_memory
        self._dsdt_bytes = DSDT_BYTES + DSDT_BYTES_PER_CPU * cpus
        self._apic_bytes = APIC_BYTES + APIC_BYTES_PER_CPU * cpus
        more = max(cpus - EARLY_CPUS, 0) * EARLY_HELD_BYTES_PER_CPU
        self._drivers = end - round_up(more, EARLY_BYTES)
        """The end of low memory as it is for all but the early phase."""
        tables = round_up(self._dsdt_bytes, PAGE_BYTES) + round_up(self._apic_bytes, PAGE_BYTES)
        self._behind_tables = self._drivers - tables + USUAL_TABLE_PAGES * PAGE_BYTES
        """The same for what lies below the tables."""
        drivers = self._below(DRIVERS_BYTES)
        self._attributes_held = Extent(drivers - ATTRIBUTES_HELD_BYTES, drivers)

    @property
    def attributes(self) -> Extent:
        start, end = ATTRIBUTES
        return Extent(self._attributes_held.start + start, self._attributes_held.start + end)

    @property
    def initrd_end(self) -> int:
        return self._below(INITRD_END_BYTES)

    def descriptors(self) -> Iterator[EfiDescriptor]:
        """Yield all from the first free byte up."""
        parts = sorted([*self._of_drivers(), *self._of_the_early_phase()])
        free = FREE_FROM
        for part in parts:
            if free < part.start:
                yield EfiDescriptor(free, part.start, "conventional")
            yield part
            free = part.end

    def acpi_tables(self, nodes: int) -> list[Extent]:
        """Return the tables of ACPI, ascending: from DSDT down to WAET, and above them FACS."""
        tables = [Extent(self._drivers - FACS.start, self._drivers - FACS.end)]
        end = self._drivers - TABLES_BYTES
        srat = [SRAT_BYTES] if nodes > 1 else []
        for size in (self._dsdt_bytes, 0xF4, self._apic_bytes, 0x38, *srat, 0x3C, 0x28):
            end -= round_up(size, PAGE_BYTES)
            tables.append(Extent(end, end + size))
        return sorted(tables)

    def memory_map(self, nodes: int) -> Extent:
        """Return where the map lies: in pages of its own below the tables."""
        count, pages = DESCRIPTORS, MAP_PAGES
        if self._low_only:
            count, pages = DESCRIPTORS_LOW_ONLY, MAP_PAGES_LOW_ONLY
        start = self.acpi_tables(nodes)[0].start - pages * PAGE_BYTES + MAP_OFFSET_BYTES
        return Extent(start, start + count * DESCRIPTOR_BYTES)

    def _below(self, size_bytes: int) -> int:
        """Return the place that far below the end, and lower for each CPU."""
        return self._behind_tables - size_bytes - STACK_BYTES * min(self._cpus, EARLY_CPUS)

    def _of_the_early_phase(self) -> Iterator[EfiDescriptor]:
        stacks = self._end - STACKS_BYTES - STACK_BYTES * self._cpus
        reserved = stacks - EARLY_RESERVED_BYTES
        held = self._end - EARLY_HELD_BYTES - EARLY_HELD_BYTES_PER_CPU * self._cpus
        yield EfiDescriptor(held, reserved, "boot data")
        yield EfiDescriptor(reserved, stacks, "reserved")
        yield EfiDescriptor(stacks, self._end, "acpi nvs")

    def _of_drivers(self) -> Iterator[EfiDescriptor]:
        end, below = self._drivers, self._behind_tables
        runtime_end = below - RUNTIME_END_BYTES + (LOW_ONLY_BYTES if self._low_only else 0)
        runtime = runtime_end - RUNTIME_BYTES
        yield EfiDescriptor(end - NVS.end, end - EARLY_BYTES, "boot data")
        yield EfiDescriptor(end - NVS.start, end - NVS.end, "acpi nvs")
        yield EfiDescriptor(below - RECLAIM.start, end - RECLAIM.end, "acpi reclaim")
        yield EfiDescriptor(below - RESERVED.start, below - RESERVED.end, "reserved")
        yield EfiDescriptor(runtime_end, below - RESERVED.start, "boot data")
        yield EfiDescriptor(runtime, runtime_end, "reserved")
        yield EfiDescriptor(self._attributes_held.end, runtime, "boot data")
        yield EfiDescriptor(*self._attributes_held, "boot data")
        for held in (LOADER_HELD, LOADED_HELD):
            yield EfiDescriptor(self._below(held.start), self._below(held.end), "boot data")
        yield EfiDescriptor(self.initrd_end, self._below(LOADER_HELD.start), "loader data")
