"""How many struct pages a kernel initialises early, and how many on each node once all CPUs are up.

Models the bounds of deferred_init_memmap() (kernel-facts 8): on a node the highest zone keeps a
section for memblock_free_all(); of the rest what is free waits, and what is reserved is initialised
at once, but for ranges with the NOINIT flag. Counts alone: which pages those are does not follow
from here (``memory.pages.handover``). Left out: holes in the first section, ZONE_MOVABLE.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kho_sim.base.extent import Extent, round_up
from kho_sim.memory.memblock import RSRV_NOINIT, Memblock
from kho_sim.memory.regions import Regions
from kho_sim.platform.rules import ZoneLimit


@dataclass(frozen=True, slots=True)
class StructPages:
    """Numbers of struct pages; ``deferred``: by node."""

    early: int = 0
    deferred: dict[int, int] = field(default_factory=dict)


def struct_pages(
    memblock: Memblock, zones: Iterable[ZoneLimit], skipped: Iterable[Extent] = ()
) -> StructPages:
    """Return the struct pages of a kernel that defers most of them.

    ``memblock``: as early boot leaves it. ``zones``: those that a node can have. ``skipped``:
    memory that is kept from the page allocator without being reserved; the retrieval initialises
    its struct pages, as it does those of ranges with the NOINIT flag.
    """
    page_bytes, limits = memblock.geometry.page_bytes, list(zones)
    by_node: dict[int, list[Extent]] = {}
    for region in memblock.memory:
        by_node.setdefault(region.nid, []).append(Extent(region.base, region.end))
    kept_from, kept_to = np.array(list(skipped), np.uint64).reshape(-1, 2).T
    early_bytes, deferred = 0, {}
    for nid, memory in by_node.items():
        border = _border(memory, limits, memblock.geometry.section_bytes)
        late_bytes = uninitialised = 0
        for start, end in memory:
            first = min(max(start, border), end)
            late_bytes += end - first - _inside(memblock.reserved, first, end, 0)
            late_bytes -= _overlap(kept_from, kept_to, first, end)
            uninitialised += _inside(memblock.reserved, start, end, RSRV_NOINIT)
            uninitialised += _overlap(kept_from, kept_to, start, end)
        early_bytes += sum(part.size for part in memory) - late_bytes - uninitialised
        deferred[nid] = late_bytes // page_bytes
    return StructPages(max(early_bytes, 0) // page_bytes, deferred)


def _border(memory: list[Extent], zones: list[ZoneLimit], section_bytes: int) -> int:
    """Return where deferral begins on a node: behind a section of its highest zone."""
    for zone in reversed(zones):
        inside = [part for part in memory if part.start < zone.end and zone.start < part.end]
        if inside:
            return round_up(max(inside[0].start, zone.start) + section_bytes, section_bytes)
    return memory[-1].end


def _inside(regions: Regions, start: int, end: int, flag: int) -> int:
    """Return the bytes of [start, end) that lie in regions with a flag (0: in all)."""
    flagged = np.frombuffer(regions.flags, np.uint16) & flag == flag
    bases, ends = (np.frombuffer(column, np.uint64) for column in (regions.bases, regions.ends))
    return _overlap(bases[flagged], ends[flagged], start, end)


def _overlap(bases: NDArray[np.uint64], ends: NDArray[np.uint64], start: int, end: int) -> int:
    first, last = np.uint64(start), np.uint64(end)
    return int((ends.clip(first, last) - bases.clip(first, last)).sum())
