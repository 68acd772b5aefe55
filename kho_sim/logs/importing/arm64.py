"""What a log of arm64 tells of machine and build: memory, what firmware left in it, the image.

Memory is what the kernel has of it: its regions with their flags where the log has them, else what
UEFI describes (``efi=debug``), else "Early memory node ranges". Their sum is that of "Memory:
x/yK"; a log in which it is not was cut. Left out: sizes of the device tree, which are taken to be
those of QEMU's, and memory that is hot-pluggable.

Source: kernel-facts-arm64 1.2 (memory), 2 (flags), 3 and 5.1 (the first reservations).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

from kho_sim.base.extent import (
    Extent,
    merged,
    round_down,
    round_up,
    subtracted,
    total_size,
)
from kho_sim.base.words import ARM64, USABLE_MEMORY
from kho_sim.kho.load import DESCRIPTORS_ALIGN_BYTES
from kho_sim.kho.populate import DESCRIPTOR_BYTES
from kho_sim.logs.importing.files_of_arm64 import image_of
from kho_sim.logs.importing.imported import MEMORY_MAP, NODE_RANGES, Source
from kho_sim.logs.reader import BootLog
from kho_sim.logs.reader.arm64_lines import EMULATED_TIMER_HZ
from kho_sim.logs.reader.assemble import is_kho
from kho_sim.machine.machine import NOMAP, USABLE, FirmwareRange, joined_ranges
from kho_sim.memory.memblock import NOMAP as NOMAP_FLAG
from kho_sim.platform.geometry import PAGES_4K

CACHEABLE = {"WB", "WT", "WC"}
"""Attributes of descriptors that are memory."""
KEPT_TYPES = (*USABLE_MEMORY, "acpi reclaim", "persistent")
"""Types of UEFI that kernels map; memory of all others is firmware's."""
MIB = 1 << 20
STUB_ALIGN_BYTES = 64 << 10
EARLY_NODES = "Early memory node ranges"
MEMORY_LINE = "Memory: "
IMAGE_LINE = "Kernel code"


def find_machine(source: Source, chain: Sequence[BootLog]) -> None:
    """Add platform, memory and nodes of a chain's machine to ``source``."""
    cold = chain[0]
    source.say("machine.platform", ARM64, "Linux version", "the kernel is of arm64")
    page_bytes = cold.geometry.page_bytes
    if page_bytes != PAGES_4K.page_bytes:
        source.say("kernel.page_size", page_bytes, "percpu: Embedded", "page size of the log")
    parts = list(_memory(source, cold))
    if not parts:
        return
    source.say(MEMORY_MAP, parts, EARLY_NODES, "the kernel's memory")
    _check_sums(source, cold, merged((part.start, part.end) for part in parts))
    if len({span.nid for span in cold.node_ranges}) > 1:
        source.say(NODE_RANGES, cold.node_ranges, EARLY_NODES)
    tables = _tables(cold)
    if tables:
        places = [table._asdict() for table in tables]
        source.say("machine.firmware_tables", places, "efi: ", "what firmware leaves reserved")
    if not is_kho(cold):
        _say_places(source, cold)
    for node in cold.reserved_nodes:
        if node.reusable:
            source.notes.append(f"the reserved-memory node {node.name} is left out")


def _say_places(source: Source, cold: BootLog) -> None:
    """Say where the boot loader put the first kernel, if the log shows all of it."""
    first = first_load(cold)
    if not (first.image and first.initrd and first.device_tree):
        return
    places = {
        "image_start": first.image.start,
        "initrd_start": first.initrd.start,
        "device_tree_start": first.device_tree.start,
    }
    source.say("machine.boot_loader", places, "efi: ", "the first reservations")


def find_build(source: Source, chain: Sequence[BootLog]) -> None:
    """Add the sizes of the first kernel to ``source``; note those that only a build can have."""
    cold = chain[0]
    first = first_load(cold)
    if first.image:
        source.say("kernel.image", first.image.size, IMAGE_LINE, first.image_from)
    if initrd_bytes := _initrd_bytes(chain):
        source.say("kernel.initrd", initrd_bytes, "initrd", "the initrd's reservation")
    if cold.percpu:
        source.say("kernel.per_cpu_static", cold.percpu.static_bytes, "percpu: Embedded")
    if cold.timer_hz:
        emulated = cold.timer_hz == EMULATED_TIMER_HZ
        what = f"timer of {cold.timer_hz} Hz"
        source.say("chain.workers", "sequential" if emulated else "parallel", "arch_timer: ", what)


