"""Fine blocks, of whose gaps only the largest are marked: as many as memblock has room for.

Fine blocks recover more than coarse ones and cost ranges. But a few large gaps hold nearly all of
the free memory, and the many small ones between scattered pages hold nearly all of the ranges. So
digest at the given shift (2 MiB, 21, is a good one), and mark the gaps with most memory, no more
than memblock.memory takes without growing: for that number of ranges no other choice of gaps
recovers more. The array never grows, so this step takes no memory but the digest's.

The kernel that was recorded keeps as many gaps as there is room for in a plain array, and compares
each further one with all of them. No released kernel does this. The walk skips as ``blocks-skip``
does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kho_sim.base.work import Work
from kho_sim.kho.extend.blocks import by_blocks, gaps, mark_each
from kho_sim.kho.extend.blocks_skip import once_a_block
from kho_sim.kho.key import KeySet
from kho_sim.memory.memblock import Memblock
from kho_sim.memory.regions import Region

REGIONS_PER_MARK = 2
"""A mark splits at most the two regions at its borders (memblock_isolate_range())."""


def mark_largest(memblock: Memblock, busy: KeySet, shift: int) -> tuple[int, Work]:
    """Mark the gaps with most memory that fit into the array; return (0 or -errno, work)."""
    return mark_most(memblock, busy, shift, room_for_gaps(memblock))


def room_for_gaps(memblock: Memblock) -> int:
    """Return how many gaps can be marked before memblock.memory has to grow."""
    return (memblock.memory.capacity - len(memblock.memory)) // REGIONS_PER_MARK


def mark_most(memblock: Memblock, busy: KeySet, shift: int, room: int) -> tuple[int, Work]:
    """Mark the ``room`` gaps with most memory; return (0 or -errno, work)."""
    free = gaps(busy, shift, memblock.end_of_dram())
    sizes = memory_in(free, memblock.memory)
    # Of equal gaps the upper one: early boot allocates from the top.
    ascending = np.argsort(sizes, kind="stable")
    chosen = np.sort(ascending[max(len(ascending) - room, np.count_nonzero(sizes == 0)) :])
    errno, work = mark_each(memblock, free[chosen])
    compared = room * max(len(free) - room, 0)
    return errno, work + Work(keys_walked=len(free), gaps_compared=compared)


def memory_in(ranges: NDArray[np.uint64], regions: Sequence[Region]) -> NDArray[np.int64]:
    """Return the bytes of memory in each of the ranges, rows of (start, end)."""
    bases = np.array([region.base for region in regions])
    sizes = np.array([region.size for region in regions])
    before = np.concatenate(([0], np.cumsum(sizes)))

    def memory_below(addresses: NDArray[np.uint64]) -> NDArray[np.int64]:
        at = addresses.astype(np.int64)
        last = np.searchsorted(bases, at) - 1
        inside = np.minimum(at - bases[last], sizes[last])
        return np.where(last < 0, 0, before[last] + inside)

    return memory_below(ranges[:, 1]) - memory_below(ranges[:, 0])


extend = by_blocks(visits=once_a_block, mark=mark_largest)
"""Mark the largest gaps between busy blocks, in address order. Errors are those of
``blocks``, but marks never fail."""
