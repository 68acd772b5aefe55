"""Memory minus reservations: where memblock searches.

The kernel walks both arrays at each search (__next_mem_range(), mm/memblock.c). Here the free
ranges, cut at memory region borders, are kept as a list until an array changes; an allocation
inside one of them is cut out in place. So a search costs what is free, not what is reserved.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, MutableSequence, Sequence
from typing import NamedTuple

import numpy as np

from kho_sim.base.errors import ensure
from kho_sim.base.extent import merged, round_down, round_up
from kho_sim.memory.regions import Region, RegionArray
from kho_sim.memory.stripes import Rope, Stripes, parts_of

ADDRESS_MAX = 2**64 - 1


class Gap(NamedTuple):
    """Free memory inside one memory region, with that region's node and flags."""

    start: int
    end: int
    nid: int
    flags: int


class Filter(NamedTuple):
    """Which memory will do: on node ``nid`` (-1: any), all flags of ``needs``, none of ``avoids``.

    Source: should_skip_region().
    """

    nid: int
    needs: int
    avoids: int

    def accepts(self, nid: int, flags: int) -> bool:
        """Tell whether memory of this node and these flags will do."""
        on_node = self.nid < 0 or nid == self.nid
        return on_node and flags & self.needs == self.needs and not flags & self.avoids


class FreeRanges:
    """The free ranges of two arrays, which the owner keeps informed of changes."""

    def __init__(self, memory: RegionArray, reserved: RegionArray):
        self._memory = memory
        self._reserved = reserved
        self._gaps: MutableSequence[Gap] | None = None

    def ascending(self) -> Sequence[Gap]:
        """Return all free ranges that are not empty."""
        if self._gaps is None:
            self._gaps = self._made_anew()
        return self._gaps

    def forget(self) -> None:
        """An array has changed: the list is made anew when it is next needed."""
        self._gaps = None

    def take(self, start: int, end: int) -> None:
        """A range has been reserved: cut it out, if it lies inside one free range."""
        if self._gaps is None or start >= end:
            return
        index = bisect_right(self._gaps, (start, ADDRESS_MAX)) - 1
        gap = self._gaps[index] if index >= 0 else None
        if gap is None or gap.end < end:
            self._gaps = None
            return
        rest = []
        if gap.start < start:
            rest.append(Gap(gap.start, start, gap.nid, gap.flags))
        if end < gap.end:
            rest.append(Gap(end, gap.end, gap.nid, gap.flags))
        self._gaps[index : index + 1] = rest

    def bottom_below(self, address: int) -> int:
        """Return down to where all is free below ``address``, inside the memory region that holds
        it."""
        region = self._memory[self._memory.first_ending_after(address)]
        gaps = self.ascending()
        index = bisect_left(gaps, (address,)) - 1
        free = index >= 0 and gaps[index].end == address
        return max(gaps[index].start, region.base) if free else address

    def highest(self, size: int, align: int, start: int, end: int, wanted: Filter) -> int:
        """Return the highest address that fits, or 0. Source: __memblock_find_range_top_down()."""
        nid, needs, avoids = wanted
        for part in reversed(self._candidates(size)):
            for gap_start, gap_end, gap_nid, flags in _descending(part, size, wanted):
                if gap_end - gap_start < size or (nid >= 0 and gap_nid != nid):
                    continue
                if flags & needs != needs or flags & avoids:
                    continue
                if size and gap_end <= start:
                    return 0
                top = min(max(gap_end, start), end)
                bottom = min(max(gap_start, start), end)
                found = round_down(top - size, align)
                if found >= bottom:
                    return found
        return 0

    def lowest(self, size: int, align: int, start: int, end: int, wanted: Filter) -> int:
        """Return the lowest address that fits, or 0. Source: __memblock_find_range_bottom_up()."""
        for part in self._candidates(size):
            for gap_start, gap_end, gap_nid, flags in _ascending(part, size, wanted):
                if not wanted.accepts(gap_nid, flags):
                    continue
                top = min(max(gap_end, start), end)
                found = round_up(min(max(gap_start, start), end), align)
                if found < top and top - found >= size:
                    return found
        return 0

    def check(self) -> None:
        """Raise ModelError if the list is not what the arrays say."""
        if self._gaps is not None:
            fresh = self._not_empty(self._memory)
            ensure(list(self._gaps) == fresh, "free ranges are stale: {} but {}", self._gaps, fresh)

    def _candidates(self, size: int) -> list[Sequence[Gap]]:
        """An empty request also fits an empty range between two reservations (kernel-facts 2.3)."""
        return parts_of(self.ascending()) if size else [list(self._walk(self._memory))]

    def _made_anew(self) -> MutableSequence[Gap]:
        parts = self._memory.parts()
        if len(parts) == 1 and not isinstance(parts[0], Stripes):
            return self._not_empty(parts[0])
        gaps: Rope[Gap] = Rope([])
        for part in parts:
            pieces = self._pieces(part) if isinstance(part, Stripes) else [self._not_empty(part)]
            gaps.put(len(gaps), len(gaps), *pieces)
        return gaps

    def _pieces(self, stripes: Stripes[Region]) -> Iterator[Sequence[Gap]]:
        """Yield the free ranges of stripes: those that no reservation touches stay as they are."""
        edges = stripes.edges
        first = self._reserved.first_ending_after(int(edges[0]))
        behind = len(self._reserved) - self._reserved.count_from(int(edges[-1]))
        taken = self._reserved[first:behind]
        starts = edges.searchsorted(np.array([r.base for r in taken], np.uint64), side="right") - 1
        ends = edges.searchsorted(np.array([r.end for r in taken], np.uint64))
        position = 0
        for start, end in merged(zip(starts.tolist(), ends.tolist(), strict=True)):
            start, end = max(start, 0), min(end, len(stripes))
            yield stripes[position:start].seen_as(Gap)
            yield self._not_empty(stripes[start:end])
            position = end
        yield stripes[position:].seen_as(Gap)

    def _not_empty(self, regions: Sequence[Region]) -> list[Gap]:
        return [gap for gap in self._walk(regions) if gap.start < gap.end]

    def _walk(self, regions: Sequence[Region]) -> Iterator[Gap]:
        """Yield the free ranges of regions as the kernel's iterator meets them, empty ones
        included."""
        index = 0
        taken = self._reserved[:]
        for region in regions:
            while index < len(taken) and taken[index].end < region.base:
                index += 1
            position = index
            while position <= len(taken):
                start = taken[position - 1].end if position else 0
                stop = taken[position].base if position < len(taken) else ADDRESS_MAX
                if start >= region.end:
                    break
                if stop > region.base:
                    first, last = max(start, region.base), min(stop, region.end)
                    yield Gap(first, last, region.nid, region.flags)
                position += 1


def _descending(part: Sequence[Gap], size: int, wanted: Filter) -> Iterable[Gap]:
    if isinstance(part, Stripes):
        return part.at_least(size, wanted.accepts, descending=True)
    return reversed(part)


def _ascending(part: Sequence[Gap], size: int, wanted: Filter) -> Iterable[Gap]:
    if isinstance(part, Stripes):
        return part.at_least(size, wanted.accepts, descending=False)
    return part
