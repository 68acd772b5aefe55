"""What the build of a kernel fixes, as far as its log shows it.

Image and brk from the cold boot's reservations and /proc/iomem, the initrd from RAMDISK, per-cpu
data from the percpu line; purgatory and init_size only where the recorded build's do not explain
where the next kernel landed. What a log does not show is left to the defaults of the recorded
build.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from kho_sim.base.extent import Extent, round_up
from kho_sim.builds import Build
from kho_sim.kho.load import LoadRefused
from kho_sim.logs.importing.builds import find_build
from kho_sim.logs.importing.efi import ranges_passed_to
from kho_sim.logs.importing.imported import PAGE_BYTES, Source
from kho_sim.logs.importing.landing import image_address, is_randomised, landing, predicted_landing
from kho_sim.logs.reader import BootLog
from kho_sim.logs.reader.facts import Resource
from kho_sim.memory.memblock import RSRV_KERN
from kho_sim.platform.loader import LoadRequest
from kho_sim.platform.platform import platform_of

PURGATORY_PAGES = 64
INIT_SIZE_SEARCH_BYTES = 16 << 20
"""How far beyond the image an init_size is searched for."""


def find_build_sizes(source: Source, cold: BootLog, loads: Sequence[Load]) -> Build:
    """Add the sizes of a chain's kernel to ``source``: from its first boot, then from its loads.

    Returns the recorded build that it is like.
    """
    build = find_build(source, cold)
    image, brk = _image(source, cold, build), None
    if image is not None:
        brk = _brk(source, cold, image, build)
    elif (whole := _image_region(cold, build)) is not None:
        brk = build.brk_bytes
        image = Extent(whole.start, whole.end - brk)
        what = f"reservation of the image, less {brk:#x} of brk"
        source.say("kernel.image", image.size, "reserved[", what)
    if cold.initrd:
        source.say("kernel.initrd", cold.initrd.size, "RAMDISK: ")
    else:
        source.notes.append(
            f"no RAMDISK line: the initrd of build '{build.name}' is taken, {build.initrd_bytes} "
            "bytes; kernel.initrd names another size"
        )
    image_bytes = (image.size if image else build.image_bytes) + (brk or 0)
    _find_load_sizes(source, image_bytes, [load for load in loads if load.landed], build)
    return build


class Load:
    """One kexec load: what it went by, and where the next kernel found itself."""

    def __init__(self, areas: tuple[tuple[int, int], ...], next_log: BootLog):
        self.areas = areas
        self.command_line_bytes = len(next_log.command_line)
        self.initrd_bytes = next_log.initrd.size if next_log.initrd else 0
        self.efi_ranges = ranges_passed_to(next_log) if next_log.efi.present else 0
        self.log = next_log
        self.landed = landing(next_log, len(areas)) if next_log.command_line else {}

    def explained_by(self, build: Build, purgatory_bytes: int, init_size_bytes: int) -> bool:
        """Tell whether these sizes put every segment where it was found; KASLR moves the kernel."""
        build = replace(
            build,
            purgatory_bytes=purgatory_bytes,
            init_size_bytes=init_size_bytes,
            initrd_bytes=self.initrd_bytes,
        )
        request = LoadRequest(build, self.command_line_bytes, self.efi_ranges)
        place = predicted_landing(self.areas, request, platform_of("x86_64"))
        if isinstance(place, LoadRefused):
            return False
        moved = {"kernel"} if is_randomised(self.log, build) else set()
        fixed = set(self.landed) - moved
        return all(place.get(name) == self.landed[name] for name in fixed)


def image_of(iomem: Iterable[Resource]) -> Extent | None:
    """Return the kernel from its code to the end of bss, whole pages; None if it is not shown."""
    parts = {resource.name: resource for resource in iomem if resource.name.startswith("Kernel ")}
    if "Kernel code" not in parts or "Kernel bss" not in parts:
        return None
    start, end = parts["Kernel code"].start, round_up(parts["Kernel bss"].end, PAGE_BYTES)
    return Extent(start, end) if start < end else None


def _image(source: Source, cold: BootLog, build: Build) -> Extent | None:
    whole = _image_region(cold, build)
    for call in cold.calls:
        behind = whole is not None and whole.start < call.base < whole.end
        if whole and behind and call.op == "reserve" and call.flags & RSRV_KERN:
            image = Extent(whole.start, call.base)
            source.say("kernel.image", image.size, "reserved[", "reservations of image and brk")
            return image
    image_shown = image_of(cold.iomem)
    if image_shown is not None:
        source.say("kernel.image", image_shown.size, "Kernel code", "Kernel code to Kernel bss")
    return image_shown


def _brk(source: Source, cold: BootLog, image: Extent, build: Build) -> int:
    whole = _image_region(cold, build)
    if whole is None or whole.start != image.start:
        return build.brk_bytes
    what = "reservation behind the image"
    source.say("kernel.brk", whole.end - image.end, "reserved[", what)
    return whole.end - image.end


def _image_region(cold: BootLog, build: Build) -> Extent | None:
    """The kernel's reservation on a cold boot: it begins where the code does."""
    address = image_address(cold)
    if address is None:
        address = build.image_address
    regions = [(r.base, r.base + r.size, r.flags) for dump in cold.dumps for r in dump.reserved]
    regions += [(row.start, row.end, row.flags) for row in cold.regions if row.array == "reserved"]
    for start, end, flags in regions:
        if flags & RSRV_KERN and start == address:
            return Extent(start, end)
    return None


def _find_load_sizes(source: Source, image_bytes: int, loads: list[Load], build: Build) -> None:
    sizes = _candidates(image_bytes, build)
    assumed = next(sizes)
    if all(load.explained_by(build, *assumed) for load in loads):
        return
    for purgatory, init_size in sizes:
        if all(load.explained_by(build, purgatory, init_size) for load in loads):
            what = "the smallest that explains where the next kernel landed"
            source.say("kernel.purgatory", purgatory, "kexec handover data", what)
            source.say("kernel.init_size", init_size, "kexec handover data", what)
            return
    source.notes.append("no purgatory and init_size explain where kexec put things")


def _candidates(image_bytes: int, default: Build) -> Iterator[tuple[int, int]]:
    """Yield (purgatory, init_size): what is assumed of a build of that size, then all others."""
    smallest = round_up(image_bytes, PAGE_BYTES)
    assumed = max(default.init_size_bytes, smallest)
    yield default.purgatory_bytes, assumed
    sizes = range(smallest, smallest + INIT_SIZE_SEARCH_BYTES, PAGE_BYTES)
    yield from ((default.purgatory_bytes, size) for size in sizes)
    for pages in range(1, PURGATORY_PAGES):
        yield pages * PAGE_BYTES, assumed
        yield from ((pages * PAGE_BYTES, size) for size in sizes[:: 1 << 6])
