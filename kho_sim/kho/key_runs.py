"""Runs of neighbouring keys in columns, and the ranges that a retrieval reserves for them.

A tree of guest memory in small pages has millions of runs. As objects they would take most of the
memory and most of the time of a simulated retrieval; in columns they are looked at together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kho_sim.base.extent import Extent

Column = NDArray[np.uint64]
ADDRESS_MAX = np.uint64(2**64 - 1)


@dataclass(frozen=True, slots=True)
class Ranges:
    """Ranges of bytes [start, end), each of so many ``blocks`` of equal size, in the order in which
    they are reserved. An end beyond the address space is its last byte."""

    starts: Column
    ends: Column
    blocks: Column

    def __len__(self) -> int:
        return len(self.starts)

    def one(self, index: int) -> tuple[Extent, int]:
        """Return a range, and the bytes of its blocks."""
        extent = Extent(int(self.starts[index]), int(self.ends[index]))
        return extent, extent.size // int(self.blocks[index])

    def piece(self, first: int, end: int) -> Ranges:
        """Return those with an index in [first, end); a negative end counts from theirs."""
        return Ranges(self.starts[first:end], self.ends[first:end], self.blocks[first:end])

    def followed_by(self, others: Ranges) -> Ranges:
        """Return these and then the others."""
        return Ranges(
            np.concatenate((self.starts, others.starts)),
            np.concatenate((self.ends, others.ends)),
            np.concatenate((self.blocks, others.blocks)),
        )

    def collected(self) -> Ranges:
        """Return neighbours as one range of one block, whatever their blocks."""
        if not len(self):
            return self
        apart = np.flatnonzero(self.starts[1:] != self.ends[:-1])
        firsts, lasts = np.append(0, apart + 1), np.append(apart, len(self) - 1)
        return Ranges(self.starts[firsts], self.ends[lasts], np.ones(len(firsts), np.uint64))


NO_RANGES = Ranges(*(np.empty(0, np.uint64) for _ in range(3)))


@dataclass(frozen=True, slots=True)
class KeyRuns:
    """Runs of neighbouring keys of one order in walk order: their ``orders``, ``starts`` (bytes),
    and how many ``blocks`` of that order. ``page_shift``: log2 of a page."""

    orders: Column
    starts: Column
    blocks: Column
    page_shift: int

    @classmethod
    def of(cls, leaves: Iterable[tuple[int, int, NDArray[np.int64]]], page_shift: int) -> KeyRuns:
        """Return the runs of (order, first block, borders of runs counted from that block), joined
        where one goes on in the next leaf."""
        nothing = NO_RANGES.starts
        orders, starts, blocks = [nothing], [nothing], [nothing]
        for order, first_block, borders in leaves:
            edges = borders.astype(np.uint64)
            starts.append((edges[::2] + np.uint64(first_block)) << np.uint64(page_shift + order))
            blocks.append(edges[1::2] - edges[::2])
            orders.append(np.full(len(blocks[-1]), order, np.uint64))
        return cls(
            np.concatenate(orders), np.concatenate(starts), np.concatenate(blocks), page_shift
        )._joined()

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        """Yield (order, start, end)."""
        columns = (column.tolist() for column in (self.orders, self.starts, self.blocks))
        for order, start, blocks in zip(*columns, strict=True):
            yield order, start, start + (blocks << (self.page_shift + order))

    def ranges(self) -> Ranges:
        """Return them as ranges of bytes."""
        ends = self.starts + (self.blocks << (self.orders + np.uint64(self.page_shift)))
        return Ranges(self.starts, np.where(ends > self.starts, ends, ADDRESS_MAX), self.blocks)

    def ascending(self) -> KeyRuns:
        """Return them by order, then by address."""
        chosen = np.lexsort((self.starts, self.orders))
        return KeyRuns(
            self.orders[chosen], self.starts[chosen], self.blocks[chosen], self.page_shift
        )

    def _joined(self) -> KeyRuns:
        if not len(self):
            return self
        ends = self.ranges().ends
        apart = (self.orders[1:] != self.orders[:-1]) | (self.starts[1:] != ends[:-1])
        firsts = np.append(0, np.flatnonzero(apart) + 1)
        blocks = np.add.reduceat(self.blocks, firsts)
        return KeyRuns(self.orders[firsts], self.starts[firsts], blocks, self.page_shift)
