"""The page allocator of one kernel: nodes, zones, and who is asked in which order.

Models get_page_from_freelist() and its slow path as far as they decide which zone serves, the
hand-over from memblock (mm/page_alloc.c; kernel-facts 8 and 9). Bulk requests are worked in runs,
as page by page (tests/naive/pages.py). Left out: compaction, reclaim of anything but clean page
cache, HIGHATOMIC reserves, memory policies but boot's (``turns``), pageblocks that nodes share.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from kho_sim.base.command_line import MovableCore
from kho_sim.base.errors import ensure
from kho_sim.base.extent import Extent, intersected, merged, subtracted, touching_joined
from kho_sim.platform.geometry import PAGES_4K, Geometry
from kho_sim.platform.rules import ZoneLimit

from .dma_pools import take_dma_pools
from .handover import EMULATED, Interleaving, early_end, give_deferred, give_early
from .kinds import (
    CMA,
    COSTLY_ORDER,
    MOVABLE,
    TYPE_SLOTS,
    UNMOVABLE,
    Migratetype,
    Request,
    Run,
    joined,
)
from .nodes import (
    available_pages,
    avoids_fragmentation,
    build_zones,
    extents_of,
    free_counts,
    set_lowmem_reserve,
    set_watermarks,
    zonelist,
)
from .other_cpus import free_by_worker, go_on_elsewhere
from .reclaim import CachedPages
from .runs import Runs, blocks_of, in_turn
from .shortage import FreeCounts, OomKiller, OutOfMemory, out_of_memory
from .stretches import undisturbed
from .turns import AskingNode
from .zone import MOVABLE_ZONE, Zone, preference
from .zone_map import ZoneMap

NO_MOVABLE_CORE = MovableCore()


class PageAllocator:
    """All nodes of one kernel. Addresses that callers see are bytes, runs are page frame numbers.

    ``memory`` is (start, end, nid), ``scratch`` (start, size) in array order, ``zones`` what each
    zone that a node can have may hold, ascending. In a kernel that was handed scratch
    (``kho_boot``) its pageblocks are CMA from the beginning; a first kernel has it among the
    reserved until ``release_scratch``. ``interleaving`` says how the workers of deferred
    initialisation take turns (see handover); what it leaves to chance comes from ``drawn``.
    """

    def __init__(
        self,
        memory: Iterable[tuple[int, int, int]],
        scratch: Iterable[tuple[int, int]],
        cpus_by_node: list[int],
        *,
        zones: Iterable[ZoneLimit],
        kho_boot: bool,
        interleaving: Interleaving = EMULATED,
        drawn: random.Random | None = None,
        geometry: Geometry = PAGES_4K,
        movable_core: MovableCore = NO_MOVABLE_CORE,
    ):
        self.geometry = geometry
        self._memory = [(*geometry.pages_inside(start, end), nid) for start, end, nid in memory]
        self._scratch = [
            geometry.pages_around(start, start + size) for start, size in scratch if size
        ]
        self._interleaving = interleaving
        self._drawn = drawn or random.Random(0)
        self._online_cpus = sum(cpus_by_node)
        self._zones = build_zones(self._memory, cpus_by_node, zones, geometry, movable_core)
        movable = [Extent(z.start_pfn, z.end_pfn) for z in self._zones if z.name == MOVABLE_ZONE]
        self.movable_only = merged([*self._scratch, *movable])
        """Where nothing may stay for long, in pages: ZONE_MOVABLE, and CMA from the beginning or
        from when it is released on."""
        self.zone_map = ZoneMap(self._memory, self._zones)
        # A node whose memory holds no whole page has no zone, and CPUs that may ask.
        nids = {zone.nid for zone in self._zones}.union(range(len(cpus_by_node)))
        self._zonelists = {nid: zonelist(self._zones, nid) for nid in sorted(nids)}
        of_kernel = [zone for zone in self._zones if zone.name != MOVABLE_ZONE]
        self._kernel_lists = {nid: zonelist(of_kernel, nid) for nid in sorted(nids)}
        """The same without ZONE_MOVABLE, for requests whose pages cannot be moved."""
        self._strict = {nid: avoids_fragmentation(of_kernel, nid) for nid in nids}
        self.asking = AskingNode(self._zones)  # whose memory requests get that name no node
        self.cached = CachedPages()  # user pages that are given back when memory is short
        self.oom_killer: OomKiller | None = None  # asked where that is in vain
        self._free: dict[Zone, list[Extent]] = {}
        """What each zone was given by memblock, until all of it is initialised."""
        self._deferred: dict[int, int] = {}
        if kho_boot:
            for area in self._scratch:
                self._mark_cma(area)

    # Hand-over from memblock

    def open(self, reserved: Iterable[tuple[int, int]]) -> None:
        """Take over all memory that is not reserved, with no allocation before the last marks."""
        self.open_early(reserved)
        self.finish_deferred()
        self.adopt_gigantic([])

    def open_early(self, reserved: Iterable[tuple[int, int]], deferred: bool = True) -> None:
        """Take over what memblock_free_all() frees; the rest of each node stays deferred, where
        struct pages are initialised late."""
        taken = [self.geometry.pages_around(start, end) for start, end in reserved]
        for zone in self._zones:
            own = extents_of(self._memory, zone)
            self._free[zone] = subtracted(own, taken)
            end = zone.end_pfn
            if deferred and self._zonelists[zone.nid][0] is zone:
                end = self._deferred[zone.nid] = early_end(own, zone)
            give_early(zone, intersected(self._free[zone], [(zone.start_pfn, end)]))
            zone.resize_lists(1)
            zone.buddy.free.threshold = zone.buddy.free_cma.threshold = 0

    def finish_deferred(self, dma_pools: bool = False, moves: bool = False) -> None:
        """Initialise what is deferred, set watermarks, go on on another CPU if boot ``moves``, take
        ``dma_pools``: page_alloc_init_late() and after."""
        for nid, first_pfn in sorted(self._deferred.items()):
            zone = self._zonelists[nid][0]
            if first_pfn < zone.end_pfn:
                free = intersected(self._free[zone], [(first_pfn, zone.end_pfn)])
                give_deferred(zone, first_pfn, free, self._interleaving, self._drawn)
        self._deferred.clear()
        self._free.clear()
        set_watermarks(self._zones, self._online_cpus)
        if moves:
            go_on_elsewhere(self._zones, self._online_cpus)
        if dma_pools:
            take_dma_pools(self._zones)

    def give_late(self, extents: Iterable[tuple[int, int]], by_worker: bool = False) -> None:
        """Free what was reserved in early boot only (bytes, whole pages): memblock_free_late(), or
        what a worker thread frees page by page (other_cpus)."""
        for start, end in extents:
            for zone, run in self.zone_map.by_zone(self._run_of_bytes(start, end)):
                if by_worker:
                    free_by_worker(zone, run, self._online_cpus)
                else:
                    give_early(zone, [Extent(*run.extent())])

    def release_scratch(self) -> None:
        """Turn the first kernel's scratch into free CMA pageblocks: kho_init()."""
        self._release(self._scratch)

    def release_cma(self, areas: Iterable[Extent]) -> None:
        """Turn contiguous areas (bytes) into free CMA pageblocks: cma_init_reserved_areas()."""
        pages = [self.geometry.pages_inside(*area) for area in areas]
        self.movable_only = merged([*self.movable_only, *pages])
        self._release(pages)

    def adopt_gigantic(self, extents: Iterable[tuple[int, int]]) -> None:
        """Note gigantic pages taken from memblock (bytes): managed, never free; hugetlb_init().
        After it marks rise for huge pages: hugepage_init()."""
        for start, end in extents:
            for zone, run in self.zone_map.by_zone(self._run_of_bytes(start, end)):
                zone.managed_pages += run.blocks
        set_watermarks(self._zones, self._online_cpus, for_huge=True)

    def adopt(self, extents: Iterable[tuple[int, int]], user: bool = True) -> None:
        """Note restored pages (bytes), managed and in use from now on; ``user`` as in ``free``."""
        for start, end in touching_joined(extents):
            for zone, run in self.zone_map.by_zone(self._run_of_bytes(start, end)):
                zone.managed_pages += run.blocks
                if user:
                    zone.buddy.user_pages.count(run.extent(), +1)
        set_lowmem_reserve(self._zones)

    # Requests

    def alloc(
        self,
        count: int,
        order: int = 0,
        migratetype: Migratetype = MOVABLE,
        node: int | None = None,
        cma: bool | None = None,
        user: bool | None = None,
        kill: bool = True,
    ) -> Sequence[Run]:
        """Serve ``count`` requests for one block each, in turn; runs come in allocation order.

        ``cma`` says whether CMA may serve (default: movable requests). ``user`` says whether these
        become user pages, which count as movable in later claims (default: movable requests).
        ``kill``: whether the OOM killer may be asked for blocks that are not costly. Raises
        OutOfMemory, with what was obtained, when no zone can serve the next request.
        """
        movable = migratetype == MOVABLE
        with_cma = movable if cma is None else cma
        user = movable if user is None else user
        if node is None and self.asking.in_turn:
            return self.asking.alloc(self.alloc, count, order, migratetype, cma, user)
        node = self.asking.home if node is None else node
        got: list[Sequence[Run]] = []
        while count:
            runs = self._serve(Request(count, order, migratetype, with_cma), node)
            if not runs:
                found = in_turn(got, order)
                short = out_of_memory(found, count, order, with_cma, self.free_pages())
                killer = self.oom_killer if kill and order <= COSTLY_ORDER else None
                if killer is None or not killer(short):
                    raise short
            if runs and user:
                _, zone = self.zone_map.owner_of(runs[0].first_pfn)
                zone.count_user_pages(runs, order, +1)
            count -= blocks_of(runs)
            got.append(runs)
        return in_turn(got, order)

    def undisturbed(self, count: int, migratetype: Migratetype) -> tuple[int, int]:
        """Return how many of ``count`` requests for user pages, and how many for unmovable ones,
        can be served one kind after the other as if they came in turns; (0, 0) where unsure."""
        if self._deferred or self.asking.in_turn:
            return 0, 0
        request = Request(count, 0, migratetype, migratetype == MOVABLE)
        zones = self._zonelists if migratetype == MOVABLE else self._kernel_lists
        home = self.asking.home
        return undisturbed(request, zones[home], self._kernel_lists[home])

    def kernel_zones(self, node: int | None = None) -> list[Zone]:
        """Return the zones that unmovable requests ask, in order; none while that still changes."""
        if self._deferred or (node is None and self.asking.in_turn):
            return []
        return self._kernel_lists[self.asking.home if node is None else node]

    def zones_of(self, runs: Runs) -> list[tuple[Zone, int]]:
        """Return the zones that runs of single pages lie in, each with how many pages in a row."""
        return [(zone, blocks_of(part)) for zone, part in self.zone_map.in_turn(runs, 0)]

    def alloc_largest(
        self, pages: int, migratetype: Migratetype = UNMOVABLE, node: int | None = None
    ) -> list[Run]:
        """Allocate as vmalloc() does: the largest blocks that fit the rest, single pages at last.

        Returns runs of pages. Raises OutOfMemory, with what was obtained in pages.
        """
        got: list[Run] = []
        highest = self.geometry.max_order
        while pages:
            order = min(highest, pages.bit_length() - 1)
            try:
                count = pages if order == 0 else 1
                runs = self.alloc(count, order, migratetype, node, kill=order == 0)
            except OutOfMemory as short:
                if order == 0:
                    wanted = pages + blocks_of(got)
                    got += short.allocated
                    raise OutOfMemory(got, wanted, 0, short.shortage) from short
                highest = order - 1
                continue
            got += runs if order == 0 else [Run(runs[0].first_pfn, 1 << order)]
            pages -= blocks_of(runs) << order
        return joined(got, 0)

    def free(self, runs: Iterable[Run], order: int = 0, user: bool = False) -> None:
        """Free blocks one by one, as given; ``user`` as it was when they were allocated."""
        for zone, part in self.zone_map.in_turn(runs, order):
            if user:
                zone.count_user_pages(part, order, -1)
            zone.free(part, order)

    def settle(self) -> None:
        """Let time pass in which nobody allocates: minutes are enough for what is cached to
        return."""
        for zone in self._zones:
            zone.settle()

    # Looking

    def free_pages(self, node: int | None = None) -> FreeCounts:
        """Count the free pages of one node, or of all; per-CPU lists are not among them."""
        return free_counts(zone for zone in self._zones if node in (None, zone.nid))

    def managed_pages(self) -> int:
        """Return the pages that the allocator owns, free or not: MemTotal of /proc/meminfo."""
        return sum(zone.managed_pages for zone in self._zones)

    def available_pages(self) -> int:
        """Return what a program may count on, as MemAvailable of /proc/meminfo says it."""
        return available_pages(self._zones, self.free_pages().pages, self.cached.pages)

    def buddyinfo(self) -> dict[tuple[int, str], list[int]]:
        """Return free blocks per order, as /proc/buddyinfo has them, by (node, zone name)."""
        return {
            (zone.nid, zone.name): [
                sum(zone.buddy.blocks_free(order, kind) for kind in range(TYPE_SLOTS))
                for order in range(self.geometry.max_order + 1)
            ]
            for zone in self._zones
        }

    def free_lists(self) -> dict[tuple[int, str, int, int], list[int]]:
        """Return every free list that is not empty, head first, by (node, zone, order, type)."""
        return {
            (zone.nid, zone.name, order, kind): list(zone.buddy.listed(order, kind))
            for zone in self._zones
            for order in range(self.geometry.max_order + 1)
            for kind in range(TYPE_SLOTS)
            if zone.buddy.blocks_free(order, kind)
        }

    def check(self) -> None:
        """Hold all invariants; raises ModelError at the first that is broken."""
        for zone in self._zones:
            zone.buddy.check()
            ensure(zone.pcp.pages >= 0, "per-CPU lists of {} hold {}", zone.name, zone.pcp.pages)

    # Inside

    def _serve(self, request: Request, node: int) -> Sequence[Run]:
        """Serve some requests: first above the low watermarks, then as the slow path does."""
        movable = request.migratetype == MOVABLE
        zones = self._zonelists[node] if movable else self._kernel_lists[node]
        strict = self._strict[node] and zones[0].name != MOVABLE_ZONE
        runs = self._ask(zones, "watermark_low", request, strict)
        runs = runs or self._ask(zones, "watermark_min", request, strict=False)
        if not runs and (request.order or self.cached.pages):  # reclaim or compaction gets on
            for zone in zones:
                zone.drain()
            runs = self._ask(zones, "watermark_min", request, strict=False)
        while not runs and self.cached.pages:
            self.free(self.cached.oldest(), user=True)
            runs = self._ask(zones, "watermark_min", request, strict=False)
        return runs

    def _ask(self, zones: list[Zone], mark: str, request: Request, strict: bool) -> Sequence[Run]:
        """Ask zone after zone; ``strict`` forbids claims below a pageblock until all were asked.

        Leaving the own node ends strictness at once: get_page_from_freelist().
        """
        for zone in zones:
            if strict and zone.nid != zones[0].nid:
                break
            reserve = preference(zones, zone)
            while True:
                if zone.passes(getattr(zone, mark), request.order, request.cma, reserve):
                    limits = zone.limits
                    runs = zone.serve(
                        request.blocks,
                        request.order,
                        request.migratetype,
                        request.cma,
                        strict,
                        reserve,
                    )
                    if runs:
                        return runs
                    if zone.limits != limits:
                        request.blocks = 1
                if not self._grow(zone, request.order):
                    break
        return self._ask(zones, mark, request, strict=False) if strict else []

    def _grow(self, zone: Zone, order: int) -> bool:
        """Initialise one more deferred section, or as many as a block needs."""
        first = self._deferred.get(zone.nid, zone.end_pfn)
        if self._zonelists[zone.nid][0] is not zone or first >= zone.end_pfn:
            return False
        before, section_pages = zone.managed_pages, self.geometry.section_pages
        end = first
        while end < zone.end_pfn and zone.managed_pages - before < 1 << order:
            start, end = end, min((end // section_pages + 1) * section_pages, zone.end_pfn)
            give_early(zone, intersected(self._free[zone], [(start, end)]))
        self._deferred[zone.nid] = end
        return zone.managed_pages > before

    def _release(self, areas: Iterable[Extent]) -> None:
        order = self.geometry.pageblock_order
        for area in areas:
            self._mark_cma(area)
            for zone, run in self.zone_map.by_zone(Run(area.start, area.size >> order), order):
                zone.managed_pages += run.blocks << order
                zone.free([run], order)
        set_lowmem_reserve(self._zones)

    def _mark_cma(self, area: Extent) -> None:
        for zone in self._zones:
            inside = area.clip(Extent(zone.start_pfn, zone.end_pfn))
            if inside.size:
                zone.buddy.set_type(inside.start, inside.end, CMA)

    def _run_of_bytes(self, start: int, end: int) -> Run:
        shift = self.geometry.page_shift
        return Run(start >> shift, (end - start) >> shift)
