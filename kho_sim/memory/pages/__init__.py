"""The page allocator: zones, free lists, per-CPU lists, and the hand-over from memblock."""

from .allocator import FreeCounts, PageAllocator
from .handover import INTERLEAVINGS, Interleaving
from .kinds import (
    CMA,
    MOVABLE,
    PAGE_SHIFT,
    RECLAIMABLE,
    UNMOVABLE,
    Migratetype,
    OutOfMemory,
    Run,
)

__all__ = [
    "CMA",
    "INTERLEAVINGS",
    "MOVABLE",
    "PAGE_SHIFT",
    "RECLAIMABLE",
    "UNMOVABLE",
    "FreeCounts",
    "Interleaving",
    "Migratetype",
    "OutOfMemory",
    "PageAllocator",
    "Run",
]
