"""The memory maps that firmware gives: QEMU's ``pc`` and ``q35`` for any size, and explicit ones.

Source: kernel-facts section 1 (pc: checked against recorded boots from 1 to 128 GiB). The q35 map,
the move of high memory beyond 1 TiB and the size of the SMBIOS tables are stated assumptions.
"""

from __future__ import annotations

from collections.abc import Sequence

from kho_sim.base.extent import Extent, round_up
from kho_sim.base.words import EFI_MEMORY, USABLE_MEMORY
from kho_sim.machine.efi import RUNTIME, Efi, EfiDescriptor
from kho_sim.machine.machine import RESERVED, FirmwareRange, Machine, NodeRange
from kho_sim.platform.firmware.efi import e820_of
from kho_sim.platform.firmware.ranges import MapBeside, deal_cpus, joined

MIB = 1 << 20
GIB = 1 << 30
FOUR_GIB = 4 * GIB
PAGE_BYTES = 4096
"""Kernels leave the first page alone: it held the BIOS's own data."""
ACPI_AREA_BYTES = 0x20000
"""What SeaBIOS keeps at the top of low memory for ACPI tables."""
ACPI_TABLES_BYTES = 0x1B94
"""The tables inside of it on 4 CPUs (machine-4G); more CPUs make it a little longer."""
HYPERTRANSPORT = Extent(0xFD00000000, 0x10000000000)
SMBIOS_BASE_BYTES = 320
SMBIOS_DEVICE_BYTES = 53
SMBIOS_LOW_LIMIT_BYTES = 600
DIMM_BYTES = 16 * GIB

LOW_RESERVED = (
    FirmwareRange(0x9FC00, 0xA0000, "reserved"),
    FirmwareRange(0xF0000, 0x100000, "reserved"),
)
TOP_RESERVED = {
    "qemu-pc": (FirmwareRange(0xFFFC0000, FOUR_GIB, "reserved"),),
    "qemu-q35": (
        FirmwareRange(0xFED1C000, 0xFED20000, "reserved"),
        FirmwareRange(0xFFFC0000, FOUR_GIB, "reserved"),
    ),
}


def qemu_machine(
    memory_bytes: int, *, cpus: int, node_bytes: Sequence[int] = (), firmware: str = "qemu-pc"
) -> Machine:
    """Return QEMU's machine of that size; ``node_bytes`` splits it over nodes (one if empty).

    Source: kernel-facts section 1. CPUs are dealt to nodes in equal consecutive shares.
    """
    low_end = end_of_low_memory(memory_bytes, firmware)
    high_bytes = memory_bytes - low_end if memory_bytes > low_end else 0
    high_start = start_of_high_memory(high_bytes)
    reserved_bytes = ACPI_AREA_BYTES + _smbios_bytes(memory_bytes)
    tables = low_end - ACPI_AREA_BYTES
    entries = [FirmwareRange(0, 0x9FC00), *LOW_RESERVED]
    entries.append(FirmwareRange(MIB, low_end - reserved_bytes))
    entries.append(FirmwareRange(low_end - reserved_bytes, low_end, "reserved"))
    if firmware == "qemu-q35":
        entries.append(FirmwareRange(0xB0000000, 0xC0000000, "reserved"))
    entries.extend(TOP_RESERVED[firmware])
    entries.append(FirmwareRange(*HYPERTRANSPORT, "reserved"))
    if high_bytes:
        entries.append(FirmwareRange(high_start, high_start + high_bytes))
    shares = list(node_bytes) or [memory_bytes]
    return Machine(
        firmware=tuple(sorted(entries, key=lambda entry: entry.start)),
        cpu_nodes=deal_cpus(cpus, len(shares)),
        node_ranges=deal_memory(shares, low_end, high_start) if len(shares) > 1 else (),
        firmware_tables=(Extent(tables, tables + ACPI_TABLES_BYTES),),
        lowest_address=PAGE_BYTES,
        assumptions=_assumptions(memory_bytes, firmware, high_start),
    )


