"""Long-term pinning: user folios that lie in CMA move out of it.

Models the migration that pin_user_pages() does with FOLL_LONGTERM (mm/gup.c, mm/migrate.c;
kernel-facts 10.4). Worked in runs; tests/naive/pages.py has it folio by folio. Left out: folios
that cannot be moved because somebody else holds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .allocator import PageAllocator
from .exchange import exchange
from .kinds import UNMOVABLE, Run
from .runs import Queue, Runs, blocks_of, cut_at, parts_of, woven
from .stretches import apart, first_passing
from .zone import Zone


class Pinned(NamedTuple):
    """User folios after pinning, in file order, and how many of them had to move."""

    runs: Runs
    migrated: int


def migrate_out_of_cma(
    pages: PageAllocator,
    runs: Iterable[Run],
    order: int = 0,
    node: int | None = None,
    kill: bool = True,
) -> Pinned:
    """Pin user folios for long: replace those in CMA by others, and return all in the old order.

    Targets are not movable requests, so they avoid CMA. A batch is a huge page's worth of pages
    (NR_MAX_BATCHED_MIGRATION; assumption: at all page sizes): wherever they lie, all of them get
    their targets before the first source is freed. Raises OutOfMemory, with nothing given
    back, when there is no room: the batches before it have moved. ``kill`` as in
    ``PageAllocator.alloc``.

    Batches of single pages are worked together where all of their targets come from one zone, be it
    the one that they leave or another.
    """
    parts, in_cma = _split_at_cma(pages, Runs.of(runs), order)
    sources = parts[in_cma]
    wanted = sources.block_count()
    if not wanted:
        return Pinned(parts.joined(order), 0)
    most = max(1 << pages.geometry.thp_order >> order, 1)
    move = _Migration(pages, Queue(sources.joined(order), order), order, node, kill)
    serving = [] if order else pages.kernel_zones(node)
    sections = iter(pages.zones_of(sources) if serving else [])
    targets: list[Sequence[Run]] = []
    ahead = 0
    while move.queue.left:
        while serving and ahead <= 0:
            zone, pages_there = next(sections)
            ahead += pages_there
        together = move.together(zone, serving, most, ahead // most) if ahead >= most else []
        targets.append(together or move.batch(most))
        ahead -= blocks_of(targets[-1])
    return Pinned(_with_targets(parts, in_cma, Runs.chained(targets, order), order), wanted)


class _Migration(NamedTuple):
    """Folios on their way out of CMA: ``queue`` holds those that are still there."""

    pages: PageAllocator
    queue: Queue
    order: int
    node: int | None
    kill: bool

    def batch(self, blocks: int) -> Sequence[Run]:
        """Move the next folios, all targets first; return where they are."""
        sources = self.queue.take(blocks)
        wanted = sources.block_count()
        targets = self.pages.alloc(
            wanted, self.order, UNMOVABLE, self.node, user=True, kill=self.kill
        )
        self.pages.free(sources, self.order, user=True)
        return targets

    def together(self, zone: Zone, serving: list[Zone], batch: int, most: int) -> Sequence[Run]:
        """Move up to ``most`` batches of single pages out of a zone at once; none if unsure."""
        if first_passing(serving, cma=False) is zone:
            return exchange(zone, self.queue, batch, most)
        batches = min(apart(zone, serving) // batch, most)
        return self.batch(batches * batch) if batches else []


def _split_at_cma(pages: PageAllocator, runs: Runs, order: int) -> tuple[Runs, NDArray[np.bool_]]:
    """Cut runs of blocks at the borders of CMA; the flags say which parts lie inside."""
    borders = np.array(pages.movable_only, np.int64).ravel()
    start, end = runs.bounds(order)
    lowest = np.searchsorted(borders, start, "right")
    parts = np.searchsorted(borders, end, "left") - lowest + 1
    if (parts == 1).all():
        return runs, lowest % 2 == 1
    run, number = parts_of(parts)
    step = runs.step[run]
    place = lowest[run] + np.where(step > 0, number, parts[run] - 1 - number)
    start = np.maximum(start[run], np.append(0, borders)[place])
    end = np.minimum(end[run], np.append(borders, end.max())[place])
    first = np.where(step > 0, start, end - (1 << order))
    return Runs(first, (end - start) >> order, step), place % 2 == 1


def _with_targets(parts: Runs, in_cma: NDArray[np.bool_], targets: Runs, order: int) -> Runs:
    """Put the targets in the places of the parts that lay in CMA."""
    moving, staying = np.flatnonzero(in_cma), np.flatnonzero(~in_cma)
    cut, part = cut_at(targets, np.cumsum(parts.blocks[moving]), order)
    return woven([(parts[staying], staying), (cut, moving[part])], order)
