"""Retrieval: a KHO boot reserves what was preserved, before the page allocator gets memory.

Models kho_mem_retrieve() of Linux 7.3 (kernel-facts section 12.1, step 3): for each preservation
one memblock reservation (no node, no flags), then the NOINIT flag on it. Pages of the incoming
tree are not reserved. Left out: the mark in the head page of each preservation.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kho_sim.base.extent import Extent
from kho_sim.base.work import Work
from kho_sim.kho.radix import FrozenRadixTree
from kho_sim.memory.memblock import Memblock


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Regions of memblock.reserved around the retrieval, its work, and what failed, if anything."""

    regions_before: int
    regions_after: int
    work: Work = field(default_factory=Work)
    error: str = ""


def retrieve(memblock: Memblock, incoming: FrozenRadixTree) -> Retrieval:
    """Reserve every preservation of the incoming tree.

    ``error`` is memblock's message if its array could not grow; later preservations are then not
    reserved.
    """
    regions_before = len(memblock.reserved)
    reserver = BlockReserver(memblock, noinit=True)
    errno, page_shift = 0, incoming.geometry.page_shift
    for order, start, end in incoming.runs():
        errno = reserver.reserve(Extent(start, end), 1 << (page_shift + order))
        if errno:
            break
    work = reserver.work + Work(
        keys_walked=reserver.blocks,
        tables_walked=incoming.nodes,
        pages_initialised=reserver.size_bytes >> page_shift,
    )
    error = memblock.messages[-1] if errno else ""
    return Retrieval(regions_before, len(memblock.reserved), work, error)


class BlockReserver:
    """Reserves runs of blocks, with the result and the work of one block after the other.

    One reservation for a whole run would end with the same regions, but may ask for less room on
    the way: a block needs a region of its own until it is merged, so the second one is where the
    array must grow, and where memory for that is taken. From the third on each meets the same
    array, so those in the middle are reserved at once, and the work is multiplied. The last may
    merge with what follows.
    """

    def __init__(self, memblock: Memblock, noinit: bool):
        self.blocks = 0
        self.size_bytes = 0
        self._memblock = memblock
        self._noinit = noinit
        self._scanned = self._scanned_once = 0
        self._moved = self._moved_once = 0

    @property
    def work(self) -> Work:
        """The reservations tried so far, and what memblock did for them."""
        return Work(
            ranges_reserved=self.blocks, regions_scanned=self._scanned, regions_moved=self._moved
        )

    @property
    def work_not_done(self) -> Work:
        """What memblock would have done more, had every block been reserved by itself."""
        return Work(
            regions_scanned=self._scanned - self._scanned_once,
            regions_moved=self._moved - self._moved_once,
        )

    def reserve(self, extent: Extent, block_bytes: int) -> int:
        """Reserve the whole blocks of one run; return 0, or the errno of the first to fail."""
        total = extent.size // block_bytes
        base = extent.start
        for blocks in (1, 1, total - 3, 1) if total > 3 else (1,) * total:
            errno = self._reserve_at_once(base, blocks, block_bytes)
            if errno:
                return errno
            base += blocks * block_bytes
        return 0

    def _reserve_at_once(self, base: int, blocks: int, block_bytes: int) -> int:
        memblock, size = self._memblock, blocks * block_bytes
        scanned, moved = memblock.regions_scanned, memblock.regions_moved
        errno = memblock.reserve(base, size)
        if not errno and self._noinit:
            errno = memblock.mark_noinit(base, size)
        self.blocks += blocks
        self.size_bytes += size
        scanned, moved = memblock.regions_scanned - scanned, memblock.regions_moved - moved
        self._scanned_once += scanned
        self._moved_once += moved
        self._scanned += scanned * blocks
        self._moved += moved * blocks
        return errno
