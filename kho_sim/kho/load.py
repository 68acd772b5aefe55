"""kexec_file_load with KHO: where the next kernel's pieces go, and what it takes to load them.

Models kernel/kexec_file.c, kho_locate_mem_hole() and arch/x86/kernel/kexec-bzimage64.c of Linux
7.3 (kernel-facts section 11). Every segment must fit into one scratch area; only segments placed
before it are in its way, not what the running kernel uses the area for. Left out: loading without
KHO, ELF core headers, and IMA or EFI data in the boot parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kho_sim.base.extent import Extent, round_down, round_up
from kho_sim.builds.profile import KernelProfile
from kho_sim.kho.populate import DESCRIPTOR_BYTES
from kho_sim.memory.memblock import PAGE_SIZE
from kho_sim.platform.loader import LoadedKernel

BOOT_PARAMS_BYTES = 4096
ELFCOREHDR_TEXT_BYTES = 30
"""Room that the command line always gets for "elfcorehdr=0x..." (MAX_ELFCOREHDR_STR_LEN)."""
SETUP_DATA_BYTES = 16 + 32
"""A struct setup_data with 32 bytes behind its header: EFI's, the random seed's and KHO's."""
SETUP_DATA_COUNT = 3
SETUP_DATA_RESERVED_BYTES = 0x60
"""What the next kernel reserves of them: from KHO's entry on."""
DESCRIPTORS_ALIGN_BYTES = 64 << 10
KERNEL_ALIGN_BYTES = 2 << 20
MIN_PURGATORY_ADDRESS = 0x3000
MIN_BOOT_PARAMS_ADDRESS = 0x3000
MIN_KERNEL_ADDRESS = 0x1000000
MIN_INITRD_ADDRESS = 0x1000000
INDIRECTION_ENTRIES = 511
"""Entries of an indirection page; the last of its 512 points to the next page."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Something to be placed, in whole pages; the alignment is a multiple of a page."""

    name: str
    size_bytes: int
    align_bytes: int = PAGE_SIZE
    min_address: int = 0


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a segment goes: whole pages."""

    name: str
    start: int
    size_bytes: int

    @property
    def end(self) -> int:
        return self.start + self.size_bytes


@dataclass(frozen=True, slots=True)
class LoadRefused:
    """No area has room for this segment: -EADDRNOTAVAIL from kexec_file_load, nothing is loaded."""

    segment: Segment
    message: str = "Cannot assign requested address"


def kexec_segments(
    area_count: int,
    purgatory_bytes: int,
    command_line_length: int,
    init_size_bytes: int,
    initrd_bytes: int,
) -> tuple[Segment, ...]:
    """Return the segments of a bzImage in the order in which they are placed.

    ``area_count``: scratch areas; ``command_line_length``: of the next kernel, without its NUL;
    ``init_size_bytes``: the kernel's init_size. An initrd of 0 bytes gets no segment.
    Source: bzImage64_load(), kho_fill_kimage().
    """
    params_bytes = _setup_data_offset(command_line_length) + SETUP_DATA_COUNT * SETUP_DATA_BYTES
    segments = (
        Segment("descriptors", DESCRIPTOR_BYTES * area_count, DESCRIPTORS_ALIGN_BYTES),
        Segment("purgatory", purgatory_bytes, PAGE_SIZE, MIN_PURGATORY_ADDRESS),
        Segment("boot_params", params_bytes, PAGE_SIZE, MIN_BOOT_PARAMS_ADDRESS),
        Segment("kernel", init_size_bytes, KERNEL_ALIGN_BYTES, MIN_KERNEL_ADDRESS),
        Segment("initrd", initrd_bytes, PAGE_SIZE, MIN_INITRD_ADDRESS),
    )
    return segments if initrd_bytes else segments[:-1]


def place_segments(
    areas: Sequence[tuple[int, int]], segments: Iterable[Segment]
) -> tuple[Placement, ...] | LoadRefused:
    """Place every segment, or return the first for which no area has room.

    ``areas``: (start, size) of the scratch areas in array order, the order in which they are tried.
    Inside an area the highest place is taken. Source: kho_locate_mem_hole(),
    locate_mem_hole_top_down().
    """
    placed: list[Placement] = []
    for segment in segments:
        start = _first_hole(areas, segment, placed)
        if start is None:
            return LoadRefused(segment)
        placed.append(Placement(segment.name, start, round_up(segment.size_bytes, PAGE_SIZE)))
    return tuple(placed)


def setup_data_address(boot_params: Placement, command_line_length: int) -> int:
    """Return where KHO's setup_data lies, which the next kernel reserves.

    ``command_line_length``: without its NUL. Source: kho_setup_boot_parameters(), Linux 7.3.
    """
    return boot_params.start + _setup_data_offset(command_line_length)


def load_kexec(
    placed: Iterable[Placement], build: KernelProfile, command_line_length: int
) -> LoadedKernel:
    """Return the kernel as the jump leaves it: whole image, initrd, and KHO's setup_data."""
    at = {place.name: place for place in placed}
    kernel, initrd = at["kernel"].start, at.get("initrd")
    setup_data = setup_data_address(at["boot_params"], command_line_length)
    return LoadedKernel(
        image=Extent(kernel, kernel + build.image_bytes),
        initrd=Extent(initrd.start, initrd.end) if initrd else None,
        parameters=Extent(setup_data, setup_data + SETUP_DATA_RESERVED_BYTES),
        by_kexec=True,
    )


def source_page_count(placements: Iterable[Placement]) -> int:
    """Return the pages that hold the loaded segments until the jump, and the lists of them.

    A segment has an entry for its destination and one for each of its pages; the entries fill
    indirection pages. The control, swap and page table pages come on top. Source:
    kimage_load_segment(), kimage_add_entry().
    """
    sizes = [placement.size_bytes // PAGE_SIZE for placement in placements]
    return sum(sizes) + -(-(sum(sizes) + len(sizes)) // INDIRECTION_ENTRIES)


def _setup_data_offset(command_line_length: int) -> int:
    """Boot parameters, command line and the room for one more option come before any setup_data."""
    return round_up(BOOT_PARAMS_BYTES + command_line_length + 1 + ELFCOREHDR_TEXT_BYTES, 16)


def _first_hole(
    areas: Sequence[tuple[int, int]], segment: Segment, placed: Sequence[Placement]
) -> int | None:
    for start, size in areas:
        hole = _highest_hole(Extent(start, start + size), segment, placed)
        if hole is not None:
            return hole
    return None


def _highest_hole(area: Extent, segment: Segment, placed: Sequence[Placement]) -> int | None:
    """Return the highest aligned start in an area at which nothing placed is hit.

    The kernel steps down page by page; going right below what is hit finds the same place.
    """
    size_bytes = round_up(segment.size_bytes, PAGE_SIZE)
    start = round_down(area.end - size_bytes, segment.align_bytes)
    while start >= max(area.start, segment.min_address):
        hit = [p.start for p in placed if p.start < start + size_bytes and start < p.end]
        if not hit:
            return start
        start = round_down(min(hit) - size_bytes, segment.align_bytes)
    return None
