"""Filling a shared-memory file page by page, and what the kernel takes beside it.

Models shmem faults of a program that writes a mapped memfd from front to back: data pages are
movable, the nodes of the file's index (an xarray node a 64 pages, seven to a slab page) and the
page tables of the mapping are not. They come between data pages, so they decide where the next
block of either kind is taken. Left out: read-ahead, swap, and files that are written in another
order.
"""

from __future__ import annotations

from kho_sim.kho.handover import Folios
from kho_sim.memory.pages import (
    MOVABLE,
    THP_ORDER,
    UNMOVABLE,
    OutOfMemory,
    PageAllocator,
    Run,
    joined,
)

PAGES_PER_INDEX_NODE = 64
INDEX_NODES_PER_PAGE = 7
"""struct xa_node takes 576 bytes."""
PAGES_PER_INDEX_PAGE = PAGES_PER_INDEX_NODE * INDEX_NODES_PER_PAGE
PAGES_PER_PAGE_TABLE = 512


def write_file(
    pages: PageAllocator, page_count: int, huge_folios: bool
) -> tuple[list[Folios], list[Run]]:
    """Write ``page_count`` pages; return the folios in file order and the kernel's own pages.

    With ``huge_folios`` the file gets 2 MiB folios as long as there are any. Raises
    OutOfMemory, with nothing kept.
    """
    huge = _huge_folios(pages, page_count >> THP_ORDER) if huge_folios else []
    page_count -= sum(run.blocks for run in huge) << THP_ORDER
    small: list[Run] = []
    index: list[Run] = []
    try:
        _write_pages(pages, page_count, small, index)
    except OutOfMemory as short:
        pages.free(short.allocated, user=True)
        forget_file(pages, _in_file_order(huge, small), index)
        raise OutOfMemory([], page_count, 0) from short
    return _in_file_order(huge, small), joined(index, 0)


def forget_file(pages: PageAllocator, data: list[Folios], index: list[Run]) -> None:
    """Free a file's folios and what the kernel took for it."""
    pages.free(index)
    for folios in data:
        pages.free([folios.run], folios.order, user=True)


def _write_pages(pages: PageAllocator, page_count: int, data: list[Run], index: list[Run]) -> None:
    unmapped = 0
    while page_count:
        step = min(page_count, PAGES_PER_INDEX_PAGE)
        data += pages.alloc(step, 0, MOVABLE)
        index += pages.alloc(1, 0, UNMOVABLE)
        page_count -= step
        unmapped += step
        if unmapped >= PAGES_PER_PAGE_TABLE:
            unmapped -= PAGES_PER_PAGE_TABLE
            index += pages.alloc(1, 0, UNMOVABLE)


def touch_anonymous(pages: PageAllocator, page_count: int) -> None:
    """Touch private memory from front to back: a page table first, then what it maps."""
    while page_count:
        step = min(page_count, PAGES_PER_PAGE_TABLE)
        pages.alloc(1, 0, UNMOVABLE)
        pages.alloc(step, 0, MOVABLE)
        page_count -= step


def index_restored_file(pages: PageAllocator, data: list[Folios]) -> list[Run]:
    """Put restored folios into a new file's index: only its nodes are allocated."""
    restored = sum(folios.pages for folios in data)
    return pages.alloc(max(1, restored // PAGES_PER_INDEX_PAGE), 0, UNMOVABLE)


def _huge_folios(pages: PageAllocator, count: int) -> list[Run]:
    try:
        return pages.alloc(count, THP_ORDER, MOVABLE)
    except OutOfMemory as error:
        return error.allocated


def _in_file_order(huge: list[Run], small: list[Run]) -> list[Folios]:
    return [
        *(Folios(run, THP_ORDER) for run in huge),
        *(Folios(run, 0) for run in joined(small, 0)),
    ]
