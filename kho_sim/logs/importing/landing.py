"""Where kexec's segments landed, as the log of the kernel that was started tells it.

The reservations of a KHO boot's first steps (kernel-facts 6.1) show them: image and initrd, the
scratch descriptors (16 bytes an area, aligned to 64 KiB) and KHO's setup_data (0x60 bytes, 12.1;
0xd0 with EFI's, kernel-facts-distro 1).
"""

from __future__ import annotations

from collections.abc import Iterable

from kho_sim.base.command_line import parse_command_line
from kho_sim.base.words import ARM64
from kho_sim.builds import Build
from kho_sim.kho.load import DESCRIPTORS_ALIGN_BYTES, LoadRefused, place_kernel
from kho_sim.kho.populate import DESCRIPTOR_BYTES
from kho_sim.logs.importing.arm64 import landed
from kho_sim.logs.reader import BootLog
from kho_sim.memory.memblock import RSRV_KERN
from kho_sim.platform.loader import LoadRequest
from kho_sim.platform.platform import Platform
from kho_sim.platform.x86_64 import (
    EFI_PARAMETERS_BYTES,
    KERNEL_ALIGN_BYTES,
    RESERVED_SETUP_DATA_BYTES,
    X86_64,
)

LANDED = ("kernel", "initrd", "device_tree", "descriptors", "setup_data")


def names_its_areas(log: BootLog) -> bool:
    """Tell whether a KHO boot's log names its areas, rather than only showing flagged memory."""
    return bool(log.scratch) or bool(log.out_starts and len(log.out_starts) == len(log.out_sizes))


def is_randomised(log: BootLog, build: Build) -> bool:
    """Tell whether KASLR moved a kernel: its build can, and its command line lets it."""
    return build.config.randomize_base and not parse_command_line(log.command_line).nokaslr


def image_address(log: BootLog) -> int | None:
    """Return where the log of a boot shows its image."""
    code = [resource.start for resource in log.iomem if resource.name == "Kernel code"]
    return code[0] if code else _kernel_in(list(_first_reserved(log)), log)


def landing(log: BootLog, area_count: int) -> dict[str, int]:
    """Return the address of each of LANDED that the log of a KHO boot has."""
    if log.architecture == ARM64:
        return landed(log, area_count)
    found: dict[str, int] = {}
    if log.initrd:
        found["initrd"] = log.initrd.start
    if (kernel := image_address(log)) is not None:
        found["kernel"] = kernel
    regions = list(_first_reserved(log))
    for start, end, flags in regions:
        size = end - start
        parameters = EFI_PARAMETERS_BYTES if log.efi.present else RESERVED_SETUP_DATA_BYTES
        if flags & RSRV_KERN and size == parameters:
            found["setup_data"] = start
        aligned = start % DESCRIPTORS_ALIGN_BYTES == 0
        if not flags and size == DESCRIPTOR_BYTES * area_count and aligned:
            found["descriptors"] = start
    return found


def predicted_landing(
    areas: tuple[tuple[int, int], ...], request: LoadRequest, platform: Platform
) -> dict[str, int] | LoadRefused:
    """Return where the model puts the same."""
    placed = place_kernel(platform, areas, request)
    if isinstance(placed, LoadRefused):
        return placed
    found = {place.name: place.start for place in placed if place.name in LANDED}
    parameters = platform.load_kexec(placed, request).parameters
    if parameters and platform.name == X86_64.name:
        found["setup_data"] = parameters.start
    return found


def _first_reserved(log: BootLog) -> Iterable[tuple[int, int, int]]:
    """(start, end, flags) of what was reserved first: the first dump, or before the extension."""
    if log.dumps:
        return [(r.base, r.base + r.size, r.flags) for r in log.dumps[0].reserved]
    return [
        (row.start, row.end, row.flags)
        for row in log.regions
        if row.moment == "before_extend" and row.array == "reserved"
    ]


def _kernel_in(regions: list[tuple[int, int, int]], log: BootLog) -> int | None:
    """The image begins at a 2 MiB border of the largest kernel region, above the initrd."""
    kern = [(end - start, start) for start, end, flags in regions if flags & RSRV_KERN]
    if not kern:
        return None
    _, start = max(kern)
    if log.initrd and log.initrd.start == start:
        start = log.initrd.end
    return start if start % KERNEL_ALIGN_BYTES == 0 else None
