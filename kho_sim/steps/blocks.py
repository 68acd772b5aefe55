"""The size of the blocks that an extension left alone, where only their starts are recorded."""

from __future__ import annotations

from collections.abc import Sequence

from kho_sim.base.blocks import Blocks
from kho_sim.base.extent import Extent, merged, subtracted
from kho_sim.kho.extend.base import LARGEST_SHIFT, SMALLEST_SHIFT


def busy_spans(
    busy: Sequence[int], kept_off: Sequence[Extent], likely_shift: int | None
) -> tuple[list[Extent], int]:
    """Return the runs of busy blocks as ranges, and the size in bytes of a block (0: unknown).

    The size is the smallest power of two, from ``likely_shift`` up, with which the blocks cover all
    memory that was kept off; a strategy that leaves other memory alone as well has ``likely_shift``
    itself.
    """
    if isinstance(busy, Blocks):
        return list(busy.spans()), 1 << busy.shift
    if not busy:
        return [], 1 << likely_shift if likely_shift else 0
    for shift in range(likely_shift or SMALLEST_SHIFT, LARGEST_SHIFT + 1):
        spans = _spans(busy, 1 << shift)
        if not subtracted(kept_off, spans):
            return spans, 1 << shift
    if likely_shift is None:
        return _spans(busy, 1), 0
    return _spans(busy, 1 << likely_shift), 1 << likely_shift


def _spans(starts: Sequence[int], size_bytes: int) -> list[Extent]:
    return merged((start, start + size_bytes) for start in starts)
