"""Free lists of one zone's blocks, with their head and their tail.

List order is behaviour: the head is what the next request gets. Two shapes hold it. Blocks below
the highest order are few, and a merge takes them out of the middle: an ordered dictionary. Those of
the highest order never merge and leave only at the head, and a large machine has millions: runs of
neighbours.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator


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
    """Free blocks of the highest order and one type, as runs ``[first, blocks]`` of neighbours.

    ``block_pages``: pages of a block.
    """

    __slots__ = ("_block_pages", "_length", "_runs")

    def __init__(self, block_pages: int) -> None:
        self._block_pages = block_pages
        self._runs: deque[list[int]] = deque()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[int]:
        step = self._block_pages
        for first, blocks in self._runs:
            yield from range(first, first + blocks * step, step)

    def push_head(self, pfn: int) -> None:
        self._runs.appendleft([pfn, 1])
        self._length += 1

    def push_tail(self, pfn: int) -> None:
        self.push_tail_run(pfn, 1)

    def push_tail_run(self, first: int, blocks: int) -> None:
        """Append neighbouring blocks, ascending."""
        self._length += blocks
        if self._runs:
            last = self._runs[-1]
            if last[0] + last[1] * self._block_pages == first:
                last[1] += blocks
                return
        self._runs.append([first, blocks])

    def pop_head(self) -> int:
        return self.pop_head_run(1)[0]

    def pop_head_run(self, limit: int) -> tuple[int, int]:
        """Take up to ``limit`` neighbours from the head; returns (first pfn, blocks)."""
        run = self._runs[0]
        first, blocks = run[0], min(limit, run[1])
        run[0] += blocks * self._block_pages
        run[1] -= blocks
        if not run[1]:
            self._runs.popleft()
        self._length -= blocks
        return first, blocks
