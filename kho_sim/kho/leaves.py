"""What leaves of the tree hold: preservations of one order, and keys of many runs sorted into them.

The order in which keys come matters for the tables alone: each is allocated when its first key
comes. What a leaf holds in the end does not depend on it, so neighbours that come far apart are put
together first.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kho_sim.kho.key import LeafBitmaps
from kho_sim.memory.pages.runs import Column, parts_of, touching


class LeafSpan(NamedTuple):
    """Keys of one order in one leaf: bit i of ``bits`` stands for block ``first_block + i``.

    A block is ``2**order`` pages; block n begins at ``n << block_shift``.
    """

    order: int
    first_block: int
    bits: int
    bitmaps: LeafBitmaps

    @property
    def block_shift(self) -> int:
        """log2 of the bytes of a block."""
        return self.bitmaps.geometry.page_shift + self.order

    def key_count(self) -> int:
        """Return the number of keys."""
        return self.bitmaps.count(self.bits)

    def runs(self) -> list[tuple[int, int]]:
        """Return the runs [first, end) of neighbouring blocks, counted from ``first_block``."""
        return self.bitmaps.runs(self.bits)

    def borders(self) -> NDArray[np.int64]:
        """Return first, end, first, end, ... of those runs."""
        return self.bitmaps.positions(self.bitmaps.borders(self.bits))

    def coarser(self, shift: int) -> int:
        """Return the bitmap with one bit per ``2**shift`` blocks: set if any of them is."""
        return self.bitmaps.coarser(self.bits, shift)


def bits_by_leaf(
    first: Column, end: Column, step: Column, bitmaps: LeafBitmaps
) -> list[tuple[int, int]]:
    """Return (leaf number, bitmap) for the keys [first, end) of each run, every leaf once.

    Leaves are in the order in which keys reach them first; a run goes upwards (``step`` 1) or
    downwards (-1).
    """
    bits: dict[int, int] = {}
    for bounds in zip(*(column.tolist() for column in touching(first, end)), strict=True):
        for leaf, part in bitmaps.pieces(*bounds):
            bits[leaf] = bits[leaf] | part if leaf in bits else part
    return [(leaf, bits[leaf]) for leaf in _reached(first, end, step, bitmaps.shift)]


def _reached(first: Column, end: Column, step: Column, shift: int) -> list[int]:
    """Return the numbers of all leaves, as runs come to them."""
    low, high = first >> shift, (end - 1) >> shift
    run, number = parts_of(high - low + 1)
    leaf = np.where(step[run] > 0, low[run] + number, high[run] - number)
    _, position = np.unique(leaf, return_index=True)
    leaves: list[int] = leaf[np.sort(position)].tolist()
    return leaves
