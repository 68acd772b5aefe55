"""The page allocator: zones, free lists, per-CPU lists, and the hand-over from memblock."""

from .allocator import FreeCounts, PageAllocator
from .handover import INTERLEAVINGS, Interleaving
from .kinds import (
    CMA,
    MOVABLE,
    RECLAIMABLE,
    UNMOVABLE,
    Migratetype,
    OutOfMemory,
    Run,
    joined,
)
from .pinning import Pinned, migrate_out_of_cma

__all__ = [
    "CMA",
    "INTERLEAVINGS",
    "MOVABLE",
    "RECLAIMABLE",
    "UNMOVABLE",
    "FreeCounts",
    "Interleaving",
    "Migratetype",
    "OutOfMemory",
    "PageAllocator",
    "Pinned",
    "Run",
    "joined",
    "migrate_out_of_cma",
]
