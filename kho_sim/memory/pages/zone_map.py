"""Which zone has which pages: the spans of zones may interleave, and have holes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, pairwise
from operator import itemgetter

import numpy as np

from kho_sim.base.errors import ensure
from kho_sim.base.extent import Extent, intersected

from .kinds import Run, run_of
from .nodes import extents_of
from .runs import Runs
from .zone import Zone


class ZoneMap:
    """The zones of all nodes by page. ``memory`` is (start pfn, end pfn, nid)."""

    def __init__(self, memory: list[tuple[int, int, int]], zones: list[Zone]) -> None:
        self._owners = sorted(
            ((extent, zone) for zone in zones for extent in extents_of(memory, zone)),
            key=itemgetter(0),
        )
        self._starts = [extent.start for extent, _ in self._owners]

    def owner_of(self, pfn: int) -> tuple[Extent, Zone]:
        """Return the zone that has a page, and the extent in which it has it."""
        extent, zone = self._owners[bisect_right(self._starts, pfn) - 1]
        ensure(extent.start <= pfn < extent.end, "page {:#x} is in no zone", pfn)
        return extent, zone

    def present(self, run: Run) -> list[Run]:
        """Return the pages of a run that a zone has: one that two nodes share is in none, and what
        a command line takes from the map is not."""
        own = intersected([run.extent()], [extent for extent, _ in self._owners])
        return [run_of(extent, 0, run.step) for extent in own[:: run.step]]

    def by_zone(self, run: Run, order: int = 0) -> list[tuple[Zone, Run]]:
        """Cut a run where another zone's pages begin."""
        pfn, end = run.extent(order)
        extent, zone = self.owner_of(pfn)
        if end <= extent.end:
            return [(zone, run)]
        parts = []
        while pfn < end:
            extent, zone = self.owner_of(pfn)
            until = min(end, extent.end)
            parts.append((zone, run_of((pfn, until), order, run.step)))
            pfn = until
        return parts[:: run.step]

    def in_turn(self, runs: Iterable[Run], order: int) -> Iterator[tuple[Zone, Sequence[Run]]]:
        """Yield runs by the zones that they lie in, as many at a time as follow each other."""
        if isinstance(runs, Runs) and len(runs):
            start, end = runs.bounds(order)
            owner = np.searchsorted(self._starts, start, "right") - 1
            if (owner == np.searchsorted(self._starts, end, "left") - 1).all():
                begins = np.flatnonzero(np.append(True, owner[1:] != owner[:-1])).tolist()
                for begin, until in pairwise([*begins, len(runs)]):
                    yield self._owners[int(owner[begin])][1], runs[begin:until]
                return
        parts = chain.from_iterable(self.by_zone(run, order) for run in runs)
        for zone, group in groupby(parts, key=itemgetter(0)):
            yield zone, [run for _, run in group]
