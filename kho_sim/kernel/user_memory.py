"""Memory that dies with its kernel: touched by a process, pinned for long, or cached of files.

Models anonymous faults (a page table first, then what it maps), pin_user_pages() with FOLL_LONGTERM
on such memory (kernel-facts 9 and 10.4), and page cache that the kernel gives back when memory is
short. Left out: swap. Which processes there are: ``processes``.
"""

from __future__ import annotations

from kho_sim.memory.pages import (
    MOVABLE,
    UNMOVABLE,
    OutOfMemory,
    PageAllocator,
    Queue,
    Run,
    Runs,
    migrate_out_of_cma,
)


def take(pages: PageAllocator, size_bytes: int, movable: bool) -> list[Run]:
    """Take memory that nobody can be killed for; return its pages without page tables.

    Raises OutOfMemory.
    """
    count = -(-size_bytes >> pages.geometry.page_shift)
    if not movable:
        return list(pages.alloc(count, 0, UNMOVABLE))
    touched: list[Run] = []
    touch(pages, count, touched, [])
    return touched


def pin(pages: PageAllocator, runs: list[Run]) -> int:
    """Pin pages of a process for long: those in CMA or a movable zone move out of it.

    ``runs`` is where its pages are, and is kept so; a huge page's worth moves at a time, wherever
    its pages lie. Returns how many moved. Raises OutOfMemory (-ENOMEM for the caller) when there is
    no room for the rest; what has moved by then stays where it is, and no memory is lost. Nobody is
    killed for a pin: hosts that pinned too much are known by -ENOMEM (field notes 1.1). Recorded is
    only the pin of a memfd's single pages that live update preserves, which does ask the OOM
    killer.
    """
    left, runs[:] = Queue(Runs.of(runs), order=0), []
    moved = 0
    while left.left:
        batch = left.take(1 << pages.geometry.thp_order)
        try:
            pinned = migrate_out_of_cma(pages, batch, kill=False)
        except OutOfMemory as error:
            pages.free(error.allocated, user=True)
            runs += batch
            runs += left.take(left.left)
            raise
        runs += pinned.runs
        moved += pinned.migrated
    return moved


def read_files(pages: PageAllocator, size_bytes: int) -> None:
    """Read files into the page cache, from where memory can be taken back. Raises OutOfMemory."""
    for run in take(pages, size_bytes, movable=True):
        pages.cached.add(run)


def touch(pages: PageAllocator, page_count: int, touched: list[Run], tables: list[Run]) -> None:
    """Touch private memory from front to back; its pages and page tables go to two lists.

    Raises OutOfMemory; what was touched by then is in them.
    """
    try:
        while page_count:
            step = min(page_count, pages.geometry.table_entries)
            tables += pages.alloc(1, 0, UNMOVABLE)
            touched += pages.alloc(step, 0, MOVABLE)
            page_count -= step
    except OutOfMemory as error:
        touched += error.allocated
        raise
