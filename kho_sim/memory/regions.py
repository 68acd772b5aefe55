"""One memblock array: sorted, disjoint regions, each with a node and flags.

Models ``struct memblock_type`` of mm/memblock.c (Linux 7.3): insertion of what is not covered yet,
isolation at borders, merging of equal neighbours, and how many regions the array has room for.
Growing the array needs memory, so it is asked of the owner (``Memblock``) through ``grow``.

An array is one piece of memory, kept in order so that it can be searched without a tree, at a time
when nothing else can be allocated. The price is that an insertion or a removal shifts everything
behind it, and that a full array has to be copied to one twice as large. ``moved`` counts the first,
``capacity`` decides the second; both are what a boot with many scattered preservations pays for.

Here an array is kept in columns of machine words, 20 bytes a region, and a ``Region`` is made when
somebody looks at one: scratch that is extended between millions of preserved pages is millions of
regions.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from kho_sim.base.errors import ensure

ENOMEM = 12
STATIC_CAPACITY = 128
"""INIT_MEMBLOCK_REGIONS: regions of the array that the kernel image brings along."""
FEWEST_AT_ONCE = 256
"""Regions, or ranges inside of one, from which on it pays to handle them together."""
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

    def size_flagged(self, flag: int) -> int:
        """Return the bytes of the regions that have ``flag`` (0: of all)."""
        if len(self) < FEWEST_AT_ONCE:
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
        columns = self.bases, self.ends, self.nids, self.flags
        bases, ends, _, flags = views = [np.asarray(column)[piece] for column in columns]
        chosen = np.flatnonzero((ends - bases >= size) & (flags & flag == flag))
        kinds = (column.typecode for column in columns)
        return Regions(
            *(array(kind, view[chosen].tobytes()) for kind, view in zip(kinds, views, strict=True))
        )


class RegionArray(Regions):
    """The ``memory`` or the ``reserved`` array, in address order.

    ``grow(base, size)`` doubles ``capacity`` for an insertion of that range, or returns a negative
    errno. ``moved`` counts the regions that insertions and removals had to shift, as memmove()
    does; ``passed`` those that lay below each range of ``flag_each``.
    """

    def __init__(self, name: str, grow: Callable[[RegionArray, int, int], int]):
        super().__init__(array("Q"), array("Q"), array("h"), array("H"))
        self.name = name
        self.capacity = STATIC_CAPACITY
        self.moved = 0
        self.passed = 0
        self._grow = grow

    def copy(self, grow: Callable[[RegionArray, int, int], int]) -> RegionArray:
        """Return an equal array that asks ``grow`` for room."""
        copied = RegionArray(self.name, grow)
        copied.capacity = self.capacity
        copied.bases, copied.ends = self.bases[:], self.ends[:]
        copied.nids, copied.flags = self.nids[:], self.flags[:]
        return copied

    def count_from(self, address: int) -> int:
        """Return how many regions begin at or above ``address``."""
        return len(self.bases) - bisect_left(self.bases, address)

    def first_ending_after(self, address: int) -> int:
        """Return the index of the first region whose end is above ``address``."""
        index = bisect_right(self.bases, address) - 1
        if index >= 0 and self.ends[index] > address:
            return index
        return index + 1

    def gaps_in(self, base: int, end: int) -> NDArray[np.uint64]:
        """Return what no region holds of [base, end), which is not empty: rows of (start, end),
        ascending."""
        first, last = self.first_ending_after(base), bisect_left(self.bases, end)
        edges = np.empty(2 * (last - first) + 2, np.uint64)
        edges[0], edges[-1] = base, end
        edges[1:-1:2] = np.asarray(self.bases)[first:last]
        edges[2::2] = np.asarray(self.ends)[first:last]
        edges.clip(base, end, out=edges)
        gaps = edges.reshape(-1, 2)
        return gaps[gaps[:, 0] < gaps[:, 1]]

    def add(self, base: int, size: int, nid: int, flags: int) -> int:
        """Insert the parts of a range that are not covered yet; return 0 or -ENOMEM.

        Source: memblock_add_range(). Regions that are there keep their node and flags.
        """
        gaps = self._uncovered(base, base + size)
        new = len(gaps)  # counted once: growing may take or free part of the range
        while len(self.bases) + new > self.capacity:
            error = self._grow(self, base, size)
            if error:
                return error
            gaps = self._uncovered(base, base + size)
        if not gaps:
            return 0
        for start, end in gaps:
            last = bisect_left(self.bases, start)
            if len(gaps) == 1 and self._extends_next_down(last, start, end, nid, flags):
                return 0
            self._insert(last, start, end, nid, flags)
        first = bisect_left(self.bases, gaps[0][0])
        self._merge(first - 1, last + 1)
        return 0

    def add_apart(self, starts: NDArray[np.uint64], ends: NDArray[np.uint64], flags: int) -> None:
        """Insert ranges of no node, as one ``add`` after the other would.

        They ascend, lie between two regions, and touch neither those nor each other; the array has
        room for them.
        """
        index = bisect_left(self.bases, int(starts[0]))
        self.moved += len(starts) * (len(self) - index)
        _put(self.bases, index, [np.ascontiguousarray(starts).data.cast("B")])
        _put(self.ends, index, [np.ascontiguousarray(ends).data.cast("B")])
        _put(self.nids, index, _repeated(array("h", [-1]), len(starts)))
        _put(self.flags, index, _repeated(array("H", [flags]), len(starts)))

    def isolate(self, base: int, size: int) -> tuple[int, int, int]:
        """Split the regions that cross the range's borders; return (error, first, end) indices
        inside.

        Source: memblock_isolate_range(). Room for two more regions is made even if none is needed.
        """
        if size <= 0:
            return 0, 0, 0
        while len(self.bases) + 2 > self.capacity:
            error = self._grow(self, base, size)
            if error:
                return error, 0, 0
        self._split_at(base)
        self._split_at(base + size)
        return 0, bisect_left(self.bases, base), bisect_left(self.bases, base + size)

    def remove(self, base: int, size: int) -> int:
        """Remove a range, whatever part of it is there; return 0 or -ENOMEM."""
        error, first, end = self.isolate(base, size)
        if not error and end > first:
            self.moved += len(self.bases) - end
            self._delete(first, end)
        return error

    def change(self, base: int, size: int, update: Callable[[Region], Region]) -> int:
        """Replace node or flags of everything inside a range, then merge; return 0 or -ENOMEM."""
        error, first, end = self.isolate(base, size)
        if not error:
            for index in range(first, end):
                _, _, self.nids[index], self.flags[index] = update(self[index])
            self._merge(first - 1, end)
        return error

    def flag_each(self, ranges: NDArray[np.uint64], flag: int) -> tuple[int, int]:
        """Set a flag in each of many ranges as one ``change`` after the other would do.

        ``ranges``: rows of (start, end), ascending, something between any two. Returns (0 or
        -ENOMEM, how many are done).
        """
        done = 0
        while done < len(ranges):
            done += self._flag_at_once(ranges[done:], flag)
            if done == len(ranges):
                break
            start, end = ranges[done].tolist()
            error = self.change(start, end - start, lambda r: r._replace(flags=r.flags | flag))
            if error:
                return error, done
            self.passed += bisect_left(self.bases, start)
            done += 1
        return 0, done

    def check(self) -> None:
        """Raise ModelError unless the regions are sorted, disjoint, not empty and within
        capacity."""
        ensure(len(self) <= self.capacity, "{} holds {} regions", self.name, len(self))
        for region in self:
            ensure(region.size > 0, "{}: empty region {}", self.name, region)
        for left, right in pairwise(self):
            ensure(left.end <= right.base, "{}: {} overlaps {}", self.name, left, right)

    def _uncovered(self, base: int, end: int) -> list[tuple[int, int]]:
        gaps = []
        bases, ends = self.bases, self.ends
        index = self.first_ending_after(base)
        while index < len(bases) and bases[index] < end:
            if bases[index] > base:
                gaps.append((base, bases[index]))
            base = min(ends[index], end)
            index += 1
        if base < end:
            gaps.append((base, end))
        return gaps

    def _split_at(self, address: int) -> None:
        index = bisect_right(self.bases, address) - 1
        if index < 0:
            return
        base = self.bases[index]
        if base < address < self.ends[index]:
            self._insert(index, base, address, self.nids[index], self.flags[index])
            self.bases[index + 1] = address

    def _flag_at_once(self, ranges: NDArray[np.uint64], flag: int) -> int:
        """Flag the first ranges as far as they lie inside one region and the array has room.

        Each cuts the rest of the region twice, so two regions move what is behind them, and nothing
        merges. Returns how many were flagged; none if one by one will do as well.
        """
        edges = ranges.reshape(-1)
        index = bisect_right(self.bases, int(edges[0])) - 1
        if index < 0:
            return 0
        region = self[index]
        if region.base == edges[0] or region.flags & flag == flag:
            return 0
        inside = int(np.searchsorted(edges, np.uint64(region.end))) // 2
        count = min(inside, (self.capacity - len(self)) // 2)
        if inside < FEWEST_AT_ONCE or not count:
            return 0
        self.moved += 2 * count * (len(self) - index)
        self.passed += count * (index + count)
        cuts = np.ascontiguousarray(edges[: 2 * count]).data.cast("B")
        _put(self.bases, index + 1, [cuts])
        _put(self.ends, index, [cuts])
        _put(self.nids, index, _repeated(array("h", [region.nid] * 2), count))
        _put(self.flags, index, _repeated(array("H", [region.flags, region.flags | flag]), count))
        return count

    def _insert(self, index: int, base: int, end: int, nid: int, flags: int) -> None:
        self.moved += len(self.bases) - index
        self.bases.insert(index, base)
        self.ends.insert(index, end)
        self.nids.insert(index, nid)
        self.flags.insert(index, flags)

    def _delete(self, first: int, end: int) -> None:
        for column in (self.bases, self.ends, self.nids, self.flags):
            del column[first:end]

    def _extends_next_down(self, index: int, base: int, end: int, nid: int, flags: int) -> bool:
        """Join a range that belongs at ``index`` to the region after it, if only that is its equal.

        Short for inserting and merging it, with their count: most allocations come top-down.
        """
        if index == len(self.bases) or self.bases[index] != end or not self._is(index, nid, flags):
            return False
        if index and self.ends[index - 1] == base and self._is(index - 1, nid, flags):
            return False
        self.bases[index] = base
        self.moved += 2 * (len(self.bases) - index) - 1
        return True

    def _is(self, index: int, nid: int, flags: int) -> bool:
        return self.flags[index] == flags and self.nids[index] == nid

    def _merge(self, first: int, last: int) -> None:
        """Join equal neighbours whose left one has an index in [first, last)."""
        index = max(first, 0)
        bases, ends = self.bases, self.ends
        while index < last and index + 1 < len(bases):
            after = index + 1
            if ends[index] != bases[after] or not self._is(
                index, self.nids[after], self.flags[after]
            ):
                index += 1
                continue
            ends[index] = ends[after]
            self._delete(after, after + 1)
            self.moved += len(bases) - after
            last -= 1


def _put(column: array[int], index: int, parts: Iterable[memoryview]) -> None:
    """Insert what ``parts`` hold as bytes, with one copy of them."""
    behind = column[index:]
    del column[index:]
    for items in parts:
        column.frombytes(items)
    column.extend(behind)


def _repeated(items: array[int], count: int) -> Iterator[memoryview]:
    """Yield ``items`` that often, as bytes, in parts that a cache holds."""
    part = items * min(count, PIECE)
    for done in range(0, count, PIECE):
        yield memoryview(part)[: len(items) * (count - done)].cast("B")
