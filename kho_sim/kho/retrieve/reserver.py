"""Reservations of many blocks, with the result and the work of one call for each.

One reservation for a whole run would end with the same regions, but may ask for less room on the
way: a block needs a region of its own until it is merged, so the second one is where the array must
grow, and where memory for that is taken. From the third on each meets the same array, so those in
the middle are reserved at once, and the work is multiplied. The last may merge with what follows.
"""

from __future__ import annotations

from collections.abc import Iterator

from kho_sim.base.extent import Extent
from kho_sim.base.work import Work
from kho_sim.kho.radix import FrozenRadixTree
from kho_sim.memory.memblock import Memblock

SIGN_BIT = 31
"""Of the number in which older releases count the bytes of a block."""
WALKS_TO_INSERT = 2
"""An insertion walks the array twice, to count what is new and to insert it; a change of flags
once. Recorded: with 8,200 regions reserve and mark cost 161,000 instructions a key, one call
107,000 (strategies, section 3)."""


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

    def reserve_runs(self, incoming: FrozenRadixTree) -> None:
        """Reserve every key of a tree by itself, until one fails."""
        page_shift = incoming.geometry.page_shift
        for order, start, end in incoming.runs():
            block_bytes = 1 << (page_shift + order)
            if not self._sizes_have_64_bits and block_bytes >= 1 << SIGN_BIT:
                self._reserve_cut_short(start, end, block_bytes)
            else:
                self.reserve(Extent(start, end), block_bytes)
            if self.errno:
                break

    def reserve(self, extent: Extent, block_bytes: int) -> int:
        """Reserve the whole blocks of one run; return 0, or the errno of the first to fail."""
        total = extent.size // block_bytes
        base = extent.start
        for blocks in (1, 1, total - 3, 1) if total > 3 else (1,) * total:
            self.errno = self._reserve_at_once(base, blocks, block_bytes)
            if self.errno:
                break
            base += blocks * block_bytes
        return self.errno

    def _reserve_cut_short(self, start: int, end: int, block_bytes: int) -> None:
        """Reserve blocks whose size does not fit an int: 2 GiB become a negative number, and with
        it all memory above; more becomes 0, and with it a byte (kernel-facts-releases 11)."""
        memblock = self._memblock
        for base in range(start, end, block_bytes):
            size = memblock.end_of_dram() - base if block_bytes == 1 << SIGN_BIT else 1
            self.errno = memblock.reserve(base, size) or memblock.mark_noinit(base, size)
            if self.errno:
                return

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


def collected(incoming: FrozenRadixTree) -> Iterator[Extent]:
    """Yield runs of neighbouring keys in walk order, whatever their orders."""
    run = Extent(0, 0)
    for _, start, end in incoming.runs():
        if start == run.end:
            run = Extent(run.start, end)
            continue
        if run.size:
            yield run
        run = Extent(start, end)
    if run.size:
        yield run
