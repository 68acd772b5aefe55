"""Which pages of a zone movable requests take first: those of CMA, or others.

Free CMA pages count as free, but only movable requests may have them. A zone whose free memory is
mostly CMA would so be full for the kernel long before it is empty. Therefore movable requests take
CMA first as soon as more than half of what is free is CMA (__rmqueue(); kernel-facts 9, rule 6).

The decision reads counters that follow in bursts (``counters``): a zone at the point of balance
hands out a burst of one kind, then one of the other, and before long the same bursts again and
again. Many requests are therefore worked as bursts, and a cycle of bursts as often as it fits.
"""

from __future__ import annotations

import numpy as np

from .counters import ZoneCounter
from .runs import Runs, cut_at, woven

Burst = tuple[bool, int]
"""Whether pages come from CMA, and how many of them."""


class CmaBalance:
    """The decision of one zone, by its counters of free pages and of those in CMA."""

    def __init__(self, free: ZoneCounter, free_cma: ZoneCounter) -> None:
        self._free = free
        self._cma = free_cma

    def cma_first(self) -> bool:
        """Tell whether over half of the free pages are CMA."""
        return self._cma.value > self._free.value // 2

    def holds(self, order: int) -> int:
        """Return for how many takes ``cma_first`` surely keeps its answer, at least 1."""
        lead = 2 * self._cma.value - self._free.value
        margin = 3 * self._free.threshold + 1
        sure = ((lead - margin) // 2 if lead > 0 else -lead - margin) >> order
        unread = 1 if order else min(self._free.steps_to_fold(), self._cma.steps_to_fold())
        return max(sure, unread, 1)

    def take(self, pages: int) -> list[Burst]:
        """Count so many single pages as taken, one after the other; return whence they came."""
        bursts: list[Burst] = []
        seen: dict[tuple[int, int, int], int] = {}
        while pages:
            lead = 2 * self._cma.value - self._free.value
            state = (lead, self._free.pending, self._cma.pending)
            cycle = bursts[seen.get(state, len(bursts)) :]
            times = pages // sum(size for _, size in cycle) if cycle else 0
            if times:
                bursts += cycle * times
                pages -= self._repeat(cycle, times)
                seen.clear()
                continue
            seen[state] = len(bursts)
            from_cma, size = self.cma_first(), min(pages, self.holds(0))
            self._free.add(-1, size)
            if from_cma:
                self._cma.add(-1, size)
            bursts.append((from_cma, size))
            pages -= size
        return bursts

    def _repeat(self, cycle: list[Burst], times: int) -> int:
        """Count a cycle so many times, after which both counters hold back what they do now."""
        pages = times * sum(size for _, size in cycle)
        self._free.value -= pages
        self._cma.value -= times * sum(size for from_cma, size in cycle if from_cma)
        return pages


def in_bursts(bursts: list[Burst], others: Runs, cma: Runs) -> Runs:
    """Put single pages that were taken of both kinds into the order of the bursts."""
    table = np.array(bursts, np.int64)
    parts = []
    for kind, runs in enumerate((others, cma)):
        own = np.flatnonzero(table[:, 0] == kind)
        if len(own):
            cut, section = cut_at(runs, np.cumsum(table[own, 1]), 0)
            parts.append((cut, own[section]))
    return woven(parts, 0)