class FirstLoad(NamedTuple):
    """Where image, initrd and device tree of a boot lie, as far as its log shows it."""

    image: Extent | None = None
    initrd: Extent | None = None
    device_tree: Extent | None = None
    image_from: str = ""


def first_load(log: BootLog) -> FirstLoad:
    """Return the places of a boot's image, initrd and device tree.

    With ``memblock=debug`` their reservations are known by form: the initrd is added to memory and
    reserved, the image is reserved next. Else /proc/iomem shows the image, and an initrd begins
    where it ends or is the other reservation of whole pages.
    """
    image, initrd = _printed_places(log)
    what = "reservation of the image"
    if image is None:
        image, what = image_of(log.iomem), "Kernel code to Kernel data"
    rest = subtracted(_not_of_the_kernel(log), [image] if image else [])
    initrd = initrd or _initrd_among(log, rest, image)
    tree = _device_tree_among(subtracted(rest, [initrd] if initrd else []))
    return FirstLoad(image, initrd, tree, what)


def landed(log: BootLog, area_count: int) -> dict[str, int]:
    """Return where kexec put image, initrd, device tree and scratch descriptors of a KHO boot."""
    first = first_load(log)
    places = {"kernel": first.image, "initrd": first.initrd, "device_tree": first.device_tree}
    for extent in _not_of_the_kernel(log):
        aligned = extent.start % DESCRIPTORS_ALIGN_BYTES == 0
        if extent.size == DESCRIPTOR_BYTES * area_count and aligned:
            places["descriptors"] = extent
    return {name: place.start for name, place in places.items() if place}


def _memory(source: Source, cold: BootLog) -> Iterator[FirmwareRange]:
    """Yield memory with its kinds, neighbours of one kind joined."""
    yield from _flagged(cold) or _described(cold) or _by_ranges(source, cold)


def _flagged(cold: BootLog) -> list[FirmwareRange]:
    """Memory as memblock has it, before the page allocator takes over."""
    rows = [
        (row.start, row.end, row.flags)
        for row in cold.regions
        if row.moment == "before_retrieve" and row.array == "memory"
    ]
    if not rows and cold.dumps:
        memory = cold.dumps[-1].memory
        rows = [(region.base, region.base + region.size, region.flags) for region in memory]
    kinds = ((start, end, NOMAP if flags & NOMAP_FLAG else USABLE) for start, end, flags in rows)
    return joined_ranges(FirmwareRange(*row) for row in kinds)


def _described(cold: BootLog) -> list[FirmwareRange]:
    """Memory as UEFI describes it: what can be cached, in the words of its types."""
    return joined_ranges(
        FirmwareRange(part.start, part.end, part.kind if part.kind in KEPT_TYPES else NOMAP)
        for part in sorted(cold.efi.descriptors)
        if CACHEABLE & set(part.attributes)
    )


def _by_ranges(source: Source, cold: BootLog) -> list[FirmwareRange]:
    """Memory as the kernel lists it, without flags.

    Memblock keeps neighbours apart only if their flags differ. Of such a row every other range is
    not mapped: those that are smaller in all. In a KHO boot scratch is what differs.
    """
    extents = sorted(Extent(span.start, span.end) for span in cold.node_ranges)
    if is_kho(cold):
        return [FirmwareRange(*extent) for extent in merged(extents)]
    edges = {left.end for left in cold.node_ranges for right in cold.node_ranges
             if left.end == right.start and left.nid != right.nid}  # fmt: skip
    rows: list[list[Extent]] = []
    for extent in extents:
        touches = rows and rows[-1][-1].end == extent.start and extent.start not in edges
        if touches:
            rows[-1].append(extent)
        else:
            rows.append([extent])
    parts = []
    for row in rows:
        even, odd = row[::2], row[1::2]
        nomap = set(odd if total_size(even) >= total_size(odd) else even)
        parts += [FirmwareRange(*e, NOMAP if e in nomap else USABLE) for e in row]
    unmapped = sum(part.end - part.start for part in parts if part.kind == NOMAP)
    if unmapped:
        source.notes.append(
            f"{unmapped} bytes beside other memory are taken not to be mapped (NOMAP); "
            "efi=debug or memblock=debug would show it"
        )
    return parts


