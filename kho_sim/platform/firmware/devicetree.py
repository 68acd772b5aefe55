"""QEMU's arm64 machine ``virt`` for any size, with a device tree or with UEFI and ACPI.

Source: kernel-facts-arm64 1.1, 3, 5.4 and the trees of its recorded boots. Memory is one bank from
1 GiB on. Under UEFI (edk2) firmware keeps parts near the top and shows its flash as memory. What it
keeps was recorded with 2 to 16 GiB; that it lies in the same way elsewhere is an assumption.
"""

from __future__ import annotations

from collections.abc import Sequence

from kho_sim.base.extent import Extent
from kho_sim.base.words import EFI_MEMORY, USABLE_MEMORY
from kho_sim.machine.efi import EfiDescriptor
from kho_sim.machine.machine import (
    NOMAP,
    RESERVED,
    USABLE,
    BootLoader,
    DeviceTree,
    FirmwareRange,
    Machine,
    NodeRange,
)
from kho_sim.platform.firmware.ranges import MapBeside, deal_cpus, joined

MIB = 1 << 20
START = 1 << 30
IMAGE_OFFSET = 2 * MIB
INITRD_OFFSET = 128 * MIB

# The device tree, in bytes: as a blob, as kexec packs it, and unflattened

BLOB_BYTES = MIB
PACKED_BYTES, PACKED_SECOND_CPU_BYTES, PACKED_CPU_BYTES = 7933, 171, 144
PACKED_NODE_ID_BYTES, PACKED_MEMORY_NODE_BYTES, PACKED_NODE_NAME_BYTES = 16, 76, 13
UNFLATTENED_BYTES, UNFLATTENED_SECOND_CPU_BYTES, UNFLATTENED_CPU_BYTES = 42484, 1384, 1280
UNFLATTENED_NODE_ID_BYTES, UNFLATTENED_MEMORY_NODE_BYTES = 104, 656
SEED_BYTES = 140
"""A property with 128 bytes of random numbers; the kernel that read it leaves a gap of its size."""

ACPI_RECLAIM = "acpi reclaim"
NO_MEMORY = ("reserved", "mmio", "mmio port", "unusable", "unaccepted", "pal code")
"""Ranges that are not cacheable memory: left out of memblock."""

# UEFI: what firmware keeps, as distances from the end of memory (of the first node)

FLASH = FirmwareRange(0x4000000, 0x8000000, NOMAP)
RUNTIME = (Extent(-0x3BC0000, -0x38D0000), Extent(-0x400000, -0x20000))
ACPI_TABLES = Extent(-0x3BD0000, -0x3BC0000)
RESERVED_LIST_HEAD = Extent(-0x4230068, -0x4230058)
MEMORY_ATTRIBUTES = Extent(-0x1FF3FE8, -0x1FF3BE8)
IMAGE_END_MAX = -0x4231000
STUB_BLOB_BYTES, STUB_PACKED_BYTES = 0x24D, 629
"""The stub's tree of nothing but /chosen; the first with a command line of 172 bytes."""


