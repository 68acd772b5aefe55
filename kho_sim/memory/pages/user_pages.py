"""How many user pages each pageblock holds: what decides whether a part of one may be claimed.

Models the LRU pages that prep_move_freepages_block() counts (kernel-facts 9.7), as far as claims
look at their number.
"""

from __future__ import annotations

from array import array

import numpy as np

from kho_sim.base.extent import Extent
from kho_sim.platform.geometry import Geometry

from .runs import Runs, parts_of


class UserPages:
    """Counts by pageblock, for ``pageblocks`` of them from ``base_pfn`` on."""

    def __init__(self, base_pfn: int, pageblocks: int, geometry: Geometry) -> None:
        self._base_pfn = base_pfn
        self._pageblock_order = geometry.pageblock_order
        self._pageblock_pages = geometry.pageblock_pages
        self._pages = array("H", bytes(2 * pageblocks))

    def around(self, pfn: int) -> int:
        """Return how many user pages the pageblock of a page holds."""
        return self._pages[(pfn - self._base_pfn) >> self._pageblock_order]

    def count(self, extent: Extent, sign: int) -> None:
        """Note that user pages (on the LRU) came (+1) or went (-1); claims look at their number."""
        pfn, end = extent
        while pfn < end:
            index, offset = divmod(pfn - self._base_pfn, self._pageblock_pages)
            whole = (end - pfn) // self._pageblock_pages
            if not offset and whole > 1:
                value = self._pageblock_pages if sign > 0 else 0
                self._pages[index : index + whole] = array("H", [value]) * whole
                pfn += whole * self._pageblock_pages
            else:
                count = min(end - pfn, self._pageblock_pages - offset)
                self._pages[index] += sign * count
                pfn += count

    def count_runs(self, runs: Runs, order: int, sign: int) -> None:
        """Note the same of the pages of many runs."""
        start, end = (column - self._base_pfn for column in runs.bounds(order))
        shift = self._pageblock_order
        first = start >> shift
        run, number = parts_of(((end - 1) >> shift) - first + 1)
        block = first[run] + number
        counted = np.minimum(end[run], block + 1 << shift) - np.maximum(start[run], block << shift)
        pages = np.frombuffer(self._pages, np.uint16)
        (np.add if sign > 0 else np.subtract).at(pages, block, counted.astype(np.uint16))
