"""Constants and small values that all of the page allocator speaks: orders, migrate types, runs.

Source: include/linux/mmzone.h and kernel-facts sections 0, 3.4 and 9.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

from kho_sim.errors import KhoSimError

PAGE_SHIFT = 12
PAGE_SIZE = 1 << PAGE_SHIFT
MAX_ORDER = 10
MAX_ORDER_PAGES = 1 << MAX_ORDER
PAGEBLOCK_ORDER = 9
PAGEBLOCK_PAGES = 1 << PAGEBLOCK_ORDER
SECTION_PAGES = 32768
DMA32_END_PFN = (4 << 30) >> PAGE_SHIFT
COSTLY_ORDER = 3
"""The highest order that per-CPU lists keep besides THP_ORDER."""
THP_ORDER = PAGEBLOCK_ORDER
HUGE_PAGE_BYTES = PAGE_SIZE << THP_ORDER


class Migratetype(IntEnum):
    """What a pageblock is used for, numbered as the kernel numbers it.

    HIGHATOMIC (3) and ISOLATE (5) are left out: no recorded workload reserves or isolates.
    """

    UNMOVABLE = 0
    MOVABLE = 1
    RECLAIMABLE = 2
    CMA = 4


UNMOVABLE, MOVABLE, RECLAIMABLE, CMA = Migratetype
PCP_TYPES = 3
TYPE_SLOTS = max(Migratetype) + 1
FALLBACKS: dict[int, tuple[Migratetype, ...]] = {
    UNMOVABLE: (RECLAIMABLE, MOVABLE),
    MOVABLE: (RECLAIMABLE, UNMOVABLE),
    RECLAIMABLE: (UNMOVABLE, MOVABLE),
}


class Run(NamedTuple):
    """Blocks of one order that lie side by side: ``first_pfn``, then upwards."""

    first_pfn: int
    blocks: int


class OutOfMemory(KhoSimError):  # noqa: N818 (the kernel's word for it)
    """No zone could serve a request; the caller turns it into what the kernel does then.

    ``allocated`` holds what the request did get, and keeps: give it back with ``free``.
    """

    def __init__(self, allocated: list[Run], wanted: int, order: int):
        self.allocated = allocated
        got = sum(run.blocks for run in allocated)
        super().__init__(f"page allocation failure: order {order}, {got} of {wanted} blocks")


def joined(runs: Iterable[tuple[int, int]], order: int) -> list[Run]:
    """Return the same blocks in the same order, with neighbours that ascend put together."""
    result: list[Run] = []
    for first, blocks in runs:
        if result and result[-1].first_pfn + (result[-1].blocks << order) == first:
            result[-1] = Run(result[-1].first_pfn, result[-1].blocks + blocks)
        else:
            result.append(Run(first, blocks))
    return result
