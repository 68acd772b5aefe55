"""Ranges of memory as a page carries them: few numbers, coarse where there would be too many.

A layer is a JSON object. ``unit``: bytes of one; ``delta``: for each range the distance from the
end of the one before, then its length, in units. Ranges closer than ``grain`` bytes are one range
there; ``counts`` and ``bytes`` (in units) say what it stands for. ``item``: size in bytes of the
equal pieces that ranges are made of, or a list of one for each range.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

MOST_RANGES = 1500
"""Ranges of a layer that a page has; a map is hardly that many pixels wide."""


def layer(
    ranges: Iterable[tuple[int, int]],
    items: Sequence[int] | None = None,
    most: int = MOST_RANGES,
) -> dict[str, Any]:
    """Return the layer of ranges that do not overlap, in address order.

    ``items``: the size of the pieces of each range, given only if they are few.
    """
    exact = list(ranges)
    if len(exact) <= most:
        found = _coded(exact)
        if items:
            found["item"] = items[0] if len(set(items)) == 1 else list(items)
        return found
    grain = _grain(exact, most)
    joined: list[tuple[int, int]] = []
    counts: list[int] = []
    sizes: list[int] = []
    for start, end in exact:
        if joined and start - joined[-1][1] < grain:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            counts[-1] += 1
            sizes[-1] += end - start
        else:
            joined.append((start, end))
            counts.append(1)
            sizes.append(end - start)
    found = _coded(joined, sizes)
    unit = found["unit"]
    found |= {"grain": grain, "counts": counts, "bytes": [size // unit for size in sizes]}
    if items and len(set(items)) == 1:
        found["item"] = items[0]
    return found


def _grain(ranges: Sequence[tuple[int, int]], most: int) -> int:
    """Return the power of two below which gaps are not shown, so that no more ranges are left."""
    gaps = [ranges[at + 1][0] - ranges[at][1] for at in range(len(ranges) - 1)]
    largest = sorted(gaps, reverse=True)[most - 1]
    return 1 << max(largest, 1).bit_length()


def _coded(ranges: Sequence[tuple[int, int]], sizes: Sequence[int] = ()) -> dict[str, Any]:
    edges = [edge for one in ranges for edge in one]
    everything = 0
    for value in (*edges, *sizes):
        everything |= value
    unit = everything & -everything or 1
    delta, last = [], 0
    for edge in edges:
        delta.append((edge - last) // unit)
        last = edge
    return {"unit": unit, "delta": delta}
