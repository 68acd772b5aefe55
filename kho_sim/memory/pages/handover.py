"""How memblock's free memory enters the free lists: the early part, and the deferred rest.

Models memblock_free_all() and deferred struct page initialisation (mm/memblock.c, mm/mm_init.c,
kernel-facts 2.7 and 8, kernel-facts-arm64 8). Writing the struct pages of terabytes takes one CPU
seconds, so boot initialises only what it needs to go on: on each node the highest zone keeps a
first part, about a section, for memblock_free_all(). The rest waits until all CPUs are up, and is
then worked in chunks by several threads at once.

How the threads of a real machine interleave is up to its scheduler. The stand-in, ``Interleaving``:
workers begin some turns apart; in each turn every worker that has begun frees a piece of its chunk;
a worker that runs out takes the next chunk. ``EMULATED`` is what recorded boots of an emulated
machine show: each worker begins 128 MiB after the one before it, which wakes it, and they take
turns of 32 MiB; of the first 400 MiB of memfds there nearly all came from the first two chunks.
``PARALLEL`` is kernel-facts 8's round robin of blocks of the highest order (4 MiB, with pages of
4 KiB), for hardware whose CPUs run at once. ``drawn`` makes replicates of it differ: each worker
gets a speed and a late start of its own. With ``SEQUENTIAL`` the first worker is through with all
chunks before the second begins: in three of four recorded chains of arm64 that show it, 512 MiB of
memfds fill the first chunk of 384 MiB and go on in the second.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import NamedTuple

import numpy as np

from kho_sim.base.extent import Extent, round_down, round_up, total_size
from kho_sim.platform.geometry import Geometry

from .runs import Column
from .zone import Zone


@dataclass(frozen=True, slots=True)
class Interleaving:
    """How workers take turns.

    ``start_lag``: turns between the beginnings of two workers. ``turn_bytes``: what a worker
    initialises in a turn, but at least a block of the highest order, which is freed as one.
    ``spread``: with it, speeds are drawn from 1 - spread to 1 + spread.
    """

    start_lag: int
    turn_bytes: int = 0
    spread: float = 0.0

    def turn_pages(self, geometry: Geometry) -> int:
        """Return the pages that a worker initialises in a turn."""
        return max(self.turn_bytes >> geometry.page_shift, geometry.max_order_pages)


EMULATED = Interleaving(start_lag=4, turn_bytes=32 << 20)
PARALLEL = Interleaving(start_lag=0)
DRAWN = Interleaving(start_lag=0, spread=0.5)
SEQUENTIAL = Interleaving(start_lag=1 << 40)
INTERLEAVINGS = {
    "emulated": EMULATED,
    "parallel": PARALLEL,
    "drawn": DRAWN,
    "sequential": SEQUENTIAL,
}
"""By the word that a scenario's ``chain.workers`` uses."""
LATEST_START_TURNS = 32
"""A drawn worker begins up to so many turns after the first."""


def early_end(extents: list[Extent], zone: Zone) -> int:
    """Return the pfn where deferral begins in a node's highest zone: defer_init().

    ``extents`` are the pages that the zone has.
    """
    initialised, section_pages = 0, zone.geometry.section_pages
    for extent in extents:
        boundary = round_up(extent.start, section_pages)
        while boundary < extent.end:
            if initialised + boundary - extent.start >= section_pages:
                return boundary
            boundary += section_pages
        initialised += extent.size
    return zone.end_pfn


def give_early(zone: Zone, free: list[Extent]) -> None:
    """Free ranges in the largest aligned pieces, ascending: memblock_free_all()."""
    highest = zone.geometry.max_order
    for extent in free:
        pfn = extent.start
        while pfn < extent.end:
            if whole := zone.buddy.give_whole(pfn, extent.end):
                zone.managed_pages += whole
                pfn += whole
                continue
            order = min(highest, (pfn & -pfn).bit_length() - 1 if pfn else highest)
            order = min(order, extent.size.bit_length() - 1)
            while pfn + (1 << order) > extent.end:
                order -= 1
            zone.free_to_buddy(pfn, order, to_tail=True)
            zone.managed_pages += 1 << order
            pfn += 1 << order


def give_deferred(
    zone: Zone,
    first_pfn: int,
    free: list[Extent],
    interleaving: Interleaving,
    drawn: random.Random,
) -> None:
    """Free everything from ``first_pfn`` on, chunk by chunk: deferred_init_memmap()."""
    step = interleaving.turn_pages(zone.geometry)
    chunks = [_by_turn(part, step) for part in _by_chunk(free, _chunks(zone, first_pfn))]
    workers = _workers(_threads(zone, first_pfn), interleaving, drawn)
    in_order = _in_order_of_turns([chunk for chunk in chunks if len(chunk.start)], workers)
    if in_order:
        zone.buddy.give_ranges(*in_order)
    zone.managed_pages += total_size(free)


