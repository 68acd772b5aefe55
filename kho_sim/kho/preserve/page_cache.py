"""Filling a shared-memory file page by page, and what the kernel takes beside it.

Models shmem faults of a program that writes a mapped memfd from front to back: data pages are
movable, the nodes of the file's index (an xarray node a 64 pages, seven to a page of 4 KiB) and the
page tables of the mapping are not. They come between data pages, so they decide where the next
block of either kind is taken. Left out: read-ahead, swap, and files that are written in another
order.
"""

from __future__ import annotations

from kho_sim.kho.handover import Folios
from kho_sim.memory.pages import (
    MOVABLE,
    UNMOVABLE,
    Migratetype,
    OutOfMemory,
    PageAllocator,
    Run,
    joined,
)

PAGES_PER_INDEX_NODE = 64
INDEX_NODE_BYTES = 576
"""struct xa_node; a slab of them is one page (assumption: at all page sizes)."""


def write_file(
    pages: PageAllocator,
    page_count: int,
    huge_folios: bool,
    migratetype: Migratetype = MOVABLE,
) -> tuple[list[Folios], list[Run]]:
    """Write ``page_count`` pages; return the folios in file order and the kernel's own pages.

    With ``huge_folios`` the file gets huge pages as long as there are any. Raises
    OutOfMemory, with nothing kept.
    """
    order = pages.geometry.thp_order
    huge = _huge_folios(pages, page_count >> order) if huge_folios else []
    page_count -= sum(run.blocks for run in huge) << order
    small: list[Run] = []
    index: list[Run] = []
    try:
        _write_pages(pages, page_count, small, index, migratetype)
    except OutOfMemory as short:
        pages.free(short.allocated, user=True)
        forget_file(pages, _in_file_order(huge, order, small), index)
        raise OutOfMemory([], page_count, 0, short.shortage) from short
    return _in_file_order(huge, order, small), joined(index, 0)


def forget_file(pages: PageAllocator, data: list[Folios], index: list[Run]) -> None:
    """Free a file's folios and what the kernel took for it."""
    pages.free(index)
    for folios in data:
        pages.free([folios.run], folios.order, user=True)


def _write_pages(
    pages: PageAllocator,
    page_count: int,
    data: list[Run],
    index: list[Run],
    migratetype: Migratetype,
) -> None:
    pages_per_table = pages.geometry.table_entries
    pages_per_index_page = _pages_per_index_page(pages)
    unmapped = 0
    while page_count:
        step = min(page_count, pages_per_index_page)
        data += pages.alloc(step, 0, migratetype, user=True)
        index += pages.alloc(1, 0, UNMOVABLE)
        page_count -= step
        unmapped += step
        if unmapped >= pages_per_table:
            unmapped -= pages_per_table
            index += pages.alloc(1, 0, UNMOVABLE)


def index_restored_file(pages: PageAllocator, data: list[Folios]) -> list[Run]:
    """Put restored folios into a new file's index: only its nodes are allocated."""
    restored = sum(folios.pages for folios in data)
    return pages.alloc(max(1, restored // _pages_per_index_page(pages)), 0, UNMOVABLE)


def _huge_folios(pages: PageAllocator, count: int) -> list[Run]:
    try:
        return pages.alloc(count, pages.geometry.thp_order, MOVABLE)
    except OutOfMemory as error:
        return error.allocated


def _pages_per_index_page(pages: PageAllocator) -> int:
    return PAGES_PER_INDEX_NODE * (pages.geometry.page_bytes // INDEX_NODE_BYTES)


def _in_file_order(huge: list[Run], order: int, small: list[Run]) -> list[Folios]:
    return [
        *(Folios(run, order) for run in huge),
        *(Folios(run, 0) for run in joined(small, 0)),
    ]
