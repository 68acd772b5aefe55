"""Bitmaps that say what memory is preserved, as Linux 6.16 to 7.0 keep them.

Models the arrays of bitmaps of kernel/kexec_handover.c (kernel-facts-releases 3): one bit a block,
a bitmap of 512 bytes or of a page for each stretch of memory in which something of an order is
preserved. The next kernel gets a list of chunk pages, written when the handover is finalized. Kept:
pages of bitmaps and chunks, the order of the walk, and what a reader makes of bitmaps of another
size. Left out: the arrays' own nodes, and what lies behind a bitmap of 512 bytes that a reader of a
whole page takes for more of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from errno import ENOMEM

from kho_sim.kho.key_runs import KeyRuns
from kho_sim.kho.radix import AllocatePage, FreePage, FrozenRadixTree, RadixTree, Table
from kho_sim.platform.geometry import PAGES_4K, Geometry

CHUNK_HEADER_BYTES = 16
CHUNK_ENTRY_BYTES = 16
"""Of a chunk page: next, order, count; then start and bitmap of each entry."""
PAGE_OF_BITS = 4096
"""The size that a release gives for a bitmap of a page, whatever the page size."""


class FrozenBitmaps(FrozenRadixTree):
    """Bitmaps to be read: what a kernel hands on, and what its successor finds.

    ``pages``: those of bitmaps, then of chunks, as they were allocated.
    """

    def __init__(self, bitmap_bytes: int, geometry: Geometry = PAGES_4K) -> None:
        FrozenRadixTree.__init__(self, geometry)  # of Bitmaps the next class is RadixTree
        self.bitmap_bytes = geometry.page_bytes if bitmap_bytes == PAGE_OF_BITS else bitmap_bytes
        self.pages: list[int] = []
        self.chunks: list[int] = []

    @property
    def root(self) -> int:
        """The address of the first chunk; 0 until the handover is finalized."""
        return self.chunks[0] if self.chunks else 0

    @property
    def nodes(self) -> int:
        """The pages of bitmaps and chunks."""
        return len(self.pages) + len(self.chunks)

    def table_pages(self) -> list[int]:
        """Return the addresses of chunks and bitmaps."""
        return [*self.chunks, *self.pages]

    def freeze(self) -> FrozenBitmaps:
        """Return a copy that does not change any more."""
        copied = FrozenBitmaps(self.bitmap_bytes, self.geometry)
        copied._keys = self._keys.copy()
        copied.pages, copied.chunks = self.pages[:], self.chunks[:]
        return copied

    def run_columns(self) -> KeyRuns:
        """Return the runs: orders ascending, then addresses."""
        return super().run_columns().ascending()

    def as_read(self, bitmap_bytes: int) -> FrozenBitmaps:
        """Return what a kernel with bitmaps of another size takes for preserved: of larger ones it
        reads the beginning only."""
        read = self.freeze()
        reader = FrozenBitmaps(bitmap_bytes, self.geometry)
        if reader.bitmap_bytes < self.bitmap_bytes:
            kept = (1 << 8 * reader.bitmap_bytes) - 1
            for leaf in read._keys.leaves():
                read._keys.remove_bits(leaf, read._keys.bits(leaf) & ~kept)
        return read

    def walk_tables(self) -> Iterator[tuple[Table, int]]:
        """Yield the bitmaps, a leaf's worth at a time, then the chunks, which have no keys."""
        for number, leaf in enumerate(self._keys.leaves()):
            page = self.pages[min(number, len(self.pages) - 1)]
            yield Table(0, leaf, page), self._keys.bits(leaf)
        for number, page in enumerate(self.chunks):
            yield Table(1, number, page), 0


class Bitmaps(FrozenBitmaps, RadixTree):
    """Bitmaps that a kernel builds; ``allocate_page`` and ``free_page`` as of a ``RadixTree``."""

    def __init__(
        self,
        bitmap_bytes: int,
        allocate_page: AllocatePage,
        free_page: FreePage,
        geometry: Geometry = PAGES_4K,
    ):
        FrozenBitmaps.__init__(self, bitmap_bytes, geometry)
        self._allocate_page = allocate_page
        self._free_page = free_page
        self._leaves_end = 1 << geometry.key_bits - geometry.leaf_shift
        self._bitmaps: set[tuple[int, int]] = set()
        """(leaf of the keys, bitmap in it) of every bitmap that was allocated."""

    @property
    def is_ready(self) -> bool:
        """Tell that blocks can be added, always: nothing is allocated before the first one."""
        return True

    def finalize(self) -> int:
        """Write the chunks for the next kernel; return 0 or -ENOMEM."""
        for page in self.chunks:
            self._free_page(page)
        self.chunks = []
        page_bytes = self.geometry.page_bytes
        entries = (page_bytes - CHUNK_HEADER_BYTES) // CHUNK_ENTRY_BYTES
        by_order: dict[int, int] = {}
        for leaf, _ in self._bitmaps:
            for span in self.spans(leaf, self._keys.bits(leaf)):
                by_order[span.order] = by_order.get(span.order, 0) + 1
        for bitmaps in by_order.values():
            for _ in range(-(-bitmaps // entries)):
                page = self._allocate_page()
                if not page:
                    return -ENOMEM
                self.chunks.append(page)
        return 0

    def _add_to_leaf(self, leaf: int, bits: int) -> int:
        for bitmap in self._bitmaps_of(leaf, bits) - self._bitmaps:
            if len(self._bitmaps) * self.bitmap_bytes == len(self.pages) * self.geometry.page_bytes:
                page = self._allocate_page()
                if not page:
                    return -ENOMEM
                self.pages.append(page)
            self._bitmaps.add(bitmap)
        self._keys.add_bits(leaf, bits)
        return 0

    def _bitmaps_of(self, leaf: int, bits: int) -> set[tuple[int, int]]:
        width = 8 * self.bitmap_bytes
        count = self.geometry.page_bytes // self.bitmap_bytes
        mask = (1 << width) - 1
        if count == 1:
            return {(leaf, 0)}
        return {(leaf, number) for number in range(count) if bits >> number * width & mask}
