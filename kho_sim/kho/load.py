"""kexec_file_load with KHO: where the next kernel's pieces go, and what it takes to load them.

Models kernel/kexec_file.c and kho_locate_mem_hole() of Linux 7.3 (kernel-facts section 11). Every
segment must fit into one scratch area; only segments placed before it are in its way, not what the
running kernel uses the area for. Which segments there are besides KHO's own, the platform says.
Left out: loading without KHO, and ELF core headers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kho_sim.base.extent import Extent, round_down, round_up
from kho_sim.kho.populate import DESCRIPTOR_BYTES
from kho_sim.platform.geometry import Geometry
from kho_sim.platform.loader import (
    ADDRESS_MAX,
    REACH_UNIT_BYTES,
    LoadRequest,
    Placement,
    Segment,
)

if TYPE_CHECKING:
    from kho_sim.builds import Build
    from kho_sim.platform.platform import Platform

DESCRIPTORS_ALIGN_BYTES = 64 << 10
POINTER_BYTES = 8


@dataclass(frozen=True, slots=True)
class LoadRefused:
    """No area has room for this segment: -EADDRNOTAVAIL from kexec_file_load, nothing is loaded."""

    segment: Segment
    message: str = "Cannot assign requested address"


def place_kernel(
    platform: Platform, areas: Sequence[tuple[int, int]], request: LoadRequest
) -> tuple[Placement, ...] | LoadRefused:
    """Place the scratch descriptors and what the platform loads, in this order.

    ``areas``: (start, size) of the scratch areas in array order. Source: kho_fill_kimage().
    """
    descriptors_bytes = DESCRIPTOR_BYTES * len(areas)
    descriptors = Segment("descriptors", descriptors_bytes, DESCRIPTORS_ALIGN_BYTES)
    segments = (descriptors, *platform.kexec_segments(request))
    return place_segments(platform.geometry.page_bytes, areas, segments)


def place_segments(
    page_bytes: int, areas: Sequence[tuple[int, int]], segments: Iterable[Segment]
) -> tuple[Placement, ...] | LoadRefused:
    """Place every segment, or return the one for which no area has room.

    The areas are tried in array order, and inside an area the lowest or the highest place is taken.
    A segment that has to lie above another one and finds no place there makes that one move up.
    Source: kho_locate_mem_hole(), locate_mem_hole_top_down(), locate_mem_hole_bottom_up().
    """
    extents = [Extent(start, start + size) for start, size in areas]
    wanted = tuple(segments)
    placed: list[Placement] = []
    lowest: dict[str, int] = {}
    short: Segment | None = None
    while len(placed) < len(wanted):
        segment = wanted[len(placed)]
        size_bytes = round_up(segment.size_bytes, page_bytes)
        lowest_start = lowest.get(segment.name, segment.min_address)
        start = _first_hole(extents, segment, size_bytes, lowest_start, placed)
        if start is not None:
            placed.append(Placement(segment.name, start, size_bytes))
        elif segment.above:
            short = segment
            index = next(i for i, one in enumerate(placed) if one.name == segment.above)
            lowest[segment.above] = placed[index].end
            del placed[index:]
        else:
            return LoadRefused(short or segment)
    return tuple(placed)


def source_page_count(geometry: Geometry, placements: Iterable[Placement]) -> int:
    """Return the pages that hold the loaded segments until the jump, and the lists of them.

    A segment has an entry for its destination and one for each of its pages; the entries fill
    indirection pages, whose last entry points to the next. The control, swap and page table pages
    come on top. Source: kimage_load_segment(), kimage_add_entry().
    """
    sizes = [placement.size_bytes // geometry.page_bytes for placement in placements]
    entries = geometry.page_bytes // POINTER_BYTES - 1
    return sum(sizes) + -(-(sum(sizes) + len(sizes)) // entries)


def buffer_page_count(geometry: Geometry, build: Build) -> int:
    """Return the pages of the buffer that the initrd's file is read into while segments are made.

    The kernel's file has one as well; its size is not known here, and it is left out.
    Source: kernel_read_file(), kernel-facts 11.3.
    """
    return -(-build.initrd_bytes // geometry.page_bytes)


def _first_hole(
    areas: Sequence[Extent],
    segment: Segment,
    size: int,
    low: int,
    placed: Sequence[Placement],
) -> int | None:
    """Return where a segment goes, from ``low`` on, or None."""
    high = ADDRESS_MAX
    anchor = next((one for one in placed if one.name == segment.above), None)
    if anchor:
        low = max(low, anchor.end)
        high = round_down(anchor.start, REACH_UNIT_BYTES) + segment.reach_bytes
    search = _lowest_hole if segment.bottom_up else _highest_hole
    for area in areas:
        hole = search(area.clip(Extent(low, high + 1)), size, segment.align_bytes, placed)
        if hole is not None:
            return hole
    return None


def _highest_hole(area: Extent, size: int, align: int, placed: Sequence[Placement]) -> int | None:
    """Return the highest aligned start in an area at which nothing placed is hit.

    The kernel steps down page by page; going right below what is hit finds the same place.
    """
    start = round_down(area.end - size, align)
    while start >= area.start:
        hit = _hit(placed, start, size)
        if not hit:
            return start
        start = round_down(min(one.start for one in hit) - size, align)
    return None


def _lowest_hole(area: Extent, size: int, align: int, placed: Sequence[Placement]) -> int | None:
    """Return the lowest such start; the kernel steps up page by page."""
    start = round_up(area.start, align)
    while start + size <= area.end:
        hit = _hit(placed, start, size)
        if not hit:
            return start
        start = round_up(max(one.end for one in hit), align)
    return None


def _hit(placed: Sequence[Placement], start: int, size: int) -> list[Placement]:
    return [one for one in placed if one.start < start + size and start < one.end]
