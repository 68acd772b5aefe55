"""Half-open ranges of integers, and the few sums that every room does with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Extent(NamedTuple):
    """A half-open range [start, end) of bytes, pages or keys; empty when end <= start."""

    start: int
    end: int

    @property
    def size(self) -> int:
        return max(self.end - self.start, 0)

    def overlaps(self, other: Extent) -> bool:
        """Tell whether both hold something; an empty range overlaps nothing."""
        return max(self.start, other.start) < min(self.end, other.end)

    def clip(self, other: Extent) -> Extent:
        """Return the part of this range that lies inside ``other`` (may be empty)."""
        return Extent(max(self.start, other.start), min(self.end, other.end))


def merged(extents: Iterable[tuple[int, int]]) -> list[Extent]:
    """Return the union as sorted, disjoint, non-touching ranges: the normal form."""
    result: list[Extent] = []
    for start, end in sorted(extents):
        if end <= start:
            continue
        if result and start <= result[-1].end:
            result[-1] = Extent(result[-1].start, max(end, result[-1].end))
        else:
            result.append(Extent(start, end))
    return result


def touching_joined(extents: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return ranges in ascending order, with those that touch as one; unlike with ``merged`` what
    several of them hold stays in each."""
    result: list[tuple[int, int]] = []
    for start, end in sorted(extents):
        if result and result[-1][1] == start:
            result[-1] = (result[-1][0], end)
        else:
            result.append((start, end))
    return result


def subtracted(left: Iterable[tuple[int, int]], right: Iterable[tuple[int, int]]) -> list[Extent]:
    """Return what ``left`` holds and ``right`` does not, in normal form."""
    holes = merged(right)
    result: list[Extent] = []
    first = 0
    for start, end in merged(left):
        while first < len(holes) and holes[first].end <= start:
            first += 1
        index = first
        while index < len(holes) and holes[index].start < end:
            hole = holes[index]
            if start < hole.start:
                result.append(Extent(start, hole.start))
            start = max(start, hole.end)
            index += 1
        if start < end:
            result.append(Extent(start, end))
    return result


def intersected(left: Iterable[tuple[int, int]], right: Iterable[tuple[int, int]]) -> list[Extent]:
    """Return what both hold, in normal form."""
    return list(_intersections(merged(left), merged(right)))


def _intersections(left: list[Extent], right: list[Extent]) -> Iterator[Extent]:
    i = j = 0
    while i < len(left) and j < len(right):
        both = left[i].clip(right[j])
        if both.size:
            yield both
        if left[i].end <= right[j].end:
            i += 1
        else:
            j += 1


def total_size(extents: Iterable[tuple[int, int]]) -> int:
    """Return the number of integers in disjoint ranges."""
    return sum(end - start for start, end in extents)


def round_up(value: int, alignment: int) -> int:
    """Return the smallest multiple of ``alignment`` that is not below ``value``."""
    return -(-value // alignment) * alignment


def round_down(value: int, alignment: int) -> int:
    """Return the largest multiple of ``alignment`` that is not above ``value``."""
    return value // alignment * alignment
