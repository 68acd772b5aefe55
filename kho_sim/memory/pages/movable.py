"""ZONE_MOVABLE: where ``kernelcore=`` and ``movablecore=`` make it begin on each node.

What the kernel may use for itself is spread evenly over the nodes and counted from the bottom of
each, holes left out; what lies below the highest kernel zone counts, but is never movable. Left
out: ``kernelcore=mirror``, and hot-pluggable memory (``movable_node``), of which no machine here
has any.

Source: kernel-facts-distro 5 for one node; that nodes share evenly is in the kernel's list of
parameters, how a node with too little passes its share on is assumed.
"""

from __future__ import annotations

from collections.abc import Sequence

from kho_sim.base.command_line import MovableCore
from kho_sim.base.extent import round_up
from kho_sim.platform.geometry import Geometry

Memory = Sequence[tuple[int, int, int]]
"""(start pfn, end pfn, nid), ascending."""


def movable_starts(
    memory: Memory, wanted: MovableCore, lowest_pfn: int, geometry: Geometry
) -> dict[int, int]:
    """Return the first pfn of ZONE_MOVABLE for each node that has one.

    ``lowest_pfn``: where the highest zone for the kernel begins. Source:
    find_zone_movable_pfns_for_nodes().
    """
    total = sum(end - start for start, end, _ in memory)
    left = _kernel_pages(wanted, total, geometry)
    if not 0 < left < total:
        return {}
    nodes = sorted({nid for *_, nid in memory})
    starts = dict.fromkeys(nodes, 0)
    sharing = len(nodes)
    while sharing and left >= sharing:
        share = left // sharing
        for nid in nodes:
            share = min(share, left)
            starts[nid], counted = _advance(memory, nid, starts[nid], share, lowest_pfn)
            left = max(left - counted, 0)
        sharing -= 1
    ends = {nid: end for _, end, nid in memory}
    aligned = {nid: round_up(max(pfn, 1), geometry.max_order_pages) for nid, pfn in starts.items()}
    return {nid: pfn for nid, pfn in aligned.items() if pfn < ends[nid]}


def _kernel_pages(wanted: MovableCore, total: int, geometry: Geometry) -> int:
    """Return how many pages the kernel may use; 0 without a limit."""
    kernel = wanted.kernel_bytes >> geometry.page_shift or total * wanted.kernel_percent // 100
    movable = wanted.movable_bytes >> geometry.page_shift or total * wanted.movable_percent // 100
    if movable:
        movable = min(round_up(movable, geometry.max_order_pages), total)
        kernel = max(kernel, total - movable)
    return kernel


def _advance(
    memory: Memory, nid: int, start_pfn: int, share: int, lowest_pfn: int
) -> tuple[int, int]:
    """Go on from ``start_pfn`` until a share is counted; return where, and how much was."""
    counted = 0
    for start, end, of in memory:
        start = max(start, start_pfn)
        if of != nid or start >= end:
            continue
        low = max(min(end, lowest_pfn) - start, 0)
        counted += low
        start_pfn = start + low
        if end <= lowest_pfn:
            continue
        part = min(end - start_pfn, max(share - counted, 0))
        counted += part
        start_pfn += part
        if counted >= share:
            break
    return start_pfn, counted
