"""The patch's blocks with a flag of their own: what was extended stays apart from original scratch.

The first version of the series (Pratyush Yadav, April 2026; field.md 3) marked the gaps
MEMBLOCK_KHO_SCRATCH_EXT; Rapoport and Tatashin argued against a second flag, and the second version
has one. Gigantic pages come from extended memory only, so no candidate has to be refused because it
touches original scratch; on the other hand regions of the two kinds do not merge. Assumed:
allocations of all other kinds take either; original scratch keeps its flag alone; an extended
region bears both flags here, so that a search for either is a search for one. No released kernel
does this.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kho_sim.base.work import Work
from kho_sim.kho.extend.blocks import by_blocks, gaps, mark_each
from kho_sim.kho.key import KeySet
from kho_sim.memory.memblock import KHO_SCRATCH, KHO_SCRATCH_EXT, Memblock

EXTENDED = KHO_SCRATCH | KHO_SCRATCH_EXT


def _mark(memblock: Memblock, busy: KeySet, shift: int) -> tuple[int, Work]:
    memblock.hugetlb_flag = KHO_SCRATCH_EXT
    free = gaps(busy, shift, memblock.end_of_dram())
    for region in memblock.memory:
        if region.flags & EXTENDED == KHO_SCRATCH:
            free = without(free, region.base, region.end)
    return mark_each(memblock, free, EXTENDED)


def without(ranges: NDArray[np.uint64], start: int, end: int) -> NDArray[np.uint64]:
    """Return ascending rows of (start, end) without what lies in one range."""
    below, above = ranges.copy(), ranges.copy()
    below[:, 1] = np.minimum(below[:, 1], np.uint64(start))
    above[:, 0] = np.maximum(above[:, 0], np.uint64(end))
    rest = np.concatenate([below, above])
    rest = rest[rest[:, 0] < rest[:, 1]]
    return rest[np.argsort(rest[:, 0])]


extend = by_blocks(mark=_mark)
"""Mark what ``blocks`` marks, original scratch left out, as extended. Errors are those of
``blocks``; gigantic pages then need extended memory even where a mark has failed."""
