"""The page allocator: zones, free lists, per-CPU lists, and the hand-over from memblock."""

from .allocator import PageAllocator
from .handover import INTERLEAVINGS, Interleaving
from .kinds import (
    CMA,
    COSTLY_ORDER,
    MOVABLE,
    RECLAIMABLE,
    UNMOVABLE,
    Migratetype,
    Run,
    joined,
)
from .pinning import Pinned, migrate_out_of_cma
from .runs import Queue, Runs
from .shortage import DEADLOCK, FreeCounts, OutOfMemory

__all__ = [
    "CMA",
    "COSTLY_ORDER",
    "DEADLOCK",
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
    "Queue",
    "Run",
    "Runs",
    "joined",
    "migrate_out_of_cma",
]
