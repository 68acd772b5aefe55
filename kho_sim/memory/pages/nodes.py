"""Which zones a machine has, in which order they are asked, and how much each keeps back.

Models the zone ranges, zonelists, watermarks and lowmem_reserve of mm/mm_init.c and mm/page_alloc.c
(kernel-facts 8, 9.1 to 9.3, kernel-facts-distro 5). Left out: distances between nodes that differ
(the nearest are the next in number).
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isqrt

from kho_sim.base.command_line import MovableCore
from kho_sim.base.extent import Extent, intersected
from kho_sim.platform.geometry import Geometry
from kho_sim.platform.rules import ZoneLimit

from .kinds import PCP_TYPES
from .movable import movable_starts
from .shortage import FreeCounts
from .zone import MOVABLE_ZONE, ZONE_MOVABLE, Zone

_LOWMEM_RESERVE_RATIO = 256
_NORMAL_RESERVE_RATIO = 32
"""Of the Normal zone, towards ZONE_MOVABLE."""
_MOVABLE_MIN_SHARE, _MOVABLE_MIN_PAGES, _MOVABLE_MAX_PAGES = 1024, 32, 128
"""The minimum watermark of ZONE_MOVABLE: a share of it, between these bounds."""
_MIN_FREE_FLOOR_KIB, _MIN_FREE_CEILING_KIB = 128, 262144
_THP_MIN_FREE_SHARE = 20
"""The THP recommendation takes at most one page in so many."""
_WATERMARK_STEP_SHARE = 1000
"""watermark_scale_factor 10: the steps between watermarks are at least 1/1000 of the zone."""


def build_zones(
    memory: list[tuple[int, int, int]],
    cpus_by_node: list[int],
    limits: Iterable[ZoneLimit],
    geometry: Geometry,
    movable_core: MovableCore,
) -> list[Zone]:
    """Return the zones of all nodes that have pages, by node, lowest first.

    ``memory`` is (start pfn, end pfn, nid); ``limits`` say which addresses each zone may hold,
    ascending; ``movable_core`` how much of them goes to ZONE_MOVABLE. A node without CPUs is worked
    by all of them.
    """
    limits = [limit for limit in limits if _has_memory(memory, limit, geometry)]
    lowest_pfn = limits[-1].start >> geometry.page_shift if limits else 0
    movable_from = movable_starts(sorted(memory), movable_core, lowest_pfn, geometry)
    shift = geometry.page_shift
    zones = []
    for nid in sorted({nid for *_, nid in memory}):
        own = [(start, end) for start, end, of in memory if of == nid]
        cpus = (cpus_by_node[nid] if nid < len(cpus_by_node) else 0) or sum(cpus_by_node)
        places = [(name, low >> shift, high >> shift) for name, low, high in limits]
        if movable := movable_from.get(nid):
            places = [(name, low, min(high, movable)) for name, low, high in places]
            places.append((MOVABLE_ZONE, movable, own[-1][1]))
        for name, low, high in places:
            inside = intersected(own, [(low, high)]) if low < high else []
            if inside:
                zones.append(Zone(name, nid, inside[0].start, inside[-1].end, cpus, geometry))
    return zones


def _has_memory(memory: list[tuple[int, int, int]], limit: ZoneLimit, geometry: Geometry) -> bool:
    low, high = limit.start >> geometry.page_shift, limit.end >> geometry.page_shift
    return any(start < high and low < end for start, end, _ in memory)


def zonelist(zones: list[Zone], nid: int) -> list[Zone]:
    """Order all zones for requests of a node: its own, highest first, then the next nodes'."""
    nodes = sorted({zone.nid for zone in zones}, key=lambda other: (other < nid, other))
    return [zone for node in nodes for zone in reversed(zones) if zone.nid == node]


def free_counts(zones: Iterable[Zone]) -> FreeCounts:
    """Count the free pages of some zones."""
    counts = [(zone.name, zone.buddy.free.exact(), zone.buddy.free_cma.exact()) for zone in zones]
    movable = sum(free - cma for name, free, cma in counts if name == MOVABLE_ZONE)
    return FreeCounts(sum(free for _, free, _ in counts), sum(cma for *_, cma in counts), movable)


