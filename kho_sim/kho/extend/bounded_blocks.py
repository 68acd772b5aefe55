"""Blocks of about a thousandth of memory, made coarser until their ranges fit into memblock.

``scaled-blocks`` bounds the number of blocks, not that of ranges: 265 pages scattered over 4 GiB
gave 399 regions, two doublings and four times the patch's step (strategies, section 3). Here the
gaps are found at the fine size; while they are more than memblock.memory has room for, blocks are
doubled, which only shrinks gaps. Ours; each doubling counts as one more visit of each gap. The
array never grows. No kernel does this.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kho_sim.base.work import Work
from kho_sim.kho.extend.base import LARGEST_SHIFT
from kho_sim.kho.extend.blocks import by_blocks, gaps, mark_each
from kho_sim.kho.extend.blocks_skip import once_a_block
from kho_sim.kho.extend.largest_gaps import room_for_gaps
from kho_sim.kho.extend.scaled_blocks import scaled_shift
from kho_sim.kho.key import KeySet
from kho_sim.memory.memblock import Memblock


def _mark(memblock: Memblock, busy: KeySet, shift: int) -> tuple[int, Work]:
    end = memblock.end_of_dram()
    room, free, visits = room_for_gaps(memblock), gaps(busy, shift, end), 0
    while len(free) > room and shift < LARGEST_SHIFT:
        visits += len(free)
        shift += 1
        free = within_blocks(free, shift, end)
    errno, work = mark_each(memblock, free[: max(room, 0)])
    return errno, work + Work(keys_walked=visits)


def within_blocks(free: NDArray[np.uint64], shift: int, end: int) -> NDArray[np.uint64]:
    """Return what is left of gaps in whole blocks of a larger size; ``end`` bounds the last one."""
    mask = np.uint64((1 << shift) - 1)
    starts = (free[:, 0] + mask) & ~mask
    ends = np.where(free[:, 1] == np.uint64(end), free[:, 1], free[:, 1] & ~mask)
    whole = starts < ends
    return np.stack([starts[whole], ends[whole]], axis=1)


extend = by_blocks(shift=scaled_shift, visits=once_a_block, mark=_mark)
"""Mark what lies between busy blocks that are as fine as memblock's room allows.

``options.shift`` is the largest block to begin with. Errors are those of ``blocks``, but marks
never fail for want of room.
"""
