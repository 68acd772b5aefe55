"""A memblock whose marks fail on demand: the fault of an extension that ends half-way.

A mark fails when memblock's array cannot grow (-ENOMEM); here it fails whatever room there is.
"""

from __future__ import annotations

from errno import ENOMEM

import numpy as np
from numpy.typing import NDArray

from kho_sim.memory.memblock import KHO_SCRATCH, Memblock


class FailingMarks(Memblock):
    """``marks_left``: ranges that can still be marked as scratch; any number while it is None."""

    marks_left: int | None = None

    def mark_kho_scratch(self, base: int, size: int) -> int:
        if self.marks_left == 0:
            return -ENOMEM
        if self.marks_left is not None:
            self.marks_left -= 1
        return super().mark_kho_scratch(base, size)

    def mark_kho_scratch_each(
        self, ranges: NDArray[np.uint64], flags: int = KHO_SCRATCH
    ) -> tuple[int, int]:
        if self.marks_left is None:
            return super().mark_kho_scratch_each(ranges, flags)
        allowed = ranges[: self.marks_left]
        error, marked = super().mark_kho_scratch_each(allowed, flags)
        self.marks_left -= marked
        if not error and len(allowed) < len(ranges):
            error = -ENOMEM
        return error, marked
