"""The linear map: which page tables it takes, all of them before the extension.

Models paging_init() and map_mem() of arch/arm64/mm/mmu.c (kernel-facts-arm64 5.3). Memory is mapped
by pages unless the kernel may use blocks: then only what a block does not cover takes a table. Left
out: CPUs that can split blocks later on, on which blocks are the default, and the identity map,
whose tables are static.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from kho_sim.base import requesters
from kho_sim.base.extent import Extent, merged, round_down, round_up, subtracted, total_size
from kho_sim.platform.geometry import Geometry

if TYPE_CHECKING:
    from kho_sim.memory.early import EarlyBoot

VIRTUAL_ADDRESS_BITS = 48
COPIED_TOP_LEVELS = 1
NO_TABLE = "Failed to allocate page table page"


class MapCall(NamedTuple):
    """One range that is mapped at once, by pages or by blocks where they fit."""

    extent: Extent
    by_pages: bool


def map_memory(boot: EarlyBoot) -> None:
    """Allocate the tables of the linear map, in the order in which addresses need them.

    Raises BootPanic: in a KHO boot they must fit into original scratch, page by page.
    """
    for tables in tables_by_call(_calls(boot), boot.rules.memmap_origin, boot.geometry):
        boot.alloc_pages_or_panic(requesters.LINEAR_MAP_TABLE, tables, NO_TABLE)


def pages_to_copy(boot: EarlyBoot) -> int:
    """Return the pages of a copy of the linear map's tables, its top level included."""
    tables = tables_by_call(_calls(boot), boot.rules.memmap_origin, boot.geometry)
    return sum(tables) + COPIED_TOP_LEVELS


def tables_by_call(calls: Sequence[MapCall], origin: int, geometry: Geometry) -> list[int]:
    """Return how many tables each call takes that those before it did not; the top level is static.

    ``origin``: the address that the linear map begins with, from which tables count.
    """
    tables = [0] * len(calls)
    shifts = range(geometry.page_shift, VIRTUAL_ADDRESS_BITS, geometry.table_shift)
    for level, shift in enumerate(shifts[1:], start=1):
        has_blocks = level == 1 or (level == 2 and geometry.third_level_pages)
        covered: list[Extent] = []
        for index, call in enumerate(calls):
            shifted = Extent(call.extent.start - origin, call.extent.end - origin)
            units = _units(shifted, shift, whole_too=call.by_pages or not has_blocks)
            before = total_size(covered)
            covered = merged([*covered, *units])
            tables[index] += total_size(covered) - before
    return tables


def _units(extent: Extent, shift: int, whole_too: bool) -> list[Extent]:
    """Return the numbers of the units of 2^shift bytes that a range touches; only those that it
    does not cover, unless ``whole_too``."""
    size = 1 << shift
    touched = Extent(extent.start >> shift, round_up(extent.end, size) >> shift)
    if whole_too:
        return [touched]
    whole = Extent(round_up(extent.start, size) >> shift, round_down(extent.end, size) >> shift)
    return subtracted([touched], [whole])


def _calls(boot: EarlyBoot) -> list[MapCall]:
    """The pool of KFENCE, text and data of the kernel around its init section, then all memory."""
    by_pages = not boot.options.maps_by_blocks
    calls = [MapCall(boot.kfence_pool, by_pages=True)] if boot.kfence_pool else []
    calls += [MapCall(part, by_pages) for part in _parts_of_image(boot)]
    mapped = boot.memblock.mapped_memory()
    return [*calls, *(MapCall(_in_pages(extent, boot), by_pages) for extent in mapped)]


def _parts_of_image(boot: EarlyBoot) -> Iterator[Extent]:
    start, build = boot.loaded.image.start, boot.build
    init = start + build.init_section_offset
    yield Extent(start, init)
    yield Extent(init + build.init_section_bytes, start + build.bss_end_offset)


def _in_pages(extent: Extent, boot: EarlyBoot) -> Extent:
    page_bytes = boot.geometry.page_bytes
    return Extent(round_up(extent.start, page_bytes), round_down(extent.end, page_bytes))
