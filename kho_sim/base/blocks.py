"""Blocks of one size as runs of neighbours: ten preserved TiB are 2.6 billion blocks of 4 KiB."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from operator import eq, sub
from typing import overload

from kho_sim.base.extent import Extent

MOST_LISTED = 1 << 20
"""More blocks than this are written as runs wherever starts would be listed."""
BLOCK_BYTES, SPANS = "busy_block_bytes", "busy_spans"
"""Names of what is written in place of a list of starts."""


class Blocks(Sequence[int]):
    """The start addresses of blocks of ``1 << shift`` bytes, ascending; to be read like a tuple.

    ``edges``: first, end, first, end, ... of the runs, as numbers of blocks, ascending.
    """

    def __init__(self, edges: Iterable[int], shift: int):
        self.shift = shift
        self._firsts = array("q", edges)
        self._ends = self._firsts[1::2]
        del self._firsts[1::2]
        self._counts = array("q", accumulate(map(sub, self._ends, self._firsts)))

    @classmethod
    def from_spans(cls, spans: Iterable[tuple[int, int]], shift: int) -> Blocks:
        """Return the blocks that fill ranges of bytes, ascending and apart.

        Raises: TypeError, ValueError if a span is no pair of numbers.
        """
        return cls((edge >> shift for start, end in spans for edge in (start, end)), shift)

    @property
    def listable(self) -> bool:
        """Tell whether the blocks are few enough to be listed one by one."""
        return len(self) <= MOST_LISTED

    def spans(self) -> Iterator[Extent]:
        """Yield the runs, as ranges of bytes."""
        for first, end in zip(self._firsts, self._ends, strict=True):
            yield Extent(first << self.shift, end << self.shift)

    def plain(self) -> list[int] | dict[str, object]:
        """Return them as JSON has them: the starts, or the size and the runs of too many."""
        if self.listable:
            return list(self)
        return {BLOCK_BYTES: 1 << self.shift, SPANS: [list(span) for span in self.spans()]}

    def __len__(self) -> int:
        return self._counts[-1] if self._counts else 0

    def __iter__(self) -> Iterator[int]:
        for start, end in self.spans():
            yield from range(start, end, 1 << self.shift)

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[int, ...]: ...
    def __getitem__(self, index: int | slice) -> int | tuple[int, ...]:
        if isinstance(index, slice):
            return tuple(map(self.__getitem__, range(len(self))[index]))
        index = range(len(self))[index]
        run = bisect_right(self._counts, index)
        number: int = self._ends[run] - self._counts[run] + index
        return number << self.shift

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Blocks) and self.shift == other.shift:
            return (self._firsts, self._ends) == (other._firsts, other._ends)
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(map(eq, self, other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        if self.listable:
            return repr(tuple(self))
        return f"<{len(self)} blocks of {1 << self.shift} bytes in {len(self._firsts)} runs>"
