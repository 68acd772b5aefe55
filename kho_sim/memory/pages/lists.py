"""Free lists of one zone's blocks, with their head and their tail.

List order is behaviour: the head is what the next request gets. Two shapes hold it. Blocks below
the highest order are few, and a merge takes them out of the middle: an ordered dictionary. Those of
the highest order never merge and leave only at the head, and a large machine has millions: runs of
neighbours, in columns.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Iterator
from itertools import chain

import numpy as np

from .runs import Column


class BlockList(OrderedDict[int, None]):
    """Free blocks of one order below the highest and one type, by first pfn."""

    __slots__ = ()

    def head(self) -> int:
        return next(iter(self))

    def push_head(self, pfn: int) -> None:
        self[pfn] = None
        self.move_to_end(pfn, last=False)

    def push_tail(self, pfn: int) -> None:
        self[pfn] = None

    def pop_head(self) -> int:
        return self.popitem(last=False)[0]

    def remove(self, pfn: int) -> None:
        del self[pfn]


class MaxOrderList:
    """Free blocks of the highest order and one type, as runs ``(first pfn, blocks)`` of neighbours.

    ``block_pages``: pages of a block. What was pushed to the head is a stack of runs, what was
    pushed to the tail a queue of columns: at boot millions of runs go there, and leave many at a
    time.
    """

    __slots__ = ("_at", "_block_pages", "_head", "_length", "_tail_blocks", "_tail_first")

    def __init__(self, block_pages: int) -> None:
        self._block_pages = block_pages
        self._head: list[tuple[int, int]] = []
        self._tail_first, self._tail_blocks = array("q"), array("q")
        self._at = 0
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[int]:
        step = self._block_pages
        tail = zip(self._tail_first[self._at :], self._tail_blocks[self._at :], strict=True)
        for first, blocks in chain(reversed(self._head), tail):
            yield from range(first, first + blocks * step, step)

    def push_head(self, pfn: int) -> None:
        self._head.append((pfn, 1))
        self._length += 1

    def push_tail(self, pfn: int) -> None:
        self.push_tail_run(pfn, 1)

    def push_tail_run(self, first: int, blocks: int) -> None:
        """Append neighbouring blocks, ascending."""
        self._length += blocks
        last = self._tail_first[-1:], self._tail_blocks[-1:]
        if any(pfn + held * self._block_pages == first for pfn, held in zip(*last, strict=True)):
            self._tail_blocks[-1] += blocks
        else:
            self._tail_first.append(first)
            self._tail_blocks.append(blocks)

    def push_tail_runs(self, first: Column, blocks: Column) -> None:
        """Append many runs, each ascending."""
        self._tail_first.frombytes(np.ascontiguousarray(first, np.int64).tobytes())
        self._tail_blocks.frombytes(np.ascontiguousarray(blocks, np.int64).tobytes())
        self._length += int(blocks.sum())

    def pop_head(self) -> int:
        return self.pop_head_run(1)[0]

    def pop_head_run(self, limit: int) -> tuple[int, int]:
        """Take up to ``limit`` neighbours from the head; returns (first pfn, blocks)."""
        if self._head:
            first, held = self._head.pop()
            blocks = min(limit, held)
            if held > blocks:
                self._head.append((first + blocks * self._block_pages, held - blocks))
        else:
            first, held = self._tail_first[self._at], self._tail_blocks[self._at]
            blocks = min(limit, held)
            self._leave(int(held == blocks), blocks if held > blocks else 0)
        self._length -= blocks
        return first, blocks

    def pop_head_runs(self, limit: int) -> tuple[Column, Column]:
        """Take the next ``limit`` blocks, so many or all that there are: (first pfns, blocks)."""
        wanted, taken = limit, []
        while self._head and wanted:
            taken.append(self.pop_head_run(wanted))
            wanted -= taken[-1][1]
        of_head = np.array(taken, np.int64).reshape(-1, 2)
        window = slice(self._at, self._at + wanted)
        first, blocks = (
            np.array(column[window], np.int64) for column in (self._tail_first, self._tail_blocks)
        )
        ends = np.cumsum(blocks)
        whole = int(np.searchsorted(ends, wanted, "right"))
        rest = wanted - (int(ends[whole - 1]) if whole else 0)
        last = int(rest > 0 and whole < len(blocks))
        first, blocks = first[: whole + last], blocks[: whole + last]
        if last:
            blocks[-1] = rest
        self._leave(whole, rest if last else 0)
        self._length -= int(blocks.sum())
        return np.append(of_head[:, 0], first), np.append(of_head[:, 1], blocks)

    def _leave(self, runs: int, blocks: int) -> None:
        """Drop whole runs from the front of the tail, then blocks of the next one."""
        self._at += runs
        if blocks:
            self._tail_first[self._at] += blocks * self._block_pages
            self._tail_blocks[self._at] -= blocks
        if self._at == len(self._tail_first):
            del self._tail_first[:], self._tail_blocks[:]
            self._at = 0
