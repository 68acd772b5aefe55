"""Filling a shared-memory file page by page, and what the kernel takes beside it.

Models shmem faults of a program that writes a mapped memfd from front to back: data pages are
movable, the nodes of the file's index (an xarray node a 64 pages, seven to a page of 4 KiB) and the
page tables of the mapping are not. They come between data pages, so they decide where the next
block of either kind is taken. Left out: read-ahead, swap, and files that are written in another
order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kho_sim.kho.handover import Folios
from kho_sim.memory.pages import (
    MOVABLE,
    UNMOVABLE,
    Migratetype,
    OutOfMemory,
    PageAllocator,
    Run,
    Runs,
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
    small: list[Sequence[Run]] = []
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
        pages.free(folios.runs, folios.order, user=True)


def _write_pages(
    pages: PageAllocator,
    page_count: int,
    data: list[Sequence[Run]],
    index: list[Run],
    migratetype: Migratetype,
) -> None:
    rhythm = _Rhythm(_pages_per_index_page(pages), pages.geometry.table_entries)
    written = 0
    while written < page_count:
        left = page_count - written
        steps = 1
        if left > rhythm.step:
            together, kernel_pages = pages.undisturbed(left, migratetype)
            steps = rhythm.steps_with(together, kernel_pages, written)
        until = min(written + steps * rhythm.step, page_count)
        data.append(pages.alloc(until - written, 0, migratetype, user=True))
        _take_kernel_pages(pages, rhythm.between(written, until), index)
        written = until


def _take_kernel_pages(pages: PageAllocator, count: int, index: list[Run]) -> None:
    try:
        index += pages.alloc(count, 0, UNMOVABLE)
    except OutOfMemory as short:
        index += short.allocated
        raise OutOfMemory([], count, 0, short.shortage) from short


class _Rhythm(NamedTuple):
    """When a program that writes a file makes the kernel take a page of its own: after every
    ``step`` data pages one for the index, and at the first of these moments at which another
    ``table`` pages are mapped one more for a page table."""

    step: int
    table: int

    def between(self, written: int, until: int) -> int:
        """Return the kernel's pages that come between two moments."""
        index_pages = -(-until // self.step) - written // self.step
        return index_pages + until // self.table - written // self.table

    def steps_with(self, data_pages: int, kernel_pages: int, written: int) -> int:
        """Return the steps that take no more than so many data and kernel pages, at least 1."""
        most = min(data_pages // self.step, kernel_pages * self.table // (self.table + self.step))
        while most > 1 and self.between(written, written + most * self.step) > kernel_pages:
            most -= 1
        return max(most, 1)


def index_restored_file(pages: PageAllocator, data: list[Folios]) -> Sequence[Run]:
    """Put restored folios into a new file's index: only its nodes are allocated."""
    restored = sum(folios.pages for folios in data)
    return pages.alloc(max(1, restored // _pages_per_index_page(pages)), 0, UNMOVABLE)


def _huge_folios(pages: PageAllocator, count: int) -> Sequence[Run]:
    try:
        return pages.alloc(count, pages.geometry.thp_order, MOVABLE)
    except OutOfMemory as error:
        return error.allocated


def _pages_per_index_page(pages: PageAllocator) -> int:
    return PAGES_PER_INDEX_NODE * (pages.geometry.page_bytes // INDEX_NODE_BYTES)


def _in_file_order(huge: Sequence[Run], order: int, small: Iterable[Sequence[Run]]) -> list[Folios]:
    parts = [Folios.of(huge, order), Folios(Runs.chained(small, 0), 0)]
    return [folios for folios in parts if folios.number]
