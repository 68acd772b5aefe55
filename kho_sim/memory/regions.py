"""Regions of a memblock array: as columns, and as borders where their flags alternate.

A region is ``struct memblock_region`` of mm/memblock.c (Linux 7.3). A ``Region`` is made when
somebody looks at one: scratch that is extended between millions of preserved pages is millions of
regions. What can be answered of many together (how many, how large, which are large enough) is
answered from columns or borders.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

FEWEST_SUMMED_AT_ONCE = 256
"""Regions from which on it pays to sum them up together."""
PIECE = 1 << 16
"""Regions that are summed up together: as many as the caches of a CPU hold."""


class Region(NamedTuple):
    """A half-open range [base, base + size) with its node (-1 or 64: none) and MEMBLOCK_* flags."""

    base: int
    size: int
    nid: int
    flags: int

    @property
    def end(self) -> int:
        return self.base + self.size


class Regions(Sequence[Region]):
    """Regions in address order, in columns: ``bases``, ``ends`` (bytes), ``nids`` and ``flags``."""

    def __init__(
        self, bases: array[int], ends: array[int], nids: array[int], flags: array[int]
    ) -> None:
        self.bases, self.ends, self.nids, self.flags = bases, ends, nids, flags

    def __len__(self) -> int:
        return len(self.bases)

    @overload
    def __getitem__(self, index: int) -> Region: ...
    @overload
    def __getitem__(self, index: slice) -> Regions: ...
    def __getitem__(self, index: int | slice) -> Region | Regions:
        if isinstance(index, slice):
            return Regions(self.bases[index], self.ends[index], self.nids[index], self.flags[index])
        base = self.bases[index]
        return Region(base, self.ends[index] - base, self.nids[index], self.flags[index])

    def __iter__(self) -> Iterator[Region]:
        for base, end, nid, flags in zip(self.bases, self.ends, self.nids, self.flags, strict=True):
            yield Region(base, end - base, nid, flags)

    def columns(self) -> tuple[array[int], array[int], array[int], array[int]]:
        """Return bases, ends, nids and flags; not copies."""
        return self.bases, self.ends, self.nids, self.flags

    def count_from(self, address: int) -> int:
        """Return how many regions begin at or above ``address``."""
        return len(self.bases) - bisect_left(self.bases, address)

    def size_flagged(self, flag: int) -> int:
        """Return the bytes of the regions that have ``flag`` (0: of all)."""
        if len(self) < FEWEST_SUMMED_AT_ONCE:
            columns = zip(self.bases, self.ends, self.flags, strict=True)
            return sum(end - base for base, end, flags in columns if flags & flag == flag)
        bases, ends, flags = np.asarray(self.bases), np.asarray(self.ends), np.asarray(self.flags)
        total = 0
        for first in range(0, len(self), PIECE):
            piece = slice(first, first + PIECE)
            sizes = ends[piece] - bases[piece]
            sizes *= flags[piece] & flag == flag
            total += int(sizes.sum())
        return total

    def size_below(self, limit: int, flag: int, nid: int) -> int:
        """Return the bytes below ``limit`` of regions that have ``flag``, on a node (-1: any)."""
        total = 0
        for base, size, region_nid, flags in self:
            if base > limit:
                break
            if flags & flag and nid in (-1, region_nid):
                total += min(size, limit - base)
        return total

    def at_least(self, size: int, flag: int, piece: slice) -> Regions:
        """Return those of a piece that have ``size`` bytes or more, and ``flag`` (0: any)."""
        columns = self.columns()
        bases, ends, _, flags = views = [np.asarray(column)[piece] for column in columns]
        chosen = np.flatnonzero((ends - bases >= size) & (flags & flag == flag))
        kinds = (column.typecode for column in columns)
        return Regions(
            *(array(kind, view[chosen].tobytes()) for kind, view in zip(kinds, views, strict=True))
        )


class AlternatingRegions:
    """Neighbours on one node, two kinds of flags by turns: n + 1 ``borders``, not four columns.

    ``flags``: of the first, third, fifth region, and of those between. The borders are not copied,
    so whoever made them leaves them as they are.
    """

    def __init__(self, borders: NDArray[np.uint64], nid: int, flags: tuple[int, int]) -> None:
        self._bases, self._ends = borders[:-1], borders[1:]
        self._nid, self._flags = nid, flags
        self._sizes: dict[int, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._bases)

    def columns(
        self,
    ) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int16], NDArray[np.uint16]]:
        """Return bases, ends, nids and flags; the last two are made here."""
        nids, flags = np.full(len(self), self._nid, np.int16), np.empty(len(self), np.uint16)
        flags[::2], flags[1::2] = self._flags
        return self._bases, self._ends, nids, flags

    def count_from(self, address: int) -> int:
        """Return how many regions begin at or above ``address``."""
        return len(self) - int(np.searchsorted(self._bases, np.uint64(address)))

    def size_flagged(self, flag: int) -> int:
        """Return the bytes of the regions that have ``flag`` (0: of all)."""
        return sum(self._size_and_largest(turn)[0] for turn in self._turns_with(flag))

    def at_least(self, size: int, flag: int, piece: slice) -> Regions:
        """Return those of a piece that have ``size`` bytes or more, and ``flag`` (0: any)."""
        turns = [turn for turn in self._turns_with(flag) if self._size_and_largest(turn)[1] >= size]
        if not turns:
            return Regions(*empty_columns())
        bases, ends = self._bases[piece], self._ends[piece]
        large = ends - bases >= size
        if len(turns) == 1:
            large[(piece.start + turns[0] + 1) % 2 :: 2] = False
        chosen = np.flatnonzero(large)
        flags = np.array(self._flags, np.uint16)[(piece.start + chosen) % 2]
        return Regions(
            array("Q", bases[chosen].tobytes()),
            array("Q", ends[chosen].tobytes()),
            array("h", [self._nid]) * len(chosen),
            array("H", flags.tobytes()),
        )

    def _turns_with(self, flag: int) -> list[int]:
        return [turn for turn, flags in enumerate(self._flags) if flags & flag == flag]

    def _size_and_largest(self, turn: int) -> tuple[int, int]:
        """Return the bytes of the regions of a turn, and those of the largest; looked at once."""
        if turn not in self._sizes:
            bases, ends = self._bases[turn::2], self._ends[turn::2]
            total = largest = 0
            for first in range(0, len(bases), PIECE):
                sizes = ends[first : first + PIECE] - bases[first : first + PIECE]
                total, largest = total + int(sizes.sum()), max(largest, int(sizes.max()))
            self._sizes[turn] = total, largest
        return self._sizes[turn]


Part = Regions | AlternatingRegions
"""What an array may be kept in: both count, sum up and find what is large enough."""


def empty_columns() -> tuple[array[int], array[int], array[int], array[int]]:
    """Return bases, ends, nids and flags of no regions."""
    return array("Q"), array("Q"), array("h"), array("H")
