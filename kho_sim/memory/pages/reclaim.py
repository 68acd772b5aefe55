"""Page cache that is given back when memory is short.

A stand-in for kswapd and direct reclaim (mm/vmscan.c) as far as they decide success: clean file
pages, the oldest first, until what was asked for can be served. Left out: dirty pages and the time
of writing them, the two lists with their ages, swap, slab, and reclaim that starts before a request
fails: kswapd at the low watermark would begin earlier and give back a little more.
"""

from __future__ import annotations

from collections import deque

from .kinds import Run

BATCH_PAGES = 32
"""SWAP_CLUSTER_MAX: pages that are given back at a time."""


class CachedPages:
    """Pages that hold data of files, in the order in which they were read."""

    def __init__(self) -> None:
        self._runs: deque[Run] = deque()
        self.pages = 0

    def add(self, run: Run) -> None:
        """Note pages that were just read."""
        self._runs.append(run)
        self.pages += run.blocks

    def oldest(self, pages: int = BATCH_PAGES) -> list[Run]:
        """Take out the oldest pages, so many or all that there are; the caller frees them."""
        taken: list[Run] = []
        while pages and self._runs:
            run = self._runs.popleft()
            part, rest = run.split(min(run.blocks, pages))
            if rest.blocks:
                self._runs.appendleft(rest)
            taken.append(part)
            pages -= part.blocks
            self.pages -= part.blocks
        return taken
