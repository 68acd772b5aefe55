"""Memory minus reservations: where memblock searches.

The kernel walks both arrays at each search (__next_mem_range(), mm/memblock.c). Here the free
ranges, cut at memory region borders, are kept as a list until an array changes; an allocation
inside one of them is cut out in place. So a search costs what is free, not what is reserved. Where
an array has very many regions no list is kept: a search walks memory piece by piece, what is large
enough and has the flags, until something fits.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from kho_sim.base.errors import ensure
from kho_sim.base.extent import round_down, round_up
from kho_sim.memory.region_array import RegionArray
from kho_sim.memory.regions import Regions

Item = TypeVar("Item")
ADDRESS_MAX = 2**64 - 1
MOST_LISTED = 1 << 13
"""Regions of an array up to which free ranges are kept as a list."""
FIRST_PIECE, LARGEST_PIECE = 1 << 8, 1 << 16
"""Regions that a search looks at together: it begins with few and doubles."""


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
        self._gaps: list[Gap] | None = None

    def ascending(self) -> Iterable[Gap]:
        """Return all free ranges that are not empty; iterate over them before an array changes."""
        if max(len(self._memory), len(self._reserved)) > MOST_LISTED:
            return _not_empty(self._walk(self._memory))
        return self._listed()

    def forget(self) -> None:
        """Drop the list after an array has changed; it is made anew when it is next needed."""
        self._gaps = None

    def take(self, start: int, end: int) -> None:
        """Cut out a range that has been reserved, if it lies inside one free range."""
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
        """Return down to where all is free below ``address``, at which a reservation begins, inside
        the memory region that holds it."""
        index = self._reserved.first_ending_after(address)
        if self._reserved.bases[index] < address:
            return address
        below = self._reserved.ends[index - 1] if index else 0
        return max(below, self._memory.bases[self._memory.first_ending_after(address)])

    def highest(self, size: int, align: int, start: int, end: int, wanted: Filter) -> int:
        """Return the highest address that fits, or 0. Source: __memblock_find_range_top_down()."""
        nid, needs, avoids = wanted
        for part in self._candidates(size, needs, descending=True):
            for gap_start, gap_end, gap_nid, flags in part:
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
        for part in self._candidates(size, wanted.needs, descending=False):
            for gap_start, gap_end, gap_nid, flags in part:
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
            fresh = [*_not_empty(self._walk(self._memory))]
            ensure(self._gaps == fresh, "free ranges are stale: {} but {}", self._gaps, fresh)

    def _listed(self) -> list[Gap]:
        if self._gaps is None:
            self._gaps = [*_not_empty(self._walk(self._memory))]
        return self._gaps

    def _candidates(self, size: int, needs: int, descending: bool) -> Iterable[Iterable[Gap]]:
        """Return free ranges in the order of a search: all of them, or those that may do by piece.

        An empty request also fits an empty range between two reservations (kernel-facts 2.3).
        """
        if not size:
            return (_ordered([*self._walk(self._memory)], descending),)
        if len(self._memory) > MOST_LISTED:
            return self._by_piece(size, needs, descending)
        if len(self._reserved) > MOST_LISTED:
            return self._by_region(size, needs, descending)
        return (_ordered(self._listed(), descending),)

    def _by_piece(self, size: int, needs: int, descending: bool) -> Iterator[Iterable[Gap]]:
        for part in _ordered(self._memory.parts(), descending):
            done, total, step = 0, len(part), FIRST_PIECE
            while done < total:
                until = min(done + step, total)
                piece = slice(total - until, total - done) if descending else slice(done, until)
                if large := part.at_least(size, needs, piece):
                    yield _ordered([*self._walk(large)], descending)
                done, step = until, min(2 * step, LARGEST_PIECE)

    def _by_region(self, size: int, needs: int, descending: bool) -> Iterator[Iterable[Gap]]:
        """Yield what lies between reservations in regions that have the flags, a few at a time."""
        for index in _ordered(range(len(self._memory)), descending):
            base, region_bytes, nid, flags = self._memory[index]
            if flags & needs != needs:
                continue
            gaps = self._reserved.gaps_in(base, base + region_bytes)
            done, step = 0, FIRST_PIECE
            while done < len(gaps):
                until = min(done + step, len(gaps))
                some = (
                    gaps[len(gaps) - until : len(gaps) - done] if descending else gaps[done:until]
                )
                large = some[some[:, 1] - some[:, 0] >= size].tolist()
                yield _ordered([Gap(start, end, nid, flags) for start, end in large], descending)
                done, step = until, min(2 * step, LARGEST_PIECE)

    def _walk(self, regions: Regions) -> Iterator[Gap]:
        """Yield the free ranges of regions as the kernel's iterator meets them, empty ones
        included."""
        starts, ends = self._reserved.bases[:], self._reserved.ends[:]
        taken = len(starts)
        columns = (regions.bases, regions.ends, regions.nids, regions.flags)
        for base, region_end, nid, flags in zip(*columns, strict=True):
            position = bisect_left(ends, base)
            while position <= taken:
                start = ends[position - 1] if position else 0
                stop = starts[position] if position < taken else ADDRESS_MAX
                if start >= region_end:
                    break
                if stop > base:
                    yield Gap(max(start, base), min(stop, region_end), nid, flags)
                position += 1


def _not_empty(gaps: Iterable[Gap]) -> Iterator[Gap]:
    return (gap for gap in gaps if gap.start < gap.end)


def _ordered(items: Sequence[Item], descending: bool) -> Iterable[Item]:
    return reversed(items) if descending else items
