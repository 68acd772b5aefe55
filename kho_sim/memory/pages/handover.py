"""How memblock's free memory enters the free lists: the early part, and the deferred rest.

Models memblock_free_all() and deferred struct page initialisation (mm/memblock.c, mm/mm_init.c,
kernel-facts 2.7 and 8). On each node the highest zone keeps a first part for memblock_free_all();
the rest waits until all CPUs are up, and is then worked in chunks by several threads at once.

How the threads of a real machine interleave is up to its scheduler. The stand-in: workers begin
one after the other, START_LAG turns apart (each is woken by the one before it); in each turn every
worker that has begun frees one section; a worker that runs out of its chunk takes the next. The
recorded cold boots show it: memfds filled the chunks in multiples of 128 MiB, and of the first 400
MiB nearly all came from the first two chunks. ``drawn`` makes replicates differ: lags are drawn
from 0 to twice that, and how many sections a worker frees in a turn from 0 to 2.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from kho_sim.extent import Extent, intersected, round_down, round_up

from .kinds import MAX_ORDER, SECTION_PAGES
from .zone import Zone

START_LAG = 1
"""Turns between the beginnings of two workers."""


def early_end(extents: list[Extent], zone: Zone) -> int:
    """Return the pfn where deferral begins in a node's highest zone: defer_init().

    ``extents`` are the pages that the zone has.
    """
    initialised = 0
    for extent in extents:
        boundary = round_up(extent.start, SECTION_PAGES)
        while boundary < extent.end:
            if initialised + boundary - extent.start >= SECTION_PAGES:
                return boundary
            boundary += SECTION_PAGES
        initialised += extent.size
    return zone.end_pfn


def give_early(zone: Zone, free: list[Extent]) -> None:
    """Free ranges in the largest aligned pieces, ascending: memblock_free_all()."""
    for extent in free:
        pfn = extent.start
        while pfn < extent.end:
            order = min(MAX_ORDER, (pfn & -pfn).bit_length() - 1 if pfn else MAX_ORDER)
            order = min(order, extent.size.bit_length() - 1)
            while pfn + (1 << order) > extent.end:
                order -= 1
            zone.free_to_buddy(pfn, order, to_tail=True)
            zone.managed_pages += 1 << order
            pfn += 1 << order


@dataclass(slots=True)
class _Worker:
    """One thread: the free ranges of its chunk by section, and the turn in which it begins."""

    sections: deque[list[Extent]]
    begins: int = 0


def give_deferred(
    zone: Zone, first_pfn: int, free: list[Extent], drawn: random.Random | None
) -> None:
    """Free everything from ``first_pfn`` on, chunk by chunk: deferred_init_memmap().

    With ``drawn`` the interleaving of the workers is drawn from it.
    """
    chunks = deque(_by_section(intersected(free, [chunk])) for chunk in _chunks(zone, first_pfn))
    workers = [_Worker(deque()) for _ in range(_threads(zone, first_pfn))]
    for before, worker in pairwise(workers):
        worker.begins = before.begins + (drawn.randint(0, 2 * START_LAG) if drawn else START_LAG)
    turn = 0
    while chunks or any(worker.sections for worker in workers):
        for worker in workers:
            if worker.begins <= turn:
                for _ in range(drawn.randint(0, 2) if drawn else 1):
                    _free_section(zone, worker, chunks)
        turn += 1


def _free_section(zone: Zone, worker: _Worker, chunks: deque[deque[list[Extent]]]) -> None:
    while not worker.sections:
        if not chunks:
            return
        worker.sections = chunks.popleft()
    for extent in worker.sections.popleft():
        zone.buddy.give_range(extent.start, extent.end)
        zone.managed_pages += extent.size


def _threads(zone: Zone, first_pfn: int) -> int:
    sections = (round_up(zone.end_pfn, SECTION_PAGES) - first_pfn) // SECTION_PAGES
    return max(1, min(sections, zone.cpus))


def _chunks(zone: Zone, first_pfn: int) -> Iterator[Extent]:
    """Yield the chunks that threads take, in address order; they end at multiples of their size."""
    size = round_up(zone.end_pfn, SECTION_PAGES) - first_pfn
    threads = _threads(zone, first_pfn)
    if threads == 1:
        yield Extent(first_pfn, zone.end_pfn)
        return
    chunk = round_up(max(size // (threads * 4), SECTION_PAGES), SECTION_PAGES)
    pfn = first_pfn
    while pfn < zone.end_pfn:
        end = min(round_down(pfn, chunk) + chunk, zone.end_pfn)
        yield Extent(pfn, end)
        pfn = end


def _by_section(free: list[Extent]) -> deque[list[Extent]]:
    """Cut free ranges at section borders, and put those of one section together."""
    sections: deque[list[Extent]] = deque()
    last = -1
    for start, end in free:
        while start < end:
            until = min(end, round_down(start, SECTION_PAGES) + SECTION_PAGES)
            if start // SECTION_PAGES != last:
                sections.append([])
            last = start // SECTION_PAGES
            sections[-1].append(Extent(start, until))
            start = until
    return sections
