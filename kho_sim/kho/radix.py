"""The radix tree that says what memory is preserved, with its table pages at real addresses.

Models the tree of kernel/liveupdate/kexec_handover.c, Linux 7.3 (kernel-facts section 4): every
node is one page, so levels, slots of a table and bits of a leaf follow from the page size (4 KiB:
six levels, 512 slots, 32768 bits; kernel-facts-arm64 section 0 for 16 and 64 KiB). Kept: which
pages a tree takes and in which order it asks for them, failure of such an allocation, tables that
outlive their keys. Left out: the tree's mutex and the physical-to-virtual side.

Levels count as in the kernel, from 0, the leaves, to the root. A table of level n is known by its
prefix, the common upper bits of its leaf numbers: ``leaf >> (table_shift * n)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from errno import EINVAL, ENOMEM, ERANGE
from itertools import count
from typing import NamedTuple, overload

import numpy as np

from kho_sim.base.extent import Extent, merged
from kho_sim.kho.key import KeySet, decode_key, encode_key
from kho_sim.kho.key_runs import KeyRuns
from kho_sim.kho.leaves import LeafSpan, bits_by_leaf
from kho_sim.memory.pages import Run, Runs
from kho_sim.platform.geometry import PAGES_4K, Geometry

__all__ = ["FrozenRadixTree", "LeafSpan", "RadixTree", "decode_key", "encode_key"]

WORD_BYTES = 8
FEW_RUNS = 16
"""Arrays cost more than they save for fewer."""
AllocatePage = Callable[[], int]
FreePage = Callable[[int], object]


class Table(NamedTuple):
    """A page of the tree: its level (0 is a leaf), its prefix, and its address."""

    level: int
    prefix: int
    address: int


class FrozenRadixTree:
    """A tree to be read: what a kernel hands on, and what its successor finds."""

    def __init__(self, geometry: Geometry = PAGES_4K) -> None:
        self.geometry = geometry
        self.root_level = geometry.tree_levels - 1
        self._keys = KeySet(geometry)
        self._tables: tuple[dict[int, int], ...] = tuple({} for _ in range(geometry.tree_levels))
        self._runs: KeyRuns | None = None
        """Once they are known."""

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self._keys)

    def __contains__(self, key: int) -> bool:
        return key in self._keys

    @property
    def root(self) -> int:
        """The address of the root table; 0 if the tree has none."""
        return self._tables[-1].get(0, 0)

    @property
    def nodes(self) -> int:
        """The pages that the tree takes, its root included."""
        return sum(len(level) for level in self._tables)

    @property
    def words(self) -> int:
        """The slots of its upper tables and the words of its leaves: what a whole walk passes."""
        return self.nodes * self.geometry.page_bytes // WORD_BYTES

    @property
    def keys(self) -> KeySet:
        """A copy of the keys."""
        return self._keys.copy()

    def freeze(self) -> FrozenRadixTree:
        """Return a copy that does not change any more; it can be sent to another process."""
        copied = FrozenRadixTree(self.geometry)
        copied._keys = self._keys.copy()
        copied._tables = tuple(level.copy() for level in self._tables)
        return copied

    @overload
    def walk(self) -> Iterator[int]: ...
    @overload
    def walk(
        self,
        leaf: Callable[[int], int | None] | None = None,
        node: Callable[[int], int | None] | None = None,
    ) -> int: ...
    def walk(
        self,
        leaf: Callable[[int], int | None] | None = None,
        node: Callable[[int], int | None] | None = None,
    ) -> int | Iterator[int]:
        """Visit the tree in the kernel's order, or return an iterator over the keys.

        Tables come before what is below them, slots and keys ascending. ``node`` gets the address
        of every table page, ``leaf`` every key; the first result that is neither 0 nor None ends
        the walk and is returned, else 0. Source: kho_radix_walk_tree().
        """
        if leaf is None and node is None:
            return iter(self._keys)
        for table, bits in self.walk_tables():
            result = node(table.address) if node else 0
            if result:
                return result
            if not leaf or not bits:
                continue
            one_leaf = KeySet(self.geometry)
            one_leaf.add_bits(table.prefix, bits)
            for key in one_leaf:
                result = leaf(key)
                if result:
                    return result
        return 0

    def walk_tables(self) -> Iterator[tuple[Table, int]]:
        """Yield every table in walk order with its keys: a leaf's bitmap, 0 for the others."""
        for table in self._sorted_tables():
            yield table, self._keys.bits(table.prefix) if table.level == 0 else 0

    def table_pages(self) -> list[int]:
        """Return the addresses of the tree's pages in walk order."""
        return [table.address for table in self._sorted_tables()]

    def runs(self) -> Iterator[tuple[int, int, int]]:
        """Yield (order, start, end) in bytes: neighbouring keys of one order joined, in walk order.

        Raises: ValueError if the tree holds plain numbers that are no preservations.
        """
        return iter(self.run_columns())

    def run_columns(self) -> KeyRuns:
        """Return those runs in columns. Raises as ``runs``."""
        if self._runs is None:
            self._runs = self._find_runs()
        return self._runs

    def counts_by_order(self) -> dict[int, int]:
        """Return the number of preservations of each order that occurs, ascending."""
        runs = self.run_columns()
        return {
            int(order): int(runs.blocks[runs.orders == order].sum())
            for order in np.unique(runs.orders)
        }

    @property
    def preserved_bytes(self) -> int:
        """The bytes that the preservations cover (twice what two of them cover)."""
        counts = self.counts_by_order()
        page_shift = self.geometry.page_shift
        return sum(number << (page_shift + order) for order, number in counts.items())

    def preserved_extents(self) -> list[Extent]:
        """Return the preserved memory as byte ranges, joined across orders, ascending."""
        return merged((start, end) for _, start, end in self.runs())

    def spans(self, leaf: int, bits: int) -> Iterator[LeafSpan]:
        """Yield the preservations of one leaf, an order at a time, in walk order.

        Leaf 0 alone holds several orders, the highest ones; every other leaf holds just one.
        Raises: ValueError for key 0, which is no preservation.
        """
        if not bits:
            return
        bitmaps, order_0_bit = self._keys.bitmaps, self.geometry.order_0_bit
        if leaf:
            first = leaf << bitmaps.shift
            order = order_0_bit + 1 - first.bit_length()
            yield LeafSpan(order, first - (1 << order_0_bit - order), bits, bitmaps)
            return
        if bits & 1:
            decode_key(0)
        for order in range(order_0_bit, order_0_bit - bitmaps.shift, -1):
            marker = 1 << order_0_bit - order
            part = bits >> marker & ((1 << marker) - 1)
            if part:
                yield LeafSpan(order, 0, part, bitmaps)

    def _find_runs(self) -> KeyRuns:
        borders = (
            (span.order, span.first_block, span.borders())
            for leaf in self._keys.leaves()
            for span in self.spans(leaf, self._keys.bits(leaf))
        )
        return KeyRuns.of(borders, self.geometry.page_shift)

    def _sorted_tables(self) -> list[Table]:
        tables = [
            Table(level, prefix, address)
            for level, pages in enumerate(self._tables)
            for prefix, address in pages.items()
        ]
        slot_bits = self.geometry.table_shift
        tables.sort(key=lambda table: (table.prefix << (slot_bits * table.level), -table.level))
        return tables


