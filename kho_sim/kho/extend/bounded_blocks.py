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
from kho_sim.kho.extend.base import LARGEST_SHIFT, ExtendOptions, Extension
from kho_sim.kho.extend.blocks import extend_around, gaps, mark_each
from kho_sim.kho.extend.blocks_skip import once_a_block
from kho_sim.kho.extend.largest_gaps import room_for_gaps
from kho_sim.kho.extend.scaled_blocks import block_shift
from kho_sim.kho.key import KeySet
from kho_sim.kho.radix import AllocatePage, FreePage, FrozenRadixTree
from kho_sim.memory.memblock import Memblock


def extend(
    memblock: Memblock,
    incoming: FrozenRadixTree,
    options: ExtendOptions,
    allocate_page: AllocatePage,
    free_page: FreePage,
) -> Extension:
    """Mark what lies between busy blocks that are as fine as memblock's room allows.

    ``options.shift`` is the largest block to begin with. Errors are those of ``blocks``, but marks
    never fail for want of room.
    """
    shift = block_shift(memblock.end_of_dram(), options.shift, incoming.geometry)
    return extend_around(
        memblock, incoming, shift, allocate_page, free_page, visits=once_a_block, mark=_mark
    )


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
