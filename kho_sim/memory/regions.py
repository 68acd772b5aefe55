"""One memblock array: sorted, disjoint regions, each with a node and flags.

Models ``struct memblock_type`` of mm/memblock.c (Linux 7.3): insertion of what is not covered yet,
isolation at borders, merging of equal neighbours, and how many regions the array has room for.
Growing the array needs memory, so it is asked of the owner (``Memblock``) through ``grow``.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, MutableSequence, Sequence
from itertools import pairwise
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from kho_sim.base.errors import ensure
from kho_sim.memory.stripes import Stripes, parts_of, spliced

ENOMEM = 12
STATIC_CAPACITY = 128
"""INIT_MEMBLOCK_REGIONS: regions of the array that the kernel image brings along."""


FEWEST_STRIPES = 256
"""Ranges to be marked inside one region from which on they are worth a compact form."""


class Region(NamedTuple):
    """A half-open range [base, base + size) with its node (-1 or 64: none) and MEMBLOCK_* flags."""

    base: int
    size: int
    nid: int
    flags: int

    @property
    def end(self) -> int:
        return self.base + self.size


class RegionArray(Sequence[Region]):
    """The ``memory`` or the ``reserved`` array, in address order.

    ``grow(base, size)`` doubles ``capacity`` for an insertion of that range, or returns a negative
    errno. ``moved`` counts the regions that insertions and removals had to shift, as memmove()
    does.
    """

    def __init__(self, name: str, grow: Callable[[RegionArray, int, int], int]):
        self.name = name
        self.capacity = STATIC_CAPACITY
        self.moved = 0
        self._grow = grow
        self._regions: MutableSequence[Region] = []
        self._bases: MutableSequence[int] = []

    def __len__(self) -> int:
        return len(self._regions)

    @overload
    def __getitem__(self, index: int) -> Region: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Region]: ...
    def __getitem__(self, index: int | slice) -> Region | Sequence[Region]:
        return self._regions[index]

    def __iter__(self) -> Iterator[Region]:
        return iter(self._regions)

    def copy(self, grow: Callable[[RegionArray, int, int], int]) -> RegionArray:
        """Return an equal array that asks ``grow`` for room."""
        copied = RegionArray(self.name, grow)
        copied.capacity = self.capacity
        copied._regions = self._regions[:]
        copied._bases = self._bases[:]
        return copied

    def parts(self) -> list[Sequence[Region]]:
        """Return the regions in order as plain lists and ``Stripes``."""
        return parts_of(self._regions)

    def size_flagged(self, flag: int) -> int:
        """Return the bytes of the regions that have ``flag`` (0: of all)."""
        return sum(
            part.size_flagged(flag)
            if isinstance(part, Stripes)
            else sum(region.size for region in part if region.flags & flag == flag)
            for part in self.parts()
        )

    def count_from(self, address: int) -> int:
        """Return how many regions begin at or above ``address``."""
        return len(self._bases) - bisect_left(self._bases, address)

    def first_ending_after(self, address: int) -> int:
        """Return the index of the first region whose end is above ``address``."""
        index = bisect_right(self._bases, address) - 1
        if index >= 0 and self._regions[index].end > address:
            return index
        return index + 1

    def add(self, base: int, size: int, nid: int, flags: int) -> int:
        """Insert the parts of a range that are not covered yet; return 0 or -ENOMEM.

        Source: memblock_add_range(). Regions that are there keep their node and flags.
        """
        gaps = self._uncovered(base, base + size)
        new = len(gaps)  # counted once: growing may take or free part of the range
        while len(self) + new > self.capacity:
            error = self._grow(self, base, size)
            if error:
                return error
            gaps = self._uncovered(base, base + size)
        if not gaps:
            return 0
        for start, end in gaps:
            last = bisect_left(self._bases, start)
            region = Region(start, end - start, nid, flags)
            if len(gaps) == 1 and self._extends_next_down(last, region):
                return 0
            self._insert(last, region)
        first = bisect_left(self._bases, gaps[0][0])
        self._merge(first - 1, last + 1)
        return 0

    def isolate(self, base: int, size: int) -> tuple[int, int, int]:
        """Split the regions that cross the range's borders; return (error, first, end) indices
        inside.

        Source: memblock_isolate_range(). Room for two more regions is made even if none is needed.
        """
        if size <= 0:
            return 0, 0, 0
        while len(self) + 2 > self.capacity:
            error = self._grow(self, base, size)
            if error:
                return error, 0, 0
        self._split_at(base)
        self._split_at(base + size)
        return 0, bisect_left(self._bases, base), bisect_left(self._bases, base + size)

    def remove(self, base: int, size: int) -> int:
        """Remove a range, whatever part of it is there; return 0 or -ENOMEM."""
        error, first, end = self.isolate(base, size)
        if not error and end > first:
            self.moved += len(self) - end
            del self._regions[first:end]
            del self._bases[first:end]
        return error

    def change(self, base: int, size: int, update: Callable[[Region], Region]) -> int:
        """Replace node or flags of everything inside a range, then merge; return 0 or -ENOMEM."""
        error, first, end = self.isolate(base, size)
        if not error:
            for index in range(first, end):
                self._regions[index] = update(self._regions[index])
            self._merge(first - 1, end)
        return error

    def flag_each(self, ranges: NDArray[np.uint64], flag: int) -> tuple[int, int]:
        """Set a flag in each of many ranges as one ``change`` after the other would do.

        ``ranges``: rows of (start, end), ascending, something between any two. Returns (0 or
        -ENOMEM, how many are done).
        """
        done = 0
        while done < len(ranges):
            done += self._stripe(ranges[done:], flag)
            if done == len(ranges):
                break
            start, end = ranges[done].tolist()
            error = self.change(start, end - start, lambda r: r._replace(flags=r.flags | flag))
            if error:
                return error, done
            done += 1
        return 0, done

    def check(self) -> None:
        """Raise ModelError unless the regions are sorted, disjoint, not empty and within
        capacity."""
        ensure(len(self) <= self.capacity, "{} holds {} regions", self.name, len(self))
        bases = [region.base for region in self._regions]
        ensure(list(self._bases) == bases, "{}: index is stale", self.name)
        for region in self._regions:
            ensure(region.size > 0, "{}: empty region {}", self.name, region)
        for left, right in pairwise(self._regions):
            ensure(left.end <= right.base, "{}: {} overlaps {}", self.name, left, right)

    def _uncovered(self, base: int, end: int) -> list[tuple[int, int]]:
        gaps = []
        index = self.first_ending_after(base)
        while index < len(self._regions) and self._regions[index].base < end:
            region = self._regions[index]
            if region.base > base:
                gaps.append((base, region.base))
            base = min(region.end, end)
            index += 1
        if base < end:
            gaps.append((base, end))
        return gaps

    def _split_at(self, address: int) -> None:
        index = bisect_right(self._bases, address) - 1
        if index < 0:
            return
        region = self._regions[index]
        if region.base < address < region.end:
            head = region._replace(size=address - region.base)
            self._regions[index] = Region(address, region.end - address, region.nid, region.flags)
            self._bases[index] = address
            self._insert(index, head)

    def _stripe(self, ranges: NDArray[np.uint64], flag: int) -> int:
        """Flag the first ranges as far as they lie inside one region and the array has room.

        Each cuts the rest of the region twice, so two regions move what is behind them, and nothing
        merges. Returns how many were flagged; none if one by one will do as well.
        """
        edges = ranges.reshape(-1)
        index = bisect_right(self._bases, int(edges[0])) - 1
        if index < 0:
            return 0
        region = self._regions[index]
        if region.base == edges[0] or region.flags & flag == flag:
            return 0
        inside = int(np.searchsorted(edges, np.uint64(region.end))) // 2
        count = min(inside, (self.capacity - len(self)) // 2)
        if inside < FEWEST_STRIPES or not count:
            return 0
        self.moved += 2 * count * (len(self) - index)
        edges = edges[: 2 * count]
        flags = (region.flags | flag, region.flags)
        stripes = Stripes(edges, region.nid, flags, _region_between)
        head = _region_between(region.base, int(edges[0]), region.nid, region.flags)
        tail = _region_between(int(edges[-1]), region.end, region.nid, region.flags)
        self._regions = spliced(self._regions, index, [head], stripes, [tail])
        bases = stripes.seen_as(_start)
        self._bases = spliced(self._bases, index, [head.base], bases, [tail.base])
        return count

    def _insert(self, index: int, region: Region) -> None:
        self.moved += len(self._regions) - index
        self._regions.insert(index, region)
        self._bases.insert(index, region.base)

    def _extends_next_down(self, index: int, new: Region) -> bool:
        """Join a region that belongs at ``index`` to the one after it, if only that is its equal.

        Short for inserting and merging it, with their count: most allocations come top-down.
        """
        if index == len(self._regions):
            return False
        base, size, nid, flags = new
        after = self._regions[index]
        if after.base != base + size or after.nid != nid or after.flags != flags:
            return False
        if index:
            before = self._regions[index - 1]
            if before.end == base and before.nid == nid and before.flags == flags:
                return False
        self._regions[index] = Region(base, size + after.size, nid, flags)
        self._bases[index] = base
        self.moved += 2 * (len(self._regions) - index) - 1
        return True

    def _merge(self, first: int, last: int) -> None:
        """Join equal neighbours whose left one has an index in [first, last)."""
        index = max(first, 0)
        while index < last and index + 1 < len(self._regions):
            here, after = self._regions[index], self._regions[index + 1]
            if here.end != after.base or here.nid != after.nid or here.flags != after.flags:
                index += 1
                continue
            self._regions[index] = here._replace(size=here.size + after.size)
            del self._regions[index + 1]
            del self._bases[index + 1]
            self.moved += len(self._regions) - index - 1
            last -= 1


def _region_between(start: int, end: int, nid: int, flags: int) -> Region:
    return Region(start, end - start, nid, flags)


def _start(start: int, _end: int, _nid: int, _flags: int) -> int:
    return start
