"""One memblock array: regions in columns, what is inserted, cut, merged and flagged in it.

Models ``struct memblock_type`` of mm/memblock.c (Linux 7.3): insertion of what is not covered yet,
isolation at borders, merging of equal neighbours, and how many regions the array has room for.
Growing the array needs memory, so it is asked of the owner (``Memblock``) through ``grow``.

An array is one piece of memory, kept in order so that it can be searched without a tree, at a time
when nothing else can be allocated. The price is that an insertion or a removal shifts everything
behind it, and that a full array has to be copied to one twice as large. ``moved`` counts the first,
``capacity`` decides the second; both are what a boot with many scattered preservations pays for.

Here an array is kept in columns of machine words, 20 bytes a region. Marking memory between
millions of preserved pages makes millions of regions, and mostly nobody looks at them one by one:
``flag_each`` leaves them as borders, and columns are written when somebody looks at one.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kho_sim.base.errors import ensure
from kho_sim.memory.regions import AlternatingRegions, Part, Region, Regions, empty_columns

ENOMEM = 12
STATIC_CAPACITY = 128
"""INIT_MEMBLOCK_REGIONS: regions of the array that the kernel image brings along."""
FEWEST_FLAGGED_AT_ONCE = 256
"""Ranges inside of one region from which on it pays to flag them together."""


Grow = Callable[["RegionArray", int, int], int]
"""(array, base, size) -> 0 or a negative errno: makes room for an insertion of that range."""


class _Column:
    """A column of a region array that is written when somebody looks at it and it is not there.

    Where it is there, in the array's own names, this costs next to nothing: ``__getattr__`` would
    make each name of an array slow.
    """

    def __set_name__(self, owner: type[RegionArray], name: str) -> None:
        self._name = name

    def __get__(self, regions: RegionArray, owner: type[RegionArray]) -> array[int]:
        regions._write_columns()
        column: array[int] = vars(regions)[self._name]
        return column


class RegionArray(Regions):
    """The ``memory`` or the ``reserved`` array, in address order.

    ``grow(base, size)`` doubles ``capacity`` for an insertion of that range, or returns a negative
    errno. ``moved`` counts the regions that insertions and removals had to shift, as memmove()
    does; ``passed`` those that lay below each range of ``flag_each``.
    """

    if not TYPE_CHECKING:  # these are arrays for who checks types
        bases, ends, nids, flags = _Column(), _Column(), _Column(), _Column()

    def __init__(self, name: str, grow: Grow):
        super().__init__(*empty_columns())
        self.name = name
        self.capacity = STATIC_CAPACITY
        self.moved = 0
        self.passed = 0
        self._grow = grow
        self._below: list[Part] = []
        """What ``flag_each`` has passed, while columns hold what lies above. When it is done: all
        regions, and there are no columns, or none."""
        self._count_below = 0

    def copy(self, grow: Grow) -> RegionArray:
        """Return an equal array that asks ``grow`` for room."""
        copied = RegionArray(self.name, grow)
        copied.capacity = self.capacity
        copied.bases, copied.ends = self.bases[:], self.ends[:]
        copied.nids, copied.flags = self.nids[:], self.flags[:]
        return copied

    def __len__(self) -> int:
        return self._count_below or len(self.bases)

    def parts(self) -> Sequence[Part]:
        """Return what the array is kept in, ascending."""
        return self._below or (self,)

    def count_from(self, address: int) -> int:
        """Return how many regions begin at or above ``address``."""
        if self._below:
            return sum(part.count_from(address) for part in self._below)
        return super().count_from(address)

    def size_flagged(self, flag: int) -> int:
        """Return the bytes of the regions that have ``flag`` (0: of all)."""
        if self._below:
            return sum(part.size_flagged(flag) for part in self._below)
        return super().size_flagged(flag)

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
        gaps = edges.reshape(-1, 2)
        return gaps[gaps[:, 0] < gaps[:, 1]]  # no more is a region that crosses a border

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
        index, count = bisect_left(self.bases, int(starts[0])), len(starts)
        self.moved += count * (len(self.bases) - index)
        new = starts, ends, np.full(count, -1, np.int16), np.full(count, flags, np.uint16)
        for column, items in zip(self.columns(), new, strict=True):
            behind = column[index:]
            del column[index:]
            column.frombytes(np.ascontiguousarray(items).data.cast("B"))
            column.extend(behind)

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

        ``ranges``: rows of (start, end), ascending, something between any two; kept, and so
        made read-only. Returns (0 or -ENOMEM, how many are done).
        """
        ranges.flags.writeable = False
        if self._below:
            self._write_columns()
        done = error = 0
        while done < len(ranges) and not error:
            start, end = ranges[done].tolist()
            error = self._make_room(start, end - start)
            if not error:
                done += self._flag_at_once(ranges[done:], flag) or self._flag_one(start, end, flag)
        self._leave_columns()
        return error, done

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

    def _make_room(self, base: int, size: int) -> int:
        """Make room for two more regions above those that were passed; return 0 or -ENOMEM."""
        error = 0
        while self._count_below + len(self.bases) + 2 > self.capacity and not error:
            above = self._leave_columns()
            error = self._grow(self, base, size)
            self._return_to(above)
        return error

    def _flag_one(self, start: int, end: int, flag: int) -> int:
        error = self.change(start, end - start, lambda r: r._replace(flags=r.flags | flag))
        ensure(not error, "no room")
        self.passed += self._count_below + bisect_left(self.bases, start)
        return 1

    def _flag_at_once(self, ranges: NDArray[np.uint64], flag: int) -> int:
        """Flag the first ranges as far as they lie inside one region and the array has room.

        Each cuts the rest of the region twice, so two regions move what is behind them, and nothing
        merges. What lies below the last cut is passed, and left as borders. Returns how many were
        flagged; none if one by one will do as well.
        """
        edges = ranges.reshape(-1)
        index = bisect_right(self.bases, int(edges[0])) - 1
        if index < 0:
            return 0
        region = self[index]
        if region.base == edges[0] or region.flags & flag == flag:
            return 0
        inside = int(np.searchsorted(edges, np.uint64(region.end))) // 2
        if inside < FEWEST_FLAGGED_AT_ONCE:
            return 0
        count = min(inside, (self.capacity - self._count_below - len(self.bases)) // 2)
        self.moved += 2 * count * (len(self.bases) - index)
        self.passed += count * (self._count_below + index + count)
        cuts = edges[: 2 * count]
        below, above = self[: index + 1], self[index:]
        below.ends[index], above.bases[0] = int(cuts[0]), int(cuts[-1])
        between = AlternatingRegions(cuts, region.nid, (region.flags | flag, region.flags))
        self._below += [below, between]
        self._count_below += len(below) + len(between)
        super().__init__(*above.columns())
        return count

    def _leave_columns(self) -> Regions:
        """Leave everything in parts, if something is already, and return what was in columns."""
        above = Regions(*self.columns())
        if self._below:
            self._below.append(above)
            self._count_below += len(above)
            del self.bases, self.ends, self.nids, self.flags
        return above

    def _return_to(self, above: Regions) -> None:
        """Have the last part in columns again, unless somebody looked and all of it is."""
        if self._below:
            self._below.pop()
            self._count_below -= len(above)
            super().__init__(*above.columns())

    def _write_columns(self) -> None:
        columns = empty_columns()
        for part in self._below:
            for column, more in zip(columns, part.columns(), strict=True):
                column.frombytes(np.asarray(more).data.cast("B"))
        self._below, self._count_below = [], 0
        super().__init__(*columns)

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
