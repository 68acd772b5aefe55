"""Keys of the KHO radix tree: how a preservation becomes one number, and sets of such numbers.

A key holds the address and the order of a preservation: ``2**(64 - s - order) + (phys >> (s +
order))``, where s is log2 of the page size (kernel-facts 4.1, kernel-facts-arm64 section 0).
Ascending keys are therefore the highest order first, and addresses ascending inside an order.

A set of keys is kept as the kernel's leaves are: one bitmap per leaf, a page of bits. The bitmaps
are Python integers, so they are immutable, cheap to share, and a full one exists only once: state
grows with leaves, work on a contiguous run with leaves too, and work on scattered keys runs at C
speed.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from kho_sim.base.errors import ensure
from kho_sim.platform.geometry import PAGES_4K, Geometry


def encode_key(phys: int, order: int, geometry: Geometry = PAGES_4K) -> int:
    """Return the key of the block of ``2**order`` pages at address ``phys``.

    Raises: ValueError if the order is negative or above that of the whole address space, or the
    address is negative, wider than 64 bits or not aligned to the size of the block.
    Source: kho_encode_radix_key().
    """
    highest, page_shift = geometry.order_0_bit, geometry.page_shift
    if not 0 <= order <= highest:
        raise ValueError(f"order {order} is not within 0..{highest}")
    if not 0 <= phys < 1 << 64:
        raise ValueError(f"address {phys:#x} is not within 64 bits")
    if phys % (1 << (page_shift + order)):
        raise ValueError(f"address {phys:#x} is not aligned to a block of order {order}")
    return (1 << (highest - order)) + (phys >> (page_shift + order))


def decode_key(key: int, geometry: Geometry = PAGES_4K) -> tuple[int, int]:
    """Return (address, order) of a key.

    Raises: ValueError if the key is 0, negative or wider than ``geometry.key_bits``.
    Source: kho_decode_radix_key().
    """
    if not 0 < key < 1 << geometry.key_bits:
        raise ValueError(f"{key:#x} is not the key of a preservation")
    order = geometry.key_bits - key.bit_length()
    return (key << (geometry.page_shift + order)) & ((1 << 64) - 1), order


class LeafBitmaps:
    """Operations on the bitmaps of leaves of one page size. Make it with ``bitmaps_of``.

    ``shift``: log2 of the bits of a leaf; ``length``: their number; ``full``: all of them set.
    """

    def __init__(self, geometry: Geometry):
        self.geometry = geometry
        self.shift = geometry.leaf_shift
        self.length = 1 << self.shift
        self.full = (1 << self.length) - 1
        self._borders_of_full = 1 << self.length | 1

    def __reduce__(self) -> tuple[object, tuple[Geometry]]:
        return bitmaps_of, (self.geometry,)

    def pieces(self, first: int, end: int) -> Iterator[tuple[int, int]]:
        """Cut the keys [first, end) into (leaf number, bitmap), ascending."""
        ensure(first >= 0, "key {} is negative", first)
        length, full = self.length, self.full
        while first < end:
            leaf, offset = divmod(first, length)
            count = min(end - first, length - offset)
            yield leaf, full if count == length else ((1 << count) - 1) << offset
            first += count

    def count(self, bits: int) -> int:
        """Return how many bits are set."""
        return self.length if bits is self.full else bits.bit_count()

    def runs(self, bits: int) -> list[tuple[int, int]]:
        """Return the runs [first, end) of neighbouring set bits, ascending."""
        if bits is self.full:
            return [(0, self.length)]
        edges = iter(self.positions(self.borders(bits)).tolist())
        return list(zip(edges, edges, strict=True))

    def coarser(self, bits: int, shift: int) -> int:
        """Return the bitmap with one bit per ``2**shift`` bits: set if any of them is."""
        if not shift:
            return bits
        if bits is self.full:
            return self.full >> (self.length - (self.length >> shift))
        groups = self._unpacked(bits, self.length // 8).reshape(-1, 1 << shift).any(axis=1)
        return int.from_bytes(np.packbits(groups, bitorder="little").tobytes(), "little")

    def borders(self, bits: int) -> int:
        """Return a bitmap of where runs of set bits begin and end, by turns."""
        return self._borders_of_full if bits is self.full else bits ^ bits << 1

    def positions(self, bits: int) -> NDArray[np.int64]:
        """Return the positions of the bits that are set, up to that right behind a leaf."""
        if bits is self._borders_of_full:
            return np.array([0, self.length])
        return np.flatnonzero(self._unpacked(bits, self.length // 8 + 1))

    @staticmethod
    def _unpacked(bits: int, byte_count: int) -> NDArray[np.bool_]:
        """Return a bitmap as an array, 8 bits for each byte."""
        packed = np.frombuffer(bits.to_bytes(byte_count, "little"), dtype=np.uint8)
        return np.unpackbits(packed, bitorder="little").view(np.bool_)


@cache
def bitmaps_of(geometry: Geometry) -> LeafBitmaps:
    """Return the one ``LeafBitmaps`` of a geometry, so that its full bitmap exists only once."""
    return LeafBitmaps(geometry)


class KeySet:
    """A set of keys: for each leaf that holds any, by its number, the bitmap of its keys."""

    def __init__(self, geometry: Geometry = PAGES_4K) -> None:
        self.bitmaps = bitmaps_of(geometry)
        self._leaves: dict[int, int] = {}

    def copy(self) -> KeySet:
        """Return an independent equal set; the bitmaps are shared."""
        copied = KeySet(self.bitmaps.geometry)
        copied._leaves = self._leaves.copy()
        return copied

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeySet) and self._leaves == other._leaves

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return sum(map(self.bitmaps.count, self._leaves.values()))

    def __contains__(self, key: int) -> bool:
        leaf, position = divmod(key, self.bitmaps.length)
        return self.bits(leaf) >> position & 1 == 1

    def __iter__(self) -> Iterator[int]:
        """Yield every key, ascending."""
        for start, end in self.runs():
            yield from range(start, end)

    def leaves(self) -> list[int]:
        """Return the numbers of the leaves that hold a key, ascending."""
        return sorted(self._leaves)

    def bits(self, leaf: int) -> int:
        """Return the bitmap of a leaf, 0 if it holds no key."""
        return self._leaves.get(leaf, 0)

    def add_bits(self, leaf: int, bits: int) -> None:
        """Add the keys of one leaf whose bits are set."""
        bits |= self._leaves.get(leaf, 0)
        if bits:
            full = self.bitmaps.full
            self._leaves[leaf] = full if bits == full else bits

    def remove_bits(self, leaf: int, bits: int) -> None:
        """Remove the keys of one leaf whose bits are set, those that are there."""
        rest = self.bits(leaf) & ~bits
        if rest:
            self._leaves[leaf] = rest
        else:
            self._leaves.pop(leaf, None)

    def runs(self) -> Iterator[tuple[int, int]]:
        """Yield the maximal runs [first, end) of neighbouring keys, ascending."""
        edges = iter(self.edges().tolist())
        return zip(edges, edges, strict=True)

    def edges(self, spare: int = 0) -> NDArray[np.uint64]:
        """Return the borders of all runs as one array: first, end, first, end, ... ascending.

        ``spare`` entries before and behind them are for the caller to fill: millions of borders are
        costly to copy.
        """
        bitmaps = self.bitmaps
        borders = [
            (leaf << bitmaps.shift, bitmaps.borders(self._leaves[leaf])) for leaf in self.leaves()
        ]
        edges = np.empty(sum(bits.bit_count() for _, bits in borders) + 2 * spare, np.int64)
        filled = spare
        for base, bits in borders:
            positions = bitmaps.positions(bits)
            positions += base
            if filled > spare and edges[filled - 1] == positions[0]:  # the run goes on in this leaf
                filled -= 1
                positions = positions[1:]
            edges[filled : filled + len(positions)] = positions
            filled += len(positions)
        return edges[: filled + spare].view(np.uint64)