def from_memory_map(
    ranges: Sequence[tuple[int, int, int, str]], *, cpus: int, beside: MapBeside | None = None
) -> Machine:
    """Return the machine of an explicit firmware map: (start, end, node, kind) ranges.

    The nodes of usable ranges count; usable ranges that touch are one entry of the map that was cut
    at a node border. With types of EFI it is an EFI map, and the e820 map is made of it. Where
    nothing says where the ACPI tables are, a reserved range that begins where low memory ends is
    taken to hold them, as SeaBIOS lays them.
    """
    beside = beside or MapBeside()
    entries = sorted(ranges)
    usable = [NodeRange(*entry[:3]) for entry in entries if entry[3] in USABLE_MEMORY]
    nodes = sorted({entry.nid for entry in usable})
    shares = deal_cpus(cpus, len(nodes))
    descriptors = tuple(EfiDescriptor(start, end, kind) for start, end, _, kind in entries)
    has_efi = beside.efi or any(kind in EFI_MEMORY for *_, kind in entries)
    return Machine(
        firmware=e820_of(descriptors) if has_efi else joined(descriptors),
        cpu_nodes=tuple(nodes[share] for share in shares),
        node_ranges=() if nodes == [0] else tuple(usable),
        firmware_tables=_tables_behind_memory(entries) if beside.tables is None else beside.tables,
        efi=_efi_of(descriptors, beside) if has_efi else None,
        hotplug=beside.hotplug,
        lowest_address=PAGE_BYTES,
        assumptions=("CPUs are dealt to the nodes in equal consecutive shares",),
    )


def _efi_of(descriptors: tuple[EfiDescriptor, ...], beside: MapBeside) -> Efi:
    """The attributes table makes its own descriptor one more that kexec passes on."""
    count = sum(descriptor.kind in RUNTIME for descriptor in descriptors)
    if beside.attributes is not None:
        count += 1
    return Efi(
        descriptors,
        count if beside.runtime_ranges is None else beside.runtime_ranges,
        beside.memory_map,
        beside.attributes,
        beside.initrd_end,
        beside.kept_tables,
    )


def _tables_behind_memory(entries: Sequence[tuple[int, int, int, str]]) -> tuple[Extent, ...]:
    low_end = max(
        (end for start, end, _, kind in entries if kind in USABLE_MEMORY and start < FOUR_GIB),
        default=0,
    )
    return tuple(
        Extent(start, start + ACPI_TABLES_BYTES)
        for start, end, _, kind in entries
        if kind == RESERVED and start == low_end and end - start >= ACPI_TABLES_BYTES
    )


def end_of_low_memory(memory_bytes: int, firmware: str) -> int:
    if firmware == "qemu-q35":
        return 2 * GIB if memory_bytes >= 0xB0000000 else memory_bytes
    return 3 * GIB if memory_bytes >= 0xE0000000 else memory_bytes


def start_of_high_memory(high_bytes: int) -> int:
    """Return 4 GiB, or 1 TiB where memory would run into the HyperTransport hole, as QEMU does."""
    return HYPERTRANSPORT.end if FOUR_GIB + high_bytes > HYPERTRANSPORT.start else FOUR_GIB


def _smbios_bytes(memory_bytes: int) -> int:
    """SMBIOS describes memory in devices of 16 GiB; tables too long for the BIOS area move to RAM.

    Recorded: none at 64 GiB, one page at 128 GiB.
    """
    devices = -(-memory_bytes // DIMM_BYTES)
    table_bytes = SMBIOS_BASE_BYTES + SMBIOS_DEVICE_BYTES * devices
    return round_up(table_bytes, PAGE_BYTES) if table_bytes > SMBIOS_LOW_LIMIT_BYTES else 0


def deal_memory(node_bytes: Sequence[int], low_end: int, high_start: int) -> tuple[NodeRange, ...]:
    """Give each node its share of memory in ascending order; SRAT ranges break at the hole."""
    ranges = []
    offset = 0
    for nid, share in enumerate(node_bytes):
        start, end = offset, offset + share
        offset = end
        if start < low_end:
            ranges.append(NodeRange(start, min(end, low_end), nid))
        if end > low_end:
            shift = high_start - low_end
            ranges.append(NodeRange(max(start, low_end) + shift, end + shift, nid))
    return tuple(ranges)


def _assumptions(memory_bytes: int, firmware: str, high_start: int) -> tuple[str, ...]:
    found = []
    if firmware == "qemu-q35":
        found.append("the q35 memory map is QEMU's machine model; no recorded boot has it")
    if high_start != FOUR_GIB:
        found.append("memory above 4 GiB starts at 1 TiB, as QEMU does for AMD guests of this size")
    if _smbios_bytes(memory_bytes):
        found.append("SMBIOS tables take 320 + 53 bytes a 16 GiB device (recorded: 1 page at 128G)")
    return tuple(found)