def avoids_fragmentation(zones: list[Zone], nid: int) -> bool:
    """Tell whether requests of a node would rather use another zone than mix types in a pageblock.

    alloc_flags_nofragment(): the highest zone that may serve is Normal, with a DMA32 zone below; a
    machine of one node is taken to have that. (Recorded on arm64, whose low zone is DMA: one node
    does, of two neither.)
    """
    names = {zone.name for zone in zones if zone.nid == nid}
    one_node = {zone.nid for zone in zones} == {nid}
    highest_is_normal = {"Normal"} <= names <= {"Normal", "DMA32", "DMA"}
    return highest_is_normal and (one_node or "DMA32" in names)


def extents_of(memory: list[tuple[int, int, int]], zone: Zone) -> list[Extent]:
    """Return the pages that a zone has, by the memory map."""
    own = [(start, end) for start, end, nid in memory if nid == zone.nid]
    return intersected(own, [(zone.start_pfn, zone.end_pfn)])


def set_lowmem_reserve(zones: list[Zone]) -> None:
    """Protect each zone from requests that prefer a higher one, by that one's present size.

    adjust_managed_page_count() does it again whenever pages become managed: t6_4_2G shows a reserve
    that counts gigantic pages and released scratch.
    """
    for zone in zones:
        above = [z for z in zones if z.nid == zone.nid and z.start_pfn > zone.start_pfn]
        of_kernel = sum(other.managed_pages for other in above if other.name != MOVABLE_ZONE)
        zone.lowmem_reserve = of_kernel // _LOWMEM_RESERVE_RATIO
        if any(other.name == MOVABLE_ZONE for other in above):
            is_normal = zone.name == "Normal"
            ratio = _NORMAL_RESERVE_RATIO if is_normal else _LOWMEM_RESERVE_RATIO
            zone.movable_reserve = sum(other.managed_pages for other in above) // ratio


def set_watermarks(zones: list[Zone], online_cpus: int, for_huge: bool = False) -> None:
    """Compute lowmem_reserve, watermarks and the limits that follow from them.

    init_per_zone_wmark_min(); ``for_huge`` with the higher recommendation of
    set_recommended_min_free_kbytes(), which comes after the pools of huge pages are filled.
    """
    of_kernel = [zone for zone in zones if zone.name != MOVABLE_ZONE]
    geometry = zones[0].geometry
    managed = sum(zone.managed_pages for zone in of_kernel)
    kib_per_page = geometry.page_bytes // 1024
    kib = min(max(isqrt(managed * kib_per_page * 16), _MIN_FREE_FLOOR_KIB), _MIN_FREE_CEILING_KIB)
    min_pages = kib // kib_per_page
    if for_huge:
        recommended = geometry.pageblock_pages * len(of_kernel) * (2 + PCP_TYPES * PCP_TYPES)
        min_pages = max(min_pages, min(recommended, managed // _THP_MIN_FREE_SHARE))
    set_lowmem_reserve(zones)
    for zone in zones:
        zone.watermark_min = min_pages * zone.managed_pages // max(managed, 1)
        if zone.name == MOVABLE_ZONE:
            share = zone.managed_pages // _MOVABLE_MIN_SHARE
            zone.watermark_min = min(max(share, _MOVABLE_MIN_PAGES), _MOVABLE_MAX_PAGES)
        step = max(zone.watermark_min // 4, zone.managed_pages // _WATERMARK_STEP_SHARE)
        zone.watermark_low = zone.watermark_min + step
        zone.watermark_high = zone.watermark_low + step
        zone.resize_lists(online_cpus)


def available_pages(zones: list[Zone], free_pages: int, cached_pages: int) -> int:
    """Return the free pages less what zones hold back, and the cached ones that can be spared.

    Source: si_mem_available(), calculate_totalreserve_pages().
    """
    held_back = (
        min(zone.watermark_high + zone.kept_back(ZONE_MOVABLE), zone.managed_pages)
        for zone in zones
    )
    low = sum(zone.watermark_low for zone in zones)
    spared = cached_pages - min(cached_pages // 2, low)
    return max(free_pages - sum(held_back) + spared, 0)
