"""Memory minus reservations: where memblock searches.

The kernel walks both arrays at each search (__next_mem_range(), mm/memblock.c). Here the free
ranges, cut at memory region borders, are kept as a list until an array changes; an allocation
inside one of them is cut out in place. So a search costs what is free, not what is reserved.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from kho_sim.errors import ensure
from kho_sim.extent import round_down, round_up
from kho_sim.memory.regions import RegionArray

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


class FreeRanges:
    """The free ranges of two arrays, which the owner keeps informed of changes."""

    def __init__(self, memory: RegionArray, reserved: RegionArray):
        self._memory = memory
        self._reserved = reserved
        self._gaps: list[Gap] | None = None

    def ascending(self) -> list[Gap]:
        """Return all free ranges that are not empty."""
        if self._gaps is None:
            self._gaps = [gap for gap in self._walk() if gap.start < gap.end]
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

    def highest(self, size: int, align: int, start: int, end: int, wanted: Filter) -> int:
        """Return the highest address that fits, or 0. Source: __memblock_find_range_top_down()."""
        nid, needs, avoids = wanted
        for gap_start, gap_end, gap_nid, flags in reversed(self._candidates(size)):
            if gap_end - gap_start < size or (nid >= 0 and gap_nid != nid):
                continue
            if flags & needs != needs or flags & avoids:
                continue
            if size and gap_end <= start:
                break
            top = min(max(gap_end, start), end)
            bottom = min(max(gap_start, start), end)
            found = round_down(top - size, align)
            if top >= size and found >= bottom:
                return found
        return 0

    def lowest(self, size: int, align: int, start: int, end: int, wanted: Filter) -> int:
        """Return the lowest address that fits, or 0. Source: __memblock_find_range_bottom_up()."""
        nid, needs, avoids = wanted
        for gap_start, gap_end, gap_nid, flags in self._candidates(size):
            if gap_end - gap_start < size or (nid >= 0 and gap_nid != nid):
                continue
            if flags & needs != needs or flags & avoids:
                continue
            top = min(max(gap_end, start), end)
            found = round_up(min(max(gap_start, start), end), align)
            if found < top and top - found >= size:
                return found
        return 0

    def check(self) -> None:
        """Raise ModelError if the list is not what the arrays say."""
        if self._gaps is not None:
            fresh = [gap for gap in self._walk() if gap.start < gap.end]
            ensure(self._gaps == fresh, "free ranges are stale: {} but {}", self._gaps, fresh)

    def _candidates(self, size: int) -> list[Gap]:
        """An empty request also fits an empty range between two reservations (kernel-facts 2.3)."""
        return self.ascending() if size else list(self._walk())

    def _walk(self) -> Iterator[Gap]:
        """Yield the free ranges as the kernel's iterator meets them, empty ones included."""
        index = 0
        taken = self._reserved[:]
        for region in self._memory:
            while index < len(taken) and taken[index].end < region.base:
                index += 1
            index = max(index - 1, 0)
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
