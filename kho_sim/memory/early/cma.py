"""Contiguous memory areas (CMA): ``cma=`` and ``hugetlb_cma=``.

An area is memory that user space may use until somebody needs it in one piece: movable pages only,
as in scratch. Memblock reserves it; the page allocator gets its pageblocks, marked CMA, when
initcalls begin (``PageAllocator.release_cma``). Left out: who asks for pieces of an area later, and
areas made of several ranges, which the kernel falls back to.

Source: kernel-facts 7.1 and kernel-facts-distro section 6.
"""

from __future__ import annotations

from kho_sim.base import requesters
from kho_sim.base.command_line import CmaRequest, HugetlbCma
from kho_sim.base.extent import Extent, round_up
from kho_sim.memory.early.requests import Requests, Window
from kho_sim.memory.memblock import NO_NODE

FOUR_GIB = 4 << 30
MIB = 1 << 20


def declare_area(
    requests: Requests,
    what: str,
    size_bytes: int,
    align_bytes: int,
    *,
    nid: int = NO_NODE,
    start: int = 0,
    end: int = 0,
) -> Extent | None:
    """Reserve an area in [start, end) on exactly that node, from 4 GiB upwards if it fits there.

    An ``end`` of 0 is the end of accessible memory. Source: cma_declare_contiguous_nid().
    """
    windows = [Window(start, end)]
    if start < FOUR_GIB and (not end or end > FOUR_GIB):
        windows.insert(0, Window(FOUR_GIB, end, bottom_up=True))
    size = round_up(size_bytes, align_bytes)
    address = requests.alloc_in_windows(what, size, align_bytes, windows, nid=nid)
    return Extent(address, address + size) if address else None


def reserve_default_area(
    requests: Requests, wanted: CmaRequest, end: int, align: int
) -> tuple[list[Extent], list[str]]:
    """Reserve the area of ``cma=`` below ``end``, in whole multiples of ``align`` bytes; return it
    and what the kernel prints.

    Source: dma_contiguous_reserve().
    """
    if not wanted.size_bytes:
        return [], []
    limit = min(wanted.end or end, end)
    area = declare_area(
        requests, requesters.CMA_AREA, wanted.size_bytes, align, start=wanted.start, end=limit
    )
    size = round_up(wanted.size_bytes, align) // MIB
    if area is None:
        return [], [f"cma: Failed to reserve {size} MiB"]
    return [area], [f"cma: Reserved {size} MiB at {area.start:#018x}"]


def reserve_hugetlb_areas(
    requests: Requests, wanted: HugetlbCma, nodes: tuple[int, ...]
) -> tuple[list[Extent], list[str]]:
    """Reserve the areas of ``hugetlb_cma=``, one per node, in whole gigantic pages of the largest
    size; return them and what the kernel prints. Source: hugetlb_cma_reserve()."""
    geometry = requests.geometry
    if not geometry.gigantic_orders:
        return [], []
    unit = geometry.page_bytes << geometry.gigantic_orders[-1]
    by_node, messages = _bytes_by_node(wanted, requests.memblock.memory_size(), nodes, unit)
    total = sum(by_node.values())
    if not total:
        return [], messages
    most = max(by_node.values())
    messages.append(f"hugetlb_cma: reserve {total // MIB} MiB, up to {most // MIB} MiB per node")
    areas = []
    for nid, size in by_node.items():
        area = declare_area(requests, requesters.HUGETLB_CMA_AREA, size, unit, nid=nid)
        if area is None:
            messages.append(f"hugetlb_cma: reservation failed: err -12, node {nid}")
            continue
        areas.append(area)
        messages.append(f"hugetlb_cma: reserved {area.size // MIB} MiB on node {nid}")
    return areas, messages


def _bytes_by_node(
    wanted: HugetlbCma, memory_bytes: int, nodes: tuple[int, ...], unit: int
) -> tuple[dict[int, int], list[str]]:
    """Return what each node gets, and what is said of sizes below one page."""
    messages: list[str] = []
    if not wanted.per_node:
        total = wanted.total_bytes or memory_bytes * wanted.total_percent // 100
        if 0 < total < unit:
            message = f"hugetlb_cma: cma area should be at least {unit // MIB} MiB"
            return {}, [message]
        return _spread(total, nodes, unit), messages
    by_node: dict[int, int] = {}
    for nid, size_bytes, percent in wanted.per_node:
        size = size_bytes or memory_bytes * percent // 100
        if nid not in nodes:
            messages.append(f"hugetlb_cma: invalid node {nid} specified")
        elif 0 < size < unit:
            least = f"cma area of node {nid} should be at least {unit // MIB} MiB"
            messages.append(f"hugetlb_cma: {least}")
        elif size:
            by_node[nid] = round_up(size, unit)
    return by_node, messages


def _spread(total: int, nodes: tuple[int, ...], unit: int) -> dict[int, int]:
    """Give each node its share, rounded up to whole pages, until all is given."""
    left, by_node = total, {}
    share = -(-total // len(nodes))
    for nid in nodes:
        size = round_up(min(share, left), unit)
        if size:
            by_node[nid] = size
        left = max(left - size, 0)
    return by_node
