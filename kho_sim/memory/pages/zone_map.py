"""Which zone has which pages: the spans of zones may interleave, and have holes."""

from __future__ import annotations

from bisect import bisect_right
from operator import itemgetter

import numpy as np

from kho_sim.base.errors import ensure
from kho_sim.base.extent import Extent

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

    def in_a_row(self, runs: Runs) -> list[tuple[Zone, int]]:
        """Return the zones that runs of single pages lie in, each with how many pages in a row."""
        start, end = runs.bounds(0)
        index = np.searchsorted(self._starts, start, "right") - 1
        if (index != np.searchsorted(self._starts, end, "left") - 1).any():
            return [(zone, part.blocks) for run in runs for zone, part in self.by_zone(run)]
        begins = np.flatnonzero(np.append(True, index[1:] != index[:-1]))
        sizes = np.add.reduceat(runs.blocks, begins)
        zones = (self._owners[owner][1] for owner in index[begins].tolist())
        return list(zip(zones, sizes.tolist(), strict=True))
