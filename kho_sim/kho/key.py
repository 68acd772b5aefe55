"""Keys of the KHO radix tree: how a preservation becomes one number, and sets of such numbers.

A key holds the address and the order of a preservation: ``2**(52 - order) + (phys >> (12 +
order))`` (kernel-facts 4.1). Ascending keys are therefore the highest order first, and addresses
ascending inside an order.

A set of keys is kept as the kernel's leaves are: one bitmap of 32768 bits per leaf. The bitmaps
are Python integers, so they are immutable, cheap to share, and a full one exists only once: state
grows with leaves, work on a contiguous run with leaves too, and work on scattered keys runs at C
speed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from kho_sim.base.errors import ensure

PAGE_SHIFT = 12
ORDER_0_BIT = 52
"""log2 of the bit that marks order 0; order o is marked by the bit o places below."""
KEY_BITS = ORDER_0_BIT + 1
LEAF_SHIFT = 15
LEAF_BITS = 1 << LEAF_SHIFT
FULL_LEAF = (1 << LEAF_BITS) - 1
_BORDERS_OF_FULL_LEAF = 1 << LEAF_BITS | 1


def encode_key(phys: int, order: int) -> int:
    """Return the key of the block of ``2**order`` pages at address ``phys``.

    Raises: ValueError if the order is not 0..52, or the address is negative, wider than 64 bits or
    not aligned to the size of the block. Source: kho_encode_radix_key().
    """
    if not 0 <= order <= ORDER_0_BIT:
        raise ValueError(f"order {order} is not within 0..{ORDER_0_BIT}")
    if not 0 <= phys < 1 << 64:
        raise ValueError(f"address {phys:#x} is not within 64 bits")
    if phys % (1 << (PAGE_SHIFT + order)):
        raise ValueError(f"address {phys:#x} is not aligned to a block of order {order}")
    return (1 << (ORDER_0_BIT - order)) + (phys >> (PAGE_SHIFT + order))


def decode_key(key: int) -> tuple[int, int]:
    """Return (address, order) of a key.

    Raises: ValueError if the key is not within 1..2**53-1. Source: kho_decode_radix_key().
    """
    if not 0 < key < 1 << KEY_BITS:
        raise ValueError(f"{key:#x} is not the key of a preservation")
    order = ORDER_0_BIT + 1 - key.bit_length()
    return (key << (PAGE_SHIFT + order)) & ((1 << 64) - 1), order


class KeySet:
    """A set of keys: for each leaf that holds any, by its number, the bitmap of its 32768 keys."""

    def __init__(self) -> None:
        self._leaves: dict[int, int] = {}

    def copy(self) -> KeySet:
        """Return an independent equal set; the bitmaps are shared."""
        copied = KeySet()
        copied._leaves = self._leaves.copy()
        return copied

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeySet) and self._leaves == other._leaves

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return sum(bits_set(bits) for bits in self._leaves.values())

    def __contains__(self, key: int) -> bool:
        return self.bits(key >> LEAF_SHIFT) >> (key % LEAF_BITS) & 1 == 1

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
            self._leaves[leaf] = FULL_LEAF if bits == FULL_LEAF else bits

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
        borders = [(leaf << LEAF_SHIFT, _borders(self._leaves[leaf])) for leaf in self.leaves()]
        edges = np.empty(sum(bits.bit_count() for _, bits in borders) + 2 * spare, np.int64)
        filled = spare
        for base, bits in borders:
            positions = _positions(bits)
            positions += base
            if filled > spare and edges[filled - 1] == positions[0]:  # the run goes on in this leaf
                filled -= 1
                positions = positions[1:]
            edges[filled : filled + len(positions)] = positions
            filled += len(positions)
        return edges[: filled + spare].view(np.uint64)


def leaf_pieces(first: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut the keys [first, end) into (leaf number, bitmap), ascending."""
    ensure(first >= 0, "key {} is negative", first)
    while first < end:
        leaf, offset = divmod(first, LEAF_BITS)
        count = min(end - first, LEAF_BITS - offset)
        yield leaf, FULL_LEAF if count == LEAF_BITS else ((1 << count) - 1) << offset
        first += count


def bits_set(bits: int) -> int:
    """Return how many bits are set."""
    return LEAF_BITS if bits is FULL_LEAF else bits.bit_count()


def bit_runs(bits: int) -> list[tuple[int, int]]:
    """Return the runs [first, end) of neighbouring set bits of a leaf's bitmap, ascending."""
    if bits is FULL_LEAF:
        return [(0, LEAF_BITS)]
    edges = iter(_positions(_borders(bits)).tolist())
    return list(zip(edges, edges, strict=True))


def coarser(bits: int, shift: int) -> int:
    """Return the bitmap with one bit per ``2**shift`` bits: set if any of them is."""
    if not shift:
        return bits
    if bits is FULL_LEAF:
        return FULL_LEAF >> (LEAF_BITS - (LEAF_BITS >> shift))
    groups = _unpacked(bits).reshape(-1, 1 << shift).any(axis=1)
    return int.from_bytes(np.packbits(groups, bitorder="little").tobytes(), "little")


def _borders(bits: int) -> int:
    """Return a bitmap of where runs of set bits begin and end, by turns."""
    return _BORDERS_OF_FULL_LEAF if bits is FULL_LEAF else bits ^ bits << 1


def _positions(bits: int) -> NDArray[np.int64]:
    """Return the positions of the bits that are set, up to that right behind a leaf."""
    if bits is _BORDERS_OF_FULL_LEAF:
        return np.array([0, LEAF_BITS])
    return np.flatnonzero(_unpacked(bits, LEAF_BITS // 8 + 1))


def _unpacked(bits: int, byte_count: int = LEAF_BITS // 8) -> NDArray[np.bool_]:
    """Return a bitmap as an array, 8 bits for each byte."""
    packed = np.frombuffer(bits.to_bytes(byte_count, "little"), dtype=np.uint8)
    return np.unpackbits(packed, bitorder="little").view(np.bool_)
