"""One zone: its buddy system, the workload CPU's lists in front of it, and its watermarks.

Models rmqueue(), rmqueue_bulk() and the per-CPU free path of mm/page_alloc.c (kernel-facts 9.3 to
9.8). Left out: the lists of other CPUs (``other_cpus``), and reclaim (``reclaim``), which the page
allocator asks for where no zone can serve.

Zones are there because not all memory is equal: some devices reach only low addresses. Whoever can
live anywhere is served from the highest zone first, and may fall back to lower ones, but only as
far as lowmem_reserve leaves there, so that ordinary requests do not use up what others have no
substitute for. The watermarks keep a rest of each zone for the moment in which memory is short:
ordinary requests stop above the low mark, and only what cannot wait goes on to the minimum.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, groupby
from operator import itemgetter

from kho_sim.platform.geometry import PAGES_4K, Geometry

from .balance import CmaBalance, in_bursts
from .buddy import Buddy
from .counters import stat_threshold
from .kinds import CMA, MOVABLE, UNMOVABLE, Run, run_of
from .percpu import PerCpuLists
from .rounds import Rounds
from .runs import Queue, Runs, blocks_of

_MANY = 4096
"""Pages that are worked as bursts, or freed at once."""
_ROUND = 2048
"""Blocks that are freed as one round."""
_NORMAL, _STEAL = "normal", "steal"
THIS_ZONE, KERNEL_ZONE, ZONE_MOVABLE = 0, 1, 2
"""Which zone a request prefers, seen from one: it decides what must be left there."""
MOVABLE_ZONE = "Movable"


class Zone:
    """Pages [start_pfn, end_pfn) of one node, as one pool of free memory."""

    def __init__(
        self,
        name: str,
        nid: int,
        start_pfn: int,
        end_pfn: int,
        cpus: int,
        geometry: Geometry = PAGES_4K,
    ):
        self.geometry = geometry
        self._max_order = geometry.max_order
        self._pageblock_order = geometry.pageblock_order
        self._pageblock_pages = geometry.pageblock_pages
        self.name = name
        self.nid = nid
        self.start_pfn = start_pfn
        self.end_pfn = end_pfn
        self.cpus = cpus
        self.managed_pages = 0
        self.buddy = Buddy(start_pfn, end_pfn, geometry)
        self._balance = CmaBalance(self.buddy.free, self.buddy.free_cma)
        self.pcp = PerCpuLists(geometry)
        self.left_behind: list[PerCpuLists] = []
        """Lists of CPUs that the workload has left; they serve nobody until they are drained."""
        self.watermark_min = self.watermark_low = self.watermark_high = 0
        self.lowmem_reserve = 0
        """Pages that requests which prefer a higher zone must leave here."""
        self.movable_reserve: int | None = None
        """The same for requests that prefer ZONE_MOVABLE, if the node has one."""
        self.below_high = False

    def resize_lists(self, online_cpus: int) -> None:
        """Take per-CPU and counter limits from the zone's present size and watermarks."""
        self.pcp.resize(self.managed_pages, self.watermark_low, self.cpus)
        threshold = stat_threshold(online_cpus, self.managed_pages, self.geometry)
        self.buddy.free.threshold = self.buddy.free_cma.threshold = threshold

    def kept_back(self, preferred: int) -> int:
        """Return the pages that a request must leave which prefers a zone: this one
        (``THIS_ZONE``), a higher one for the kernel (``KERNEL_ZONE``), or ZONE_MOVABLE."""
        if preferred == ZONE_MOVABLE and self.movable_reserve is not None:
            return self.movable_reserve
        return self.lowmem_reserve if preferred else 0

    def passes(self, mark: int, order: int, cma: bool, reserve: int) -> bool:
        """Tell whether a request may be served above a watermark: zone_watermark_fast()."""
        if self.above(mark, cma, reserve) <= (1 << order) - 1:
            return False
        return not order or self.buddy.has_block(order, cma)

    def above(self, mark: int, cma: bool, reserve: int) -> int:
        """Return how many pages a request finds above a watermark and what it must leave."""
        usable = self.buddy.free.value - (0 if cma else self.buddy.free_cma.value)
        return usable - mark - self.kept_back(reserve)

    @property
    def limits(self) -> tuple[int, int, bool]:
        """The limits that a refill of the per-CPU lists adapts, even one that finds nothing."""
        return self.pcp.high, self.pcp.alloc_factor, self.below_high

    def serve(
        self, want: int, order: int, migratetype: int, cma: bool, nofragment: bool, reserve: int
    ) -> Sequence[Run]:
        """Hand out up to ``want`` blocks, at least one if there is any; no watermark is looked at.

        What one call returns is what that many single requests would get before a watermark could
        decide otherwise; the caller looks at watermarks between calls.
        """
        if not self.pcp.keeps(order):
            return self._take(1, order, migratetype, cma, nofragment)
        slot = self.pcp.slot_of(order, migratetype)
        if not self.pcp.slots[slot]:
            self.below_high = self.below_high or not self.passes(
                self.watermark_high, order, cma, reserve
            )
            direct = self.steady_blocks(want, order, migratetype, cma, reserve)
            if direct:
                self.pcp.handed_out(direct)
                return self._take(direct, order, migratetype, cma, nofragment)
            batch = self.pcp.refill_blocks(order, self.below_high)
            self.pcp.append(slot, self._take(batch, order, migratetype, cma, nofragment), order)
            want = 1
        return self.pcp.take(slot, want)

    def steady_blocks(
        self, want: int, order: int, migratetype: int, cma: bool, reserve: int
    ) -> int:
        """Return how many blocks whole steady refills surely hand out on; 0 where unsure.

        A large request empties one refill after the other. While their size is settled, the type's
        own free blocks last, or those that it claims, and no watermark comes near, they can be
        taken as one.
        """
        batch = self.pcp.steady_refill(order, self.below_high)
        if not batch or want < 2 * batch:
            return 0
        own = self.buddy.blocks_free(self._max_order, migratetype)
        if migratetype == UNMOVABLE:
            own += self.buddy.claimable_blocks(migratetype)
        own <<= self._max_order - order
        mark = self.watermark_low if self.below_high else self.watermark_high
        room = self.above(mark, cma, reserve)
        room -= ((batch + 1) << order) + 2 * self.buddy.free.threshold
        return max(0, min(want, own, room >> order) // batch * batch)

    def count_user_pages(self, runs: Sequence[Run], order: int, sign: int) -> None:
        """Note that pages in these runs became user pages (+1), or are none any more (-1)."""
        if isinstance(runs, Runs):
            self.buddy.user_pages.count_runs(runs, order, sign)
            return
        for run in runs:
            self.buddy.user_pages.count(run.extent(order), sign)

    def free(self, runs: Iterable[Run], order: int) -> None:
        """Free blocks one by one, in the order of the runs, as __free_pages() does."""
        if not self.pcp.keeps(order):
            for pfn in chain.from_iterable(run.pfns(order) for run in runs):
                self.free_to_buddy(pfn, order)
            return
        parts = chain.from_iterable(self._by_list(run, order) for run in runs)
        for slot, group in groupby(parts, key=itemgetter(0)):
            self._free_to_lists(slot, [run for _, run in group])

    def free_to_buddy(self, pfn: int, order: int, to_tail: bool = False) -> None:
        """Free one block past the per-CPU lists; one above a pageblock goes as its pageblocks."""
        piece = min(order, self._pageblock_order)
        for first in range(pfn, pfn + (1 << order), 1 << piece):
            self.buddy.give(first, piece, to_tail)

    def drain(self) -> None:
        """Return all pages of all CPUs' lists to the buddy system: drain_all_pages()."""
        self._drain(0, self.pcp.pages)
        for lists in self.left_behind:
            for run, order in lists.drained(0, lists.pages):
                self.buddy.give_run(run, order)
        self.left_behind.clear()

    def settle(self) -> None:
        """Let the per-CPU lists shrink to what an idle CPU keeps: decay_pcp_high(), each second."""
        self.pcp.high = self.pcp.high_min
        self.pcp.alloc_factor = self.pcp.free_count = 0
        self._drain(0, max(self.pcp.pages - self.pcp.high, 0))

    def take(self, pages: int, migratetype: int) -> Sequence[Run]:
        """Take single pages past the per-CPU lists, as far as they go; not from CMA."""
        return self._take(pages, 0, migratetype, cma=False, nofragment=False)

    def _take(
        self, blocks: int, order: int, migratetype: int, cma: bool, nofragment: bool
    ) -> Sequence[Run]:
        """Take blocks from the buddy system in one go of rmqueue_bulk(), as far as they go."""
        many: Runs | None = None
        if not order and blocks >= _MANY and cma == (migratetype == MOVABLE):
            many = self._take_many(blocks) if cma else self._take_kernel_pages(blocks, migratetype)
            blocks -= many.block_count()
        taken: list[Run] = []
        mode = _NORMAL
        while blocks > 0:
            run, mode = self._take_some(blocks, order, migratetype, cma, nofragment, mode)
            if run is None:
                break
            self.buddy.account(order, run.blocks, self.buddy.type_of(run.first_pfn) == CMA)
            taken.append(run)
            blocks -= run.blocks
        return taken if many is None else Runs.chained([many, taken], order)

    def _take_kernel_pages(self, pages: int, migratetype: int) -> Runs:
        """Take single pages that are not movable, as long as whole blocks can be claimed."""
        taken = self.buddy.take_singles(migratetype, pages, claims=True)
        self.buddy.account(0, taken.block_count(), cma=False)
        return taken

    def _take_many(self, pages: int) -> Runs:
        """Take single movable pages as long as neither their own blocks nor CMA run short."""
        taken: list[Runs] = []
        while pages >= _MANY:
            own, cma = (
                self.buddy.blocks_free(self._max_order, kind) << self._max_order
                for kind in (MOVABLE, CMA)
            )
            sure = 0 if self._balance.cma_first() else self._balance.holds(0)
            size = min(pages, own, max(sure, cma))
            if size < _MANY:
                break
            bursts = self._balance.take(size)
            of_cma = sum(size for from_cma, size in bursts if from_cma)
            others = self.buddy.take_singles(MOVABLE, size - of_cma)
            taken.append(in_bursts(bursts, others, self.buddy.take_singles(CMA, of_cma)))
            pages -= size
        return Runs.chained(taken, 0)

    def _take_some(
        self, limit: int, order: int, migratetype: int, cma: bool, nofragment: bool, mode: str
    ) -> tuple[Run | None, str]:
        """Take at least one block: __rmqueue(), worked for as many calls as surely agree."""
        if cma:
            limit = min(limit, self._balance.holds(order))
            found = (
                self.buddy.take_smallest(order, CMA, limit) if self._balance.cma_first() else None
            )
            if found:
                return Run(*found), mode
        if mode == _NORMAL:
            found = self.buddy.take_smallest(order, migratetype, limit)
            if not found and cma:
                found = self.buddy.take_smallest(order, CMA, limit)
            if found:
                return Run(*found), mode
            strict = nofragment and order < self._pageblock_order
            least = self._pageblock_order if strict else order
            found = self.buddy.claim(order, migratetype, least, limit)
            if found:
                return Run(*found), _NORMAL
        pfn = None if nofragment else self.buddy.steal(order, migratetype)
        return (None if pfn is None else Run(pfn, 1)), _STEAL

    def _by_list(self, run: Run, order: int) -> list[tuple[int, Run]]:
        """Cut a run where its pageblocks go to another per-CPU list, as (slot, part)."""
        pfn, end = run.extent(order)
        kinds = self.buddy.types_of(pfn, end)
        slots = [self.pcp.slot_of(order, kind) for kind in set(kinds)]
        if len(set(slots)) == 1:
            return [(slots[0], run)]
        parts = []
        while pfn < end:
            slot = self.pcp.slot_of(order, self.buddy.type_of(pfn))
            until = min(end, (pfn // self._pageblock_pages + 1) * self._pageblock_pages)
            while until < end and self.pcp.slot_of(order, self.buddy.type_of(until)) == slot:
                until = min(end, until + self._pageblock_pages)
            parts.append((slot, run_of((pfn, until), order, run.step)))
            pfn = until
        return parts[:: run.step]

    def _free_to_lists(self, slot: int, runs: Sequence[Run]) -> None:
        """Free blocks of one list: many at once while that is sure, else run by run."""
        order = self.pcp.order_of(slot)
        if blocks_of(runs) << order < _MANY:
            for run in runs:
                self._free_run(slot, run)
            return
        queue = Queue(Runs.of(runs), order)
        while queue.left:
            blocks = min(queue.left, self._sure_frees() >> order)
            worked = self.rounds(slot)
            worked.work(0, min(blocks, _ROUND), blocks // min(blocks, _ROUND) if blocks else 0)
            if worked.rounds:
                freed = queue.take(worked.rounds * min(blocks, _ROUND))
                self.settle_rounds(slot, freed, worked)
            else:
                for run in queue.take(_ROUND):
                    self._free_run(slot, run)

    def _sure_frees(self) -> int:
        """Return how many pages can come back before the zone may look full enough again."""
        if not self.below_high:
            return self.end_pfn
        short = -self.above(self.watermark_high, False, ZONE_MOVABLE)
        return max(short - 2 * self.buddy.free.threshold - 2, 0)

    def rounds(self, slot: int) -> Rounds:
        """Begin to work rounds that free blocks of a list, as this zone is now."""
        return Rounds(self.pcp, self.buddy.free, self.below_high, slot)

    def settle_rounds(self, slot: int, freed: Runs, worked: Rounds) -> None:
        """Free blocks through their list, and take over the sizes that were worked."""
        lists, order = self.pcp, self.pcp.order_of(slot)
        for run in freed:
            lists.slots[slot].appendleft(run.backwards(order))
        lists.pages += freed.block_count() << order
        self._drain(slot, worked.drained << order)
        self.pcp = worked.lists
        free = self.buddy.free
        free.value, free.pending = worked.free.value, worked.free.pending

    def _free_run(self, slot: int, run: Run) -> None:
        """Free blocks of one list, from one overflow to the next."""
        order = self.pcp.order_of(slot)
        while run.blocks:
            count = min(run.blocks, self.pcp.room(order, self.below_high))
            part, run = run.split(count, order)
            surplus = self.pcp.push(slot, part, self.below_high)
            if surplus:
                self._drain(slot, surplus)
                high = self.watermark_high
                enough = self.below_high and self.passes(high, 0, False, ZONE_MOVABLE)
                self.below_high = self.below_high and not enough

    def _drain(self, slot: int, pages: int) -> None:
        for run, order in self.pcp.drained(slot, pages):
            self.buddy.give_run(run, order)


def preference(zones: list[Zone], zone: Zone) -> int:
    """Return which zone requests prefer that ask these zones in turn, seen from one of them."""
    if zone.name == zones[0].name:
        return THIS_ZONE
    return ZONE_MOVABLE if zones[0].name == MOVABLE_ZONE else KERNEL_ZONE
