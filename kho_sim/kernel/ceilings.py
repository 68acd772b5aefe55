"""What a running kernel can still hand out: asked of its page allocator, until it says no.

Scratch is CMA, which serves movable requests only. Kernel memory, and memory that is pinned
long-term, has to do with the rest: FOLL_LONGTERM migrates what lies in CMA before it pins
(kernel-facts 9 and 10.2). So both meet a ceiling well below free memory. Left out: what reclaim
could give back; a kernel that has just come up has next to no page cache.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kho_sim.base.extent import Extent
from kho_sim.memory.pages import UNMOVABLE, OutOfMemory, PageAllocator

_AS_MANY_AS_THERE_ARE = 1 << 52
"""More blocks than 64 bits can address."""


@dataclass(frozen=True, slots=True)
class MemInfo:
    """The lines of /proc/meminfo that KHO changes, in bytes.

    ``cma_total_bytes`` counts areas of CMA's own (``cma=``). Scratch is none of these, but its free
    pages are free CMA pages, so CmaFree may be above CmaTotal.
    """

    mem_total_bytes: int
    mem_free_bytes: int
    mem_available_bytes: int
    cma_total_bytes: int
    cma_free_bytes: int


def meminfo(pages: PageAllocator, cma_areas: Iterable[Extent]) -> MemInfo:
    """Return what /proc/meminfo says now; ``cma_areas``: all but scratch.

    Source: meminfo_proc_show(), si_mem_available().
    """
    page_bytes, free = pages.geometry.page_bytes, pages.free_pages()
    return MemInfo(
        mem_total_bytes=pages.managed_pages() * page_bytes,
        mem_free_bytes=free.pages * page_bytes,
        mem_available_bytes=pages.available_pages() * page_bytes,
        cma_total_bytes=sum(area.size for area in cma_areas),
        cma_free_bytes=free.cma_pages * page_bytes,
    )


def take_all_unmovable(pages: PageAllocator) -> int:
    """Allocate kernel memory until nothing is left for it; return its bytes.

    The largest blocks first, as vmalloc() asks: what is left at the end is the same, down to the
    minimum watermarks and what per-CPU lists hold. The allocator is spent afterwards.
    """
    taken = 0
    for order in range(pages.geometry.max_order, -1, -1):
        try:
            pages.alloc(_AS_MANY_AS_THERE_ARE, order, UNMOVABLE)
        except OutOfMemory as end:
            taken += sum(run.blocks for run in end.allocated) << order
    return taken * pages.geometry.page_bytes


def pinnable_bytes(pages: PageAllocator, unmovable_bytes: int) -> int:
    """Return how much user memory can be pinned where so much kernel memory could be taken.

    Pins may lie wherever kernel memory may, and each page table of theirs, which is kernel memory,
    maps a page's worth of entries.
    """
    geometry = pages.geometry
    total = unmovable_bytes >> geometry.page_shift
    tables = -(-total // (geometry.table_entries + 1))
    return (total - tables) << geometry.page_shift