class _Chunk(NamedTuple):
    """The free ranges of a chunk, cut to what is initialised in a turn; ``turn`` counts these."""

    start: Column
    end: Column
    turn: Column

    @property
    def turns(self) -> int:
        return int(self.turn[-1]) + 1


class _Worker:
    """One thread: when it begins, how fast it is, and the turns at which it frees a piece."""

    def __init__(self, begins: int = 0, speed: float = 1.0) -> None:
        self.begins = begins
        self.speed = speed
        self.worked = 0
        self._credit = 0.0
        self._turns = array("q")

    def turns(self, pieces: int) -> Column:
        """Return the turns of the next pieces and of the one after them, at which it looks for
        more."""
        wanted = self.worked + pieces + 1
        if self.speed == 1.0:
            return np.arange(self.begins + self.worked, self.begins + wanted)
        turns, credit, turn = self._turns, self._credit, self.begins
        while len(turns) < wanted:
            credit += self.speed
            while credit >= 1:
                turns.append(turn)
                credit -= 1
            turn += 1
        self._credit, self.begins = credit, turn
        return np.array(turns[self.worked : wanted], np.int64)


def _in_order_of_turns(
    chunks: list[_Chunk], workers: list[_Worker]
) -> tuple[Column, Column] | None:
    """Let workers take the chunks, each the next one when it has none; return all ranges in the
    order in which they are freed: turn by turn, worker by worker."""
    idle = [(int(worker.turns(0)[0]), number) for number, worker in enumerate(workers)]
    heapify(idle)
    columns: list[tuple[Column, Column, Column, Column]] = []
    for chunk in chunks:
        _, number = heappop(idle)
        worker = workers[number]
        turns = worker.turns(chunk.turns)
        worker.worked += chunk.turns
        heappush(idle, (int(turns[-1]), number))
        by = np.full(len(chunk.turn), number)
        columns.append((chunk.start, chunk.end, turns[chunk.turn], by))
    if not columns:
        return None
    start, end, turn, by = map(np.concatenate, zip(*columns, strict=True))
    in_order = np.lexsort((by, turn))
    return start[in_order], end[in_order]


def _workers(count: int, interleaving: Interleaving, drawn: random.Random) -> list[_Worker]:
    workers = [_Worker(number * interleaving.start_lag) for number in range(count)]
    if interleaving.spread:
        for worker in workers[1:]:
            worker.begins = drawn.randint(0, LATEST_START_TURNS)
            worker.speed = drawn.uniform(1 - interleaving.spread, 1 + interleaving.spread)
    return workers


def _threads(zone: Zone, first_pfn: int) -> int:
    section_pages = zone.geometry.section_pages
    sections = (round_up(zone.end_pfn, section_pages) - first_pfn) // section_pages
    return max(1, min(sections, zone.cpus))


def _chunks(zone: Zone, first_pfn: int) -> Iterator[Extent]:
    """Yield the chunks that threads take, in address order; they end at multiples of their size."""
    section_pages = zone.geometry.section_pages
    size = round_up(zone.end_pfn, section_pages) - first_pfn
    threads = _threads(zone, first_pfn)
    if threads == 1:
        yield Extent(first_pfn, zone.end_pfn)
        return
    chunk = round_up(max(size // (threads * 4), section_pages), section_pages)
    pfn = first_pfn
    while pfn < zone.end_pfn:
        end = min(round_down(pfn, chunk) + chunk, zone.end_pfn)
        yield Extent(pfn, end)
        pfn = end


def _by_chunk(free: list[Extent], chunks: Iterable[Extent]) -> Iterator[list[Extent]]:
    """Yield what each of the chunks holds of free ranges; both ascend and do not overlap."""
    first = 0
    for chunk in chunks:
        part = []
        while first < len(free) and free[first].start < chunk.end:
            inside = free[first].clip(chunk)
            if inside.size:
                part.append(inside)
            if free[first].end > chunk.end:
                break
            first += 1
        yield part


def _by_turn(free: list[Extent], step: int) -> _Chunk:
    """Cut free ranges at multiples of ``step`` pages, and put those of one turn together."""
    parts = [
        np.concatenate([[start], np.arange(round_down(start, step) + step, end, step), [end]])
        for start, end in free
    ]
    none = np.zeros(0, np.int64)
    start = np.concatenate([none, *(part[:-1] for part in parts)])
    end = np.concatenate([none, *(part[1:] for part in parts)])
    number = start // step
    return _Chunk(start, end, np.cumsum(np.append(0, number[1:] != number[:-1]))[: len(start)])
