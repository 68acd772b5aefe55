"""Reservations of many blocks, with the result and the work of one call for each.

One reservation for a whole run would end with the same regions, but may ask for less room on the
way: a block needs a region of its own until it is merged, so the second one is where the array must
grow, and where memory for that is taken. From the third on each meets the same array, so those in
the middle are reserved at once, and the work is multiplied. The last may merge with what follows.

Runs that lie between the same two regions, and touch nothing, meet arrays that differ by one region
each; as many of them as there is room for are reserved at once.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from kho_sim.base.extent import Extent
from kho_sim.base.work import Work
from kho_sim.kho.key_runs import Column, Ranges
from kho_sim.memory.memblock import RSRV_NOINIT, Memblock

SIGN_BIT = 31
"""Of the number in which older releases count the bytes of a block."""
WALKS_TO_INSERT = 2
"""An insertion walks the array twice, to count what is new and to insert it; a change of flags
once. Recorded: with 8,200 regions reserve and mark cost 161,000 instructions a key, one call
107,000 (strategies, section 3)."""
FEWEST_AT_ONCE = 4
"""Ranges from which on it pays to reserve them together."""
SPARE_REGIONS = 3
"""A range that is reserved and marked block by block needs room for as many regions on the way
beside its own: the next block, and two borders where that is marked."""


class BlockReserver:
    """Reserves blocks with ``flags``; ``marks_noinit``: in a second call for each block.

    ``sizes_have_64_bits``: whether a block of 2 GiB and more keeps its size (``Release``).
    ``work`` and ``size_bytes`` count all that was tried.
    """

    def __init__(
        self,
        memblock: Memblock,
        flags: int = 0,
        *,
        marks_noinit: bool = False,
        sizes_have_64_bits: bool = True,
    ):
        self.work = Work()
        self.errno = 0
        self.size_bytes = 0
        self._memblock = memblock
        self._flags = flags
        self._marks_noinit = marks_noinit
        self._sizes_have_64_bits = sizes_have_64_bits

    @property
    def error(self) -> str:
        """Memblock's message, if its array could not grow."""
        return self._memblock.messages[-1] if self.errno else ""

    def reserve_all(self, ranges: Ranges) -> int:
        """Reserve ranges block by block, until one fails; return 0 or its errno."""
        touching = ranges.starts[1:] <= ranges.ends[:-1]
        borders = np.append(np.flatnonzero(touching) + 1, len(ranges))
        first = 0
        while first < len(ranges) and not self.errno:
            apart = int(borders[np.searchsorted(borders, first, "right")])
            count = self._alike(ranges.starts[first], ranges.ends[first:apart])
            if count >= FEWEST_AT_ONCE and self._sizes_have_64_bits:
                self._reserve_apart(ranges.piece(first, first + count))
            else:
                count = 1
                self.reserve(*ranges.one(first))
            first += count
        return self.errno

    def reserve(self, extent: Extent, block_bytes: int) -> int:
        """Reserve the whole blocks of one run; return 0, or the errno of the first to fail."""
        if not self._sizes_have_64_bits and block_bytes >= 1 << SIGN_BIT:
            return self._reserve_cut_short(extent, block_bytes)
        total = extent.size // block_bytes
        base = extent.start
        for blocks in (1, 1, total - 3, 1) if total > 3 else (1,) * total:
            self.errno = self._reserve_at_once(base, blocks, block_bytes)
            if self.errno:
                break
            base += blocks * block_bytes
        return self.errno

    def _reserve_cut_short(self, extent: Extent, block_bytes: int) -> int:
        """Reserve blocks whose size does not fit an int: 2 GiB become a negative number, and with
        it all memory above; more becomes 0, and with it a byte (kernel-facts-releases 11)."""
        memblock = self._memblock
        for base in range(extent.start, extent.end, block_bytes):
            size = memblock.end_of_dram() - base if block_bytes == 1 << SIGN_BIT else 1
            self.errno = memblock.reserve(base, size) or memblock.mark_noinit(base, size)
            if self.errno:
                break
        return self.errno

    def _reserve_at_once(self, base: int, blocks: int, block_bytes: int) -> int:
        memblock, size = self._memblock, blocks * block_bytes
        scanned, moved = memblock.regions_scanned, memblock.regions_moved
        passed = WALKS_TO_INSERT * memblock.reserved.first_ending_after(base)
        errno, isolated = memblock.reserve(base, size, flags=self._flags), 0
        if not errno and self._marks_noinit:
            isolated = blocks
            passed += memblock.reserved.first_ending_after(base)
            errno = memblock.mark_noinit(base, size)
        self.size_bytes += size
        self.work += Work(
            ranges_reserved=blocks,
            ranges_isolated=isolated,
            regions_passed=passed * blocks,
            regions_scanned=(memblock.regions_scanned - scanned) * blocks,
            regions_moved=(memblock.regions_moved - moved) * blocks,
        )
        return errno

    def _alike(self, start: np.uint64, ends: Column) -> int:
        """Return how many ranges from the first on lie between the same regions, with room for all;
        they end at ``ends`` and do not touch each other."""
        reserved = self._memblock.reserved
        index = bisect_left(reserved.bases, start)
        if index and reserved.ends[index - 1] >= start:
            return 0
        fitting = len(ends)
        if index < len(reserved):
            fitting = int(np.searchsorted(ends, np.uint64(reserved.bases[index])))
        return min(fitting, reserved.capacity - len(reserved) - SPARE_REGIONS)

    def _reserve_apart(self, ranges: Ranges) -> None:
        """The first block of each is inserted, any other inserted and merged, below all regions
        that lie above; as many regions as lie below are passed, and from the second block on the
        range so far."""
        reserved, blocks = self._memblock.reserved, ranges.blocks.astype(np.int64)
        below = bisect_left(reserved.bases, int(ranges.starts[0])) + np.arange(len(ranges))
        above, moved = len(reserved) - int(below[0]), reserved.moved
        flags = self._flags | (RSRV_NOINIT if self._marks_noinit else 0)
        self._memblock.reserve_apart(ranges.starts, ranges.ends, flags)
        total = int(blocks.sum())
        reserved.moved = moved + above * (2 * total - len(ranges))
        walks = WALKS_TO_INSERT + self._marks_noinit
        self.size_bytes += int((ranges.ends - ranges.starts).sum())
        self.work += Work(
            ranges_reserved=total,
            ranges_isolated=total if self._marks_noinit else 0,
            regions_passed=walks * (int((below * blocks).sum()) + total - len(ranges)),
            regions_moved=reserved.moved - moved,
        )