def qemu_virt(memory_bytes: int, *, cpus: int, node_bytes: Sequence[int] = ()) -> Machine:
    """Return the machine of that size with a device tree; ``node_bytes`` splits it over nodes."""
    end = START + memory_bytes
    shares = list(node_bytes) or [memory_bytes]
    return Machine(
        firmware=(FirmwareRange(START, end),),
        cpu_nodes=deal_cpus(cpus, len(shares)),
        node_ranges=_deal_memory(shares) if len(shares) > 1 else (),
        device_tree=_device_tree(cpus, len(shares)),
        boot_loader=BootLoader(
            image=START + IMAGE_OFFSET,
            initrd=START + min(memory_bytes // 2, INITRD_OFFSET),
        ),
        assumptions=("CPUs are dealt to the nodes in equal consecutive shares",),
    )


def qemu_virt_uefi(memory_bytes: int, *, cpus: int, node_bytes: Sequence[int] = ()) -> Machine:
    """Return the machine of that size with UEFI and ACPI; kernels find one node only.

    Its flash is memory that no node has, so they reject the SRAT (kernel-facts-arm64 1.4).
    """
    end = START + memory_bytes
    top = START + (node_bytes[0] if node_bytes else memory_bytes)
    runtime = [Extent(top + start, top + stop) for start, stop in RUNTIME]
    tables = (ACPI_TABLES, RESERVED_LIST_HEAD, MEMORY_ATTRIBUTES)
    assumptions = ["what UEFI keeps near the end of memory lies as in the recorded boots"]
    if len(node_bytes) > 1:
        text = "the kernels see one node: the flash that UEFI shows as memory is on none"
        assumptions.append(text)
    return Machine(
        firmware=(FLASH, *_around(runtime, end)),
        cpu_nodes=(0,) * cpus,
        firmware_tables=tuple(Extent(top + start, top + stop) for start, stop in tables),
        device_tree=DeviceTree(STUB_BLOB_BYTES, STUB_PACKED_BYTES),
        boot_loader=BootLoader(image_end_max=top + IMAGE_END_MAX),
        assumptions=tuple(assumptions),
    )


def from_memory_map(
    ranges: Sequence[tuple[int, int, int, str]], *, cpus: int, beside: MapBeside | None = None
) -> Machine:
    """Return the machine of an explicit map: (start, end, node, kind) ranges.

    Of the types of EFI those of loader and boot services are memory, ACPI's is memory that is
    reserved, runtime services and the like are not mapped; devices are left out. UEFI and ACPI are
    taken to describe a machine with any of them or with memory that is not mapped, a device tree as
    QEMU's any other.
    """
    beside = beside or MapBeside()
    entries = [(start, end, nid, _kind_of(kind)) for start, end, nid, kind in sorted(ranges)]
    memory = [NodeRange(start, end, nid) for start, end, nid, kind in entries if kind != RESERVED]
    nodes = sorted({entry.nid for entry in memory})
    shares = deal_cpus(cpus, len(nodes))
    has_uefi = beside.efi or any(kind in (NOMAP, *EFI_MEMORY) for *_, kind in ranges)
    stub_tree = DeviceTree(STUB_BLOB_BYTES, STUB_PACKED_BYTES)
    acpi = tuple(Extent(start, end) for start, end, _, kind in ranges if kind == ACPI_RECLAIM)
    return Machine(
        firmware=joined(EfiDescriptor(start, end, kind) for start, end, _, kind in entries),
        cpu_nodes=tuple(nodes[share] for share in shares),
        node_ranges=() if nodes == [0] else tuple(memory),
        firmware_tables=(*acpi, *(beside.tables or ())),
        device_tree=stub_tree if has_uefi else _device_tree(cpus, len(nodes)),
        boot_loader=beside.boot_loader,
        assumptions=("CPUs are dealt to the nodes in equal consecutive shares",),
    )


def _kind_of(kind: str) -> str:
    """Return what arm64 makes of a range (kernel-facts-arm64 1.2)."""
    if kind in USABLE_MEMORY or kind in (ACPI_RECLAIM, "persistent"):
        return USABLE
    return RESERVED if kind in NO_MEMORY else NOMAP


def _around(runtime: Sequence[Extent], end: int) -> tuple[FirmwareRange, ...]:
    """Return the bank from its start to ``end``, with the parts that runtime services keep."""
    ranges, start = [], START
    for part in runtime:
        ranges += [FirmwareRange(start, part.start), FirmwareRange(*part, NOMAP)]
        start = part.end
    return (*ranges, FirmwareRange(start, end))


def _device_tree(cpus: int, nodes: int) -> DeviceTree:
    """Return the sizes of the tree: those of one CPU, and what each part more adds."""
    second, more = min(cpus - 1, 1), max(cpus - 1, 0)
    packed = PACKED_BYTES + PACKED_SECOND_CPU_BYTES * second + PACKED_CPU_BYTES * max(more - 1, 0)
    unflattened = UNFLATTENED_BYTES + UNFLATTENED_SECOND_CPU_BYTES * second
    unflattened += UNFLATTENED_CPU_BYTES * max(more - 1, 0)
    if nodes > 1:
        packed += PACKED_NODE_NAME_BYTES + PACKED_NODE_ID_BYTES * (cpus + nodes)
        packed += PACKED_MEMORY_NODE_BYTES * (nodes - 1)
        unflattened += UNFLATTENED_NODE_ID_BYTES * (cpus + 1)
        unflattened += UNFLATTENED_MEMORY_NODE_BYTES * (nodes - 1)
    return DeviceTree(BLOB_BYTES, packed, unflattened, SEED_BYTES)


def _deal_memory(node_bytes: Sequence[int]) -> tuple[NodeRange, ...]:
    ranges, start = [], START
    for nid, share in enumerate(node_bytes):
        ranges.append(NodeRange(start, start + share, nid))
        start += share
    return tuple(ranges)
