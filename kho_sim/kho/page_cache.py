"""Filling a shared-memory file page by page, and what the kernel takes beside it.

Models shmem faults of a program that writes a mapped memfd from front to back: data pages are
movable, the nodes of the file's index (an xarray node a 64 pages, seven to a slab page) and the
page tables of the mapping are not. They come between data pages, so they decide where the next
block of either kind is taken. Left out: read-ahead, swap, and files that are written in another
order.
"""

from __future__ import annotations

from kho_sim.kho.handover import Folios
from kho_sim.memory.pages import MOVABLE, THP_ORDER, UNMOVABLE, OutOfMemory, PageAllocator, Run

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
    data: list[Folios] = []
    index: list[Run] = []
    if huge_folios:
        data = [Folios(*run, THP_ORDER) for run in _huge_folios(pages, page_count >> THP_ORDER)]
        page_count -= sum(run.pages for run in data)
    try:
        _write_pages(pages, page_count, data, index)
    except OutOfMemory as short:
        pages.free(short.allocated, user=True)
        forget_file(pages, data, index)
        raise OutOfMemory([], page_count, 0) from short
    return _joined(data), index


def forget_file(pages: PageAllocator, data: list[Folios], index: list[Run]) -> None:
    """Free a file's folios and what the kernel took for it."""
    pages.free(index)
    for run in data:
        pages.free([Run(run.first_pfn, run.blocks)], run.order, user=True)


def _write_pages(
    pages: PageAllocator, page_count: int, data: list[Folios], index: list[Run]
) -> None:
    unmapped = 0
    while page_count:
        step = min(page_count, PAGES_PER_INDEX_PAGE)
        data += [Folios(*run, 0) for run in pages.alloc(step, 0, MOVABLE)]
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
    restored = sum(run.pages for run in data)
    return pages.alloc(max(1, restored // PAGES_PER_INDEX_PAGE), 0, UNMOVABLE)


def _huge_folios(pages: PageAllocator, count: int) -> list[Run]:
    try:
        return pages.alloc(count, THP_ORDER, MOVABLE) if count else []
    except OutOfMemory as error:
        return error.allocated


def _joined(folios: list[Folios]) -> list[Folios]:
    """Put neighbours of one order together, in file order."""
    result: list[Folios] = []
    for run in folios:
        last = result[-1] if result else None
        if last and last.order == run.order and last.first_pfn + last.pages == run.first_pfn:
            result[-1] = Folios(last.first_pfn, last.blocks + run.blocks, run.order)
        else:
            result.append(run)
    return result
