"""Long-term pinning: user folios that lie in CMA move out of it.

Models the migration that pin_user_pages() does with FOLL_LONGTERM (mm/gup.c, mm/migrate.c;
kernel-facts 10.4). Worked in runs; tests/naive/pages.py has it folio by folio. Left out: folios
that cannot be moved because somebody else holds them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kho_sim.base.extent import Extent, intersected, subtracted

from .allocator import PageAllocator
from .kinds import UNMOVABLE, Run, joined, run_of


class Pinned(NamedTuple):
    """User folios after pinning, in file order, and how many of them had to move."""

    runs: list[Run]
    migrated: int


def migrate_out_of_cma(
    pages: PageAllocator, runs: Iterable[Run], order: int = 0, node: int | None = None
) -> Pinned:
    """Pin user folios for long: replace those in CMA by others, and return all in the old order.

    Targets are not movable requests, so they avoid CMA. A batch is a huge page's worth of pages
    (NR_MAX_BATCHED_MIGRATION; assumption: at all page sizes): wherever they lie, all of them get
    their targets before the first source is freed. Raises OutOfMemory, with nothing given
    back, when there is no room: the batches before it have moved.

    Batches whose targets all come from another zone than their sources are worked together.
    """
    done: list[Run] = []
    batch: list[tuple[Run, bool]] = []
    migrated = 0
    parts = _split_at_cma(pages, runs, order)
    most = max(1 << pages.geometry.thp_order >> order, 1)
    left = _left(pages, parts)
    room = most
    for run, in_cma in parts:
        migrated += run.blocks if in_cma else 0
        while run.blocks:
            part, run = run.split(min(run.blocks, room) if in_cma else run.blocks, order)
            batch.append((part, in_cma))
            room -= part.blocks if in_cma else 0
            if not room:
                done += _migrate(pages, batch, order, node)
                batch, room = [], max(most, pages.apart(left, order, node) // most * most)
    return Pinned(joined(done + _migrate(pages, batch, order, node), order), migrated)


def _split_at_cma(pages: PageAllocator, runs: Iterable[Run], order: int) -> list[tuple[Run, bool]]:
    """Cut runs of blocks at the borders of CMA; the flag says which parts lie inside."""
    areas = pages.movable_only
    ends = [area.end for area in areas]
    parts: list[tuple[Run, bool]] = []
    for run in runs:
        start, end = extent = run.extent(order)
        index = bisect_right(ends, start)
        if index == len(areas) or areas[index].start >= end:
            parts.append((run, False))
        elif areas[index].start <= start and end <= areas[index].end:
            parts.append((run, True))
        else:
            inside = intersected([extent], areas[index:])
            flagged = [(part, True) for part in inside]
            flagged += [(part, False) for part in subtracted([extent], inside)]
            for part, in_cma in sorted(flagged, reverse=run.step < 0):
                parts.append((run_of(part, order, run.step), in_cma))
    return parts


def _left(pages: PageAllocator, parts: list[tuple[Run, bool]]) -> list[Extent]:
    """Return the areas that some of the parts have to leave."""
    ends = [area.end for area in pages.movable_only]
    return [
        pages.movable_only[index]
        for index in {bisect_right(ends, run.first_pfn) for run, in_cma in parts if in_cma}
    ]


def _migrate(
    pages: PageAllocator, batch: list[tuple[Run, bool]], order: int, node: int | None
) -> list[Run]:
    """Move the blocks of a batch that lie in CMA, all targets first; keep the batch's order."""
    sources = [run for run, in_cma in batch if in_cma]
    if not sources:
        return [run for run, _ in batch]
    wanted = sum(run.blocks for run in sources)
    targets = deque(pages.alloc(wanted, order, UNMOVABLE, node, user=True))
    pages.free(joined(sources, order), order, user=True)
    result: list[Run] = []
    for run, in_cma in batch:
        result += _taken(targets, run.blocks, order) if in_cma else [run]
    return result


def _taken(targets: deque[Run], blocks: int, order: int) -> Iterator[Run]:
    """Take so many blocks from the front."""
    while blocks:
        target = targets.popleft()
        part, rest = target.split(min(target.blocks, blocks), order)
        if rest.blocks:
            targets.appendleft(rest)
        blocks -= part.blocks
        yield part
