"""The per-CPU page lists of one zone, for the CPU that the workload runs on.

Models struct per_cpu_pages (mm/page_alloc.c, kernel-facts 9.4): lists for orders 0 to 3 and for THP
(a huge page), refilled and drained in batches that grow with use. Of other
CPUs' lists only what a worker freed is known (``other_cpus``): what else they hold is small against
a memfd, and nobody knows which CPU a recorded init ran on.

The free lists of a zone are behind one lock, which every CPU wants. So each CPU keeps some pages to
itself: it takes a batch under the lock, hands it out without, and gives back a batch when it holds
too much. A batch doubles while a CPU only takes, or only frees, as the lock is then worth saving
most; it is bounded, since pages that one CPU keeps are lost to the others. For this model two
things follow: a run of requests gets ascending pages batch by batch, with what other requests took
between them, and freed pages come back last in, first out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from kho_sim.platform.geometry import PAGES_4K, Geometry

from .kinds import COSTLY_ORDER, MOVABLE, PCP_TYPES, Run

_MAX_SCALE = 5
"""CONFIG_PCP_BATCH_SCALE_MAX: a batch grows up to 2**5 times."""
_HIGH_FRACTION = 8
"""MIN_PERCPU_PAGELIST_HIGH_FRACTION: the lists of all CPUs hold at most 1/8 of the zone."""
_MAX_BATCH_BYTES = 1 << 20
"""Four times the base batch at most (assumption: in bytes for any page size)."""
_THP_SLOT = PCP_TYPES * (COSTLY_ORDER + 1)
_SLOTS = _THP_SLOT + 2


def batch_of(managed_pages: int, geometry: Geometry) -> int:
    """Return the base batch of a zone: zone_batchsize(); 63 from 1 GiB on at 4 KiB pages."""
    most = _MAX_BATCH_BYTES >> geometry.page_shift
    quarter = max(1, min(managed_pages >> 10, most) // 4)
    scaled = quarter + quarter // 2
    return max(1, (1 << (scaled.bit_length() - 1)) - 1)


class PerCpuLists:
    """Lists of runs, read from the head."""

    def __init__(self, geometry: Geometry = PAGES_4K) -> None:
        self._geometry = geometry
        self._thp_order = geometry.thp_order
        self.slots: list[deque[Run]] = [deque() for _ in range(_SLOTS)]
        self.pages = 0
        self.batch = 1
        self.high = self.high_min = self.high_max = 0
        self.alloc_factor = 0
        self.free_count = 0

    def keeps(self, order: int) -> bool:
        """Tell whether there are lists for this order."""
        return order <= COSTLY_ORDER or order == self._thp_order

    def slot_of(self, order: int, migratetype: int) -> int:
        """Return the index of a list: types of order 0, then of order 1, ..., then THP.

        CMA pages are kept with the movable ones.
        """
        kind = migratetype if migratetype < PCP_TYPES else MOVABLE
        if order == self._thp_order:
            return _THP_SLOT + (kind == MOVABLE)
        return PCP_TYPES * order + kind

    def order_of(self, slot: int) -> int:
        """Return the order of the blocks of a list."""
        return self._thp_order if slot >= _THP_SLOT else slot // PCP_TYPES

    def resize(self, managed_pages: int, low_watermark: int, cpus: int) -> None:
        """Set batch and limits from the zone's size: zone_set_pageset_high_and_batch()."""
        self.batch = batch_of(managed_pages, self._geometry)
        floor = self.batch * 4
        self.high_min = max(low_watermark // cpus, floor)
        self.high_max = max(managed_pages // _HIGH_FRACTION // cpus, floor)
        self.high = self.high_min

    def refill_blocks(self, order: int, below_high: bool) -> int:
        """Return how many blocks the next refill asks for, and adapt: nr_pcp_alloc()."""
        if self.high_min < self.batch:
            return 1
        batch = self.batch if order else self.batch << self.alloc_factor
        high = self.high
        if self.high_min != self.high_max and not below_high:
            high = self.high = min(self.high + batch, self.high_max)
        if order:
            return max(batch >> order, 2) if batch > 1 else batch
        most = max(high - self.pages - self.batch, self.batch)
        if self._batch_grows(batch, most):
            self.alloc_factor += 1
        return min(batch, most)

    def steady_refill(self, order: int, below_high: bool) -> int:
        """Return the blocks of every refill from now on, or 0 where the size still grows.

        Steady means that all blocks of a refill are handed out before the next one.
        """
        if self.high_min < self.batch or not (below_high or self.high == self.high_max):
            return 0
        if order:
            return max(self.batch >> order, 2) if self.batch > 1 else self.batch
        batch = self.batch << self.alloc_factor
        most = max(self.high - self.pages - self.batch, self.batch)
        return 0 if self._batch_grows(batch, most) else min(batch, most)

    @property
    def largest_refill(self) -> int:
        """The single pages that a refill asks for when it has grown as far as it can."""
        return self.batch << _MAX_SCALE

    def refills_are_largest(self) -> bool:
        """Tell whether refills have grown so far, and stay so when other lists get shorter."""
        most = self.high - self.pages - self.batch
        return self.alloc_factor == _MAX_SCALE and self.largest_refill <= most

    def _batch_grows(self, batch: int, most: int) -> bool:
        return batch <= most and self.alloc_factor < _MAX_SCALE

    def blocks_in(self, slot: int) -> int:
        """Return how many blocks a list holds."""
        return sum(run.blocks for run in self.slots[slot])

    def append(self, slot: int, runs: Sequence[Run], order: int) -> None:
        """Put a refill behind what a list holds, in the order obtained."""
        self.slots[slot] += runs
        self.pages += sum(run.blocks for run in runs) << order

    def take(self, slot: int, blocks: int) -> list[Run]:
        """Take up to ``blocks`` from the head of a list."""
        runs, order, taken = self.slots[slot], self.order_of(slot), []
        wanted = blocks
        while wanted and runs:
            run = runs.popleft()
            if run.blocks > wanted:
                run, rest = run.split(wanted, order)
                runs.appendleft(rest)
            taken.append(run)
            wanted -= run.blocks
        self.pages -= blocks - wanted << order
        self.handed_out(blocks - wanted)
        return taken

    def handed_out(self, blocks: int) -> None:
        """Note that requests were served: each halves what the next overflow returns."""
        self.free_count >>= blocks

    def room(self, order: int, below_high: bool) -> int:
        """Return how many blocks can be pushed until the limit may be met, at least 1.

        Below the high watermark each free lowers the limit, until it has come to the least.
        """
        if below_high and self.high != self.high_min:
            return 1
        return max(1, -(-(self.high - self.pages) >> order))

    def push(self, slot: int, run: Run, below_high: bool) -> int:
        """Free a run of up to ``room`` blocks one by one, each to the head of a list.

        Returns how many pages the overflow has to give back now.
        """
        order = self.order_of(slot)
        self.slots[slot].appendleft(run.backwards(order))
        return self.freed(order, run.blocks, below_high)

    def freed(self, order: int, blocks: int, below_high: bool) -> int:
        """Note that up to ``room`` blocks came to a list, one by one; return how many pages have to
        go now: free_frozen_page_commit(). Left out is the flush that a series of frees of orders 1
        to 3 can cause.
        """
        self.pages += blocks << order
        self.alloc_factor >>= blocks
        short = (self.batch << _MAX_SCALE) - self.free_count
        self.free_count += min(blocks, max(0, -(-short >> order))) << order
        high = self._high_for_free(below_high)
        if self.pages < high:
            return 0
        if high < self.batch:
            return 1
        return max(self.batch, min(self.free_count, high - self.batch))

    def _high_for_free(self, below_high: bool) -> int:
        """Return the limit that this free meets, and adapt the next one's: nr_pcp_high()."""
        high = self.high
        if self.high_min == self.high_max:
            return high
        if below_high:
            self.high = max(high - self.free_count, self.high_min)
            return max(self.pages, self.high_min)
        if self.pages >= high:
            needed = self.free_count + self.batch
            self.high = max(high, min(max(needed, self.high_min), self.high_max))
        return high

    def drained(self, slot: int, pages: int) -> Iterator[tuple[Run, int]]:
        """Take at least ``pages`` from the tails: of ``slot`` first, then list after list.

        Yields runs in the order in which their blocks leave, each with its order.
        """
        pages = min(pages, self.pages)
        while pages > 0:
            while not self.slots[slot]:
                slot = (slot + 1) % _SLOTS
            order = self.order_of(slot)
            while pages > 0 and self.slots[slot]:
                run = self.slots[slot].pop()
                wanted = -(-pages >> order)
                if run.blocks > wanted:
                    rest, run = run.split(run.blocks - wanted, order)
                    self.slots[slot].append(rest)
                pages -= run.blocks << order
                self.pages -= run.blocks << order
                yield run.backwards(order), order
            slot = (slot + 1) % _SLOTS