def _check_sums(source: Source, cold: BootLog, memory: list[Extent]) -> None:
    """Check that the ranges add up to what the kernel counts: all memory, mapped or not."""
    total_bytes = cold.memory.total_bytes if cold.memory else 0
    found = total_size(memory)
    if total_bytes and found != total_bytes:
        text = f"{found} bytes of {total_bytes} in '{MEMORY_LINE}x/yK'"
        source.miss(MEMORY_MAP, EARLY_NODES, text)
    listed = merged((span.start, span.end) for span in cold.node_ranges)
    pages = [
        Extent(
            round_up(e.start, cold.geometry.page_bytes), round_down(e.end, cold.geometry.page_bytes)
        )
        for e in memory
    ]
    if listed and listed != pages:
        text = f"{total_size(listed)} bytes in '{EARLY_NODES}', {found} bytes otherwise"
        source.miss(MEMORY_MAP, EARLY_NODES, text)
    if not total_bytes and not listed:
        source.notes.append("nothing in the log says how much memory there is in all")


# What is reserved before anything is allocated


def _printed(log: BootLog) -> list[tuple[str, Extent]]:
    """The calls before the first request: what they do, and where."""
    calls = takewhile(lambda call: call.op != "alloc", log.calls)
    return [
        (call.op, Extent(call.base, call.base + call.size))
        for call in calls
        if call.op in ("add", "reserve") and call.size
    ]


def _printed_places(log: BootLog) -> tuple[Extent | None, Extent | None]:
    """Image and initrd: an initrd is added to memory and reserved, then comes the image."""
    calls = _printed(log)
    for (first, initrd), (second, same), (third, image) in zip(
        calls, calls[1:], calls[2:], strict=False
    ):
        if (first, second, third) == ("add", "reserve", "reserve") and initrd == same:
            return image, initrd
    reserved = [extent for op, extent in calls if op == "reserve"]
    return (reserved[-1], None) if reserved else (None, None)


def _not_of_the_kernel(log: BootLog) -> list[Extent]:
    """Reservations without a flag, each as the array has it."""
    for moment in ("before_extend", "before_retrieve"):
        rows = [
            Extent(row.start, row.end)
            for row in log.regions
            if row.moment == moment and row.array == "reserved" and not row.flags
        ]
        if rows:
            return rows
    reserved = log.dumps[-1].reserved if log.dumps else []
    return [Extent(r.base, r.base + r.size) for r in reserved if not r.flags]


def _initrd_among(log: BootLog, rest: Iterable[Extent], image: Extent | None) -> Extent | None:
    """The reservation of whole pages that is as large as what is freed of the initrd later."""
    freed, page_bytes = log.initrd_freed_bytes, log.geometry.page_bytes
    whole = [extent for extent in rest if not (extent.start | extent.end) % page_bytes]
    if freed is None:
        return next((e for e in whole if image and e.start == image.end), None)
    return next((e for e in whole if 0 <= e.size - freed <= page_bytes), None)


def _device_tree_among(rest: Iterable[Extent]) -> Extent | None:
    """kexec and QEMU align the tree to 2 MiB; UEFI's stub to 64 KiB, and its size is odd."""
    rest = list(rest)
    coarse = [extent for extent in rest if not extent.start % (2 * MIB)]
    fine = [e for e in rest if not e.start % STUB_ALIGN_BYTES and e.end % STUB_ALIGN_BYTES]
    return next(iter(coarse or fine), None)


def _tables(cold: BootLog) -> list[Extent]:
    """Return what UEFI's firmware left, and what a device tree reserves: all that is no part of
    the load."""
    first = first_load(cold)
    loaded = [place for place in (first.image, first.initrd, first.device_tree) if place]
    nodes = [Extent(n.start, n.end) for n in cold.reserved_nodes if not (n.nomap or n.reusable)]
    left = subtracted(_not_of_the_kernel(cold), loaded) if cold.efi.present else []
    return merged([*left, *nodes])


def _initrd_bytes(chain: Sequence[BootLog]) -> int | None:
    """The file's size: kexec reserves it to the byte, a first boot in whole pages."""
    for log in chain:
        exact = [extent for op, extent in _printed(log) if op == "reserve"]
        place = first_load(log).initrd
        sizes = [e.size for e in exact if place and e.start == place.start and e != place]
        if sizes and is_kho(log):
            return sizes[0]
    place = first_load(chain[0]).initrd
    return place.size if place else chain[0].initrd_freed_bytes