class RadixTree(FrozenRadixTree):
    """A tree that a kernel builds.

    ``allocate_page`` returns the address of a free page or 0, ``free_page`` takes one back;
    without them pages come from a counter. The root is allocated at once: if there is none,
    ``root`` is 0 and adding returns -EINVAL, as with the kernel's failed kho_radix_init_tree().
    """

    def __init__(
        self,
        allocate_page: AllocatePage | None = None,
        free_page: FreePage | None = None,
        geometry: Geometry = PAGES_4K,
    ):
        super().__init__(geometry)
        page_bytes = geometry.page_bytes
        self._allocate_page = allocate_page or count(page_bytes, page_bytes).__next__
        self._free_page = free_page or (lambda _: None)
        self._leaves_end = 1 << geometry.key_bits - geometry.leaf_shift
        root = self._allocate_page()
        if root:
            self._tables[-1][0] = root

    def run_columns(self) -> KeyRuns:
        """Return the runs as they are now. Raises as ``runs``."""
        return self._find_runs()

    @property
    def is_ready(self) -> bool:
        """Tell whether there was a page for the root."""
        return bool(self.root)

    @classmethod
    def from_runs(
        cls,
        runs: Iterable[tuple[int, int, int]],
        table_pages: Iterable[int],
        geometry: Geometry = PAGES_4K,
    ) -> RadixTree:
        """Rebuild a tree from (order, start, end) runs and its page addresses in walk order.

        Raises: ValueError if a run is not made of whole blocks, or the number of pages is not what
        these keys need (a tree that has seen deletions may own more; where, its keys do not tell).
        """
        tree, page_shift = cls(geometry=geometry), geometry.page_shift
        for order, start, end in runs:
            tree.add_pages(start >> page_shift, (end - start) >> page_shift, order)
        pages = list(table_pages)
        tables = tree._sorted_tables()
        if len(pages) != len(tables):
            raise ValueError(f"the keys need {len(tables)} table pages, not {len(pages)}")
        for table, address in zip(tables, pages, strict=True):
            tree._tables[table.level][table.prefix] = address
        return tree

    def add_key(self, key: int) -> int:
        """Add a key; return 0, -ENOMEM, -ERANGE (wider than a key) or -EINVAL (no root).

        A failed addition leaves no table behind. Source: kho_radix_add_key().
        """
        leaf, position = divmod(key, self._keys.bitmaps.length)
        if not 0 <= leaf < self._leaves_end:
            return -ERANGE
        return self._add_to_leaf(leaf, 1 << position)

    def add_keys(self, first: int, end: int) -> int:
        """Add the keys [first, end) as one by one would, until the first that fails."""
        limit = 1 << self.geometry.key_bits
        error = self._add_pieces(self._keys.bitmaps.pieces(first, min(end, limit)))
        return error or (-ERANGE if end > limit else 0)

    def add_bits(self, first: int, bits: int) -> int:
        """Add the key ``first + i`` for every bit i that is set, as one by one ascending would."""
        bitmaps = self._keys.bitmaps
        leaf, offset = divmod(first, bitmaps.length)
        bits <<= offset
        while bits:
            part = bits & bitmaps.full
            if leaf >= self._leaves_end:
                return -ERANGE
            error = self._add_to_leaf(leaf, part) if part else 0
            if error:
                return error
            bits >>= bitmaps.length
            leaf += 1
        return 0

    def add_pages(self, first_pfn: int, page_count: int, order: int = 0, step: int = 1) -> int:
        """Preserve a range of pages, cut into blocks of one order; return as ``add_key`` does.

        ``step`` says in which order the blocks are added: upwards (1) or downwards (-1).
        Raises: ValueError if the run does not begin and end at multiples of the block.
        """
        pieces = list(self._keys.bitmaps.pieces(*self._keys_of_pages(first_pfn, page_count, order)))
        return self._add_pieces(pieces[::step])

    def add_runs(self, runs: Sequence[Run], order: int = 0) -> int:
        """Preserve the blocks of many runs, in their order; return as ``add_key`` does.

        After a failure keys of later runs may be there as well: the caller takes all of them back.
        """
        if len(runs) < FEW_RUNS:
            return next(filter(None, (self._add_run(run, order) for run in runs)), 0)
        columns = Runs.of(runs)
        start, end = (column >> order for column in columns.bounds(order))
        marker = 1 << self.geometry.order_0_bit - order
        bitmaps = self._keys.bitmaps
        return self._add_pieces(bits_by_leaf(start + marker, end + marker, columns.step, bitmaps))

    def _add_run(self, run: Run, order: int) -> int:
        start, end = run.extent(order)
        return self.add_pages(start, end - start, order, run.step)

    def del_key(self, key: int) -> None:
        """Remove a key if it is there. Tables are never freed. Source: kho_radix_del_key()."""
        self.del_keys(key, key + 1)

    def del_keys(self, first: int, end: int) -> None:
        """Remove the keys [first, end), those that are there."""
        for leaf, bits in self._keys.bitmaps.pieces(first, min(end, 1 << self.geometry.key_bits)):
            self._keys.remove_bits(leaf, bits)

    def del_pages(self, first_pfn: int, page_count: int, order: int = 0) -> None:
        """Take back what ``add_pages`` with the same arguments preserved."""
        self.del_keys(*self._keys_of_pages(first_pfn, page_count, order))

    def destroy(self) -> None:
        """Free every page, children before their parent. Source: kho_radix_destroy_tree()."""
        for table in sorted(self._sorted_tables(), key=lambda t: (self._leaf_end(t), t.level)):
            self._free_page(table.address)
        for level in self._tables:
            level.clear()
        self._keys = KeySet(self.geometry)

    def _leaf_end(self, table: Table) -> int:
        """Return the first leaf number beyond what lies below a table."""
        return (table.prefix + 1) << (self.geometry.table_shift * table.level)

    def _add_pieces(self, pieces: Iterable[tuple[int, int]]) -> int:
        for leaf, bits in pieces:
            error = self._add_to_leaf(leaf, bits)
            if error:
                return error
        return 0

    def _add_to_leaf(self, leaf: int, bits: int) -> int:
        if not self.root:
            return -EINVAL
        error = 0 if leaf in self._tables[0] else self._make_path(leaf)
        if not error:
            self._keys.add_bits(leaf, bits)
        return error

    def _make_path(self, leaf: int) -> int:
        """Allocate the tables missing above and at a leaf, the uppermost first: all or none."""
        made: list[tuple[int, int]] = []
        slot_bits = self.geometry.table_shift
        for level in reversed(range(self.root_level)):
            prefix = leaf >> (slot_bits * level)
            if prefix in self._tables[level]:
                continue
            address = self._allocate_page()
            if not address:
                for level_made, prefix_made in made:
                    self._free_page(self._tables[level_made].pop(prefix_made))
                return -ENOMEM
            self._tables[level][prefix] = address
            made.append((level, prefix))
        return 0

    def _keys_of_pages(self, first_pfn: int, page_count: int, order: int) -> tuple[int, int]:
        if page_count < 0 or page_count % (1 << order):
            raise ValueError(f"{page_count} pages are no whole blocks of order {order}")
        first = encode_key(first_pfn << self.geometry.page_shift, order, self.geometry)
        end = first + (page_count >> order)
        if end > 2 << self.geometry.order_0_bit - order:
            raise ValueError(f"{page_count} pages from {first_pfn:#x} end above 64 bits")
        return first, end
