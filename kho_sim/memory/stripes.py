"""Compact forms of long region lists: millions of regions that take turns.

Marking what lies between millions of preserved pages cuts one memory region into stripes, marked
and not marked by turns. They are kept as the array of their borders (8 bytes a region) and become
regions one at a time, when somebody looks. A ``Rope`` is a list with such parts in it.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, MutableSequence, Sequence
from itertools import accumulate, chain
from typing import Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
Make = Callable[[int, int, int, int], T]
"""An item from (start, end, nid, flags)."""

BLOCK = 1 << 16
"""Stripes that a search looks at together."""


class Stripes(Sequence[T]):
    """Neighbouring ranges of one node whose flags take turns, seen as items of any kind.

    ``edges``: their n + 1 borders, ascending (uint64). ``flags``: of even and of odd ranges.
    ``make`` builds an item when it is asked for.
    """

    def __init__(
        self,
        edges: NDArray[np.uint64],
        nid: int,
        flags: tuple[int, int],
        make: Make[T],
        widest: list[int] | None = None,
    ):
        self.edges = edges
        self._nid = nid
        self._flags = flags
        self._make = make
        self._widest = [] if widest is None else widest
        """Filled when first needed: of even and of odd ranges. Shared by views of all kinds."""

    def __len__(self) -> int:
        return len(self.edges) - 1

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Stripes[T]: ...
    def __getitem__(self, index: int | slice) -> T | Stripes[T]:
        if isinstance(index, slice):
            first, end, _ = index.indices(len(self))
            flags = self._flags if first % 2 == 0 else (self._flags[1], self._flags[0])
            return Stripes(self.edges[first : max(end, first) + 1], self._nid, flags, self._make)
        index = range(len(self))[index]
        return self._item(index, int(self.edges[index]), int(self.edges[index + 1]))

    def __iter__(self) -> Iterator[T]:
        return self._chosen((0, 1), 0, descending=False)

    def seen_as(self, make: Make[Any]) -> Stripes[Any]:
        """Return the same ranges as items of another kind."""
        return Stripes(self.edges, self._nid, self._flags, make, self._widest)

    def columns(self) -> dict[str, array[int]]:
        """Return start, end, nid and flags of all ranges, as arrays."""
        flags = np.resize(np.array(self._flags, np.int64), len(self))
        return {
            "start": array("q", self.edges[:-1].tobytes()),
            "end": array("q", self.edges[1:].tobytes()),
            "nid": array("q", [self._nid]) * len(self),
            "flags": array("q", flags.tobytes()),
        }

    def size_flagged(self, flag: int) -> int:
        """Return the bytes of the ranges that have ``flag`` (0: of all)."""
        return sum(
            int(self.edges[parity + 1 :: 2].sum() - self.edges[parity:-1:2].sum())
            for parity, flags in enumerate(self._flags)
            if flags & flag == flag
        )

    def at_least(
        self, size: int, accepts: Callable[[int, int], bool], descending: bool
    ) -> Iterator[T]:
        """Yield the ranges of ``size`` bytes or more whose (nid, flags) ``accepts``."""
        if not self._widest:
            self._widest += [self._widest_of(0), self._widest_of(1)]
        parities = [
            parity
            for parity, flags in enumerate(self._flags)
            if self._widest[parity] >= size and accepts(self._nid, flags)
        ]
        return self._chosen(parities, size, descending)

    def _chosen(self, parities: Sequence[int], size: int, descending: bool) -> Iterator[T]:
        if not parities:
            return
        starts: Sequence[int] = range(0, len(self), BLOCK)
        for first in reversed(starts) if descending else starts:
            edges = self.edges[first : first + BLOCK + 1]
            wide = np.diff(edges) >= size
            for parity in {0, 1}.difference(parities):
                wide[parity::2] = False
            found = np.flatnonzero(wide)
            if descending:
                found = found[::-1]
            ends = edges[found + 1].tolist()
            for index, start, end in zip(found.tolist(), edges[found].tolist(), ends, strict=True):
                yield self._item(index, start, end)

    def _item(self, index: int, start: int, end: int) -> T:
        return self._make(start, end, self._nid, self._flags[index % 2])

    def _widest_of(self, parity: int) -> int:
        starts, ends = self.edges[parity:-1:2], self.edges[parity + 1 :: 2]
        pieces = [slice(first, first + BLOCK) for first in range(0, len(starts), BLOCK)]
        return max((int((ends[piece] - starts[piece]).max()) for piece in pieces), default=0)


class Rope(MutableSequence[T], Generic[T]):
    """A list whose long parts may be compact; a change cuts them and leaves the rest compact.

    ``parts``: in order, plain lists and compact sequences that can be sliced.
    """

    def __init__(self, parts: Iterable[Sequence[T]]):
        self._set([part for part in parts if len(part)])

    def _set(self, parts: list[Sequence[T]]) -> None:
        self.parts = parts
        self._ends = list(accumulate(map(len, parts)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Rope[T]: ...
    def __getitem__(self, index: int | slice) -> T | Rope[T]:
        if isinstance(index, slice):
            first, end, _ = index.indices(len(self))
            whole = self.copy()
            whole[max(end, first) :] = []
            whole[:first] = []
            return whole
        index = range(len(self))[index]
        number = bisect_right(self._ends, index)
        return self.parts[number][index - self._ends[number]]

    @overload
    def __setitem__(self, index: int, value: T) -> None: ...
    @overload
    def __setitem__(self, index: slice, value: Iterable[T]) -> None: ...
    def __setitem__(self, index: int | slice, value: Any) -> None:
        if isinstance(index, slice):
            first, end, _ = index.indices(len(self))
            self.put(first, max(end, first), list(value))
        else:
            index = range(len(self))[index]
            self.put(index, index + 1, [value])

    def __delitem__(self, index: int | slice) -> None:
        if not isinstance(index, slice):
            index = range(len(self))[index]
            index = slice(index, index + 1)
        self[index] = []

    def __iter__(self) -> Iterator[T]:
        return chain.from_iterable(self.parts)

    def insert(self, index: int, value: T) -> None:
        self.put(index, index, [value])

    def copy(self) -> Rope[T]:
        """Return an independent equal rope; the parts are shared, for none is changed in place."""
        return Rope(self.parts)

    def put(self, first: int, end: int, *parts: Sequence[T]) -> None:
        """Replace the items [first, end) by parts."""
        left, before, _ = self._cut(first)
        right, _, behind = self._cut(end)
        joined: list[Sequence[T]] = self.parts[:left]
        for part in (*before, *parts, *behind, *self.parts[right + 1 : right + 2]):
            if joined and isinstance(part, list) and isinstance(joined[-1], list):
                joined[-1] = joined[-1] + part
            elif len(part):
                joined.append(part)
        self._set(joined + self.parts[right + 2 :])

    def _cut(self, at: int) -> tuple[int, list[Sequence[T]], list[Sequence[T]]]:
        """Return which part holds item ``at``, what of it lies before that item, and the rest."""
        number = bisect_right(self._ends, at)
        if number == len(self.parts):
            return number, [], []
        part = self.parts[number]
        inside = at - self._ends[number] + len(part)
        return number, [part[:inside]], [part[inside:]]


def spliced(items: MutableSequence[T], index: int, *parts: Sequence[T]) -> Rope[T]:
    """Return a rope with ``parts`` in place of the item at ``index``; ``items`` is used up."""
    rope = items if isinstance(items, Rope) else Rope([items])
    rope.put(index, index + 1, *parts)
    return rope


def parts_of(items: Sequence[T]) -> list[Sequence[T]]:
    """Return the parts of a rope; any other sequence is one part."""
    return items.parts if isinstance(items, Rope) else [items]
