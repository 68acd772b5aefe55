"""Scratch: how large the first kernel makes it, where, and what happens if it cannot.

Models kho_reserve_scratch() of kernel/liveupdate/kexec_handover.c (kernel-facts section 3); what
differs between releases are their ``ScratchRules``. Later kernels of a chain never size or move the
areas; they inherit the array. Left out: nodes without memory, which kernels before 7.0 fail at.
"""

from __future__ import annotations

from dataclasses import dataclass

from kho_sim.base import requesters
from kho_sim.base.command_line import ScratchRequest
from kho_sim.base.extent import round_up
from kho_sim.kho.populate import DESCRIPTOR_BYTES
from kho_sim.memory.early.requests import Requests
from kho_sim.memory.free_ranges import ADDRESS_MAX
from kho_sim.memory.memblock import NO_NODE, Memblock
from kho_sim.platform.geometry import Geometry
from kho_sim.releases import ScratchRules

SIZE_BITS = 64
"""Sizes are unsigned: a deficit of less than the alignment rounds up to nothing."""
DISABLED = "KHO: Failed to reserve scratch area, disabling kexec handover"


@dataclass(frozen=True, slots=True)
class ScratchReservation:
    """The areas in array order as (start, size), or why there are none.

    ``kernel_reserved_bytes`` is what the percentage was taken of.
    """

    areas: tuple[tuple[int, int], ...]
    kernel_reserved_bytes: int
    messages: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        return bool(self.messages)


def kernel_reserved_bytes(
    memblock: Memblock, rules: ScratchRules, limit: int = ADDRESS_MAX, nid: int = NO_NODE
) -> int:
    """Return the memory that this kernel reserved for itself, gigantic pages where they count."""
    reserved = memblock.kern_size(limit, nid)
    return reserved if rules.gigantic_pages_count else reserved - memblock.hugetlb_size(limit, nid)


def alignment_bytes(geometry: Geometry, rules: ScratchRules) -> int:
    """Return what scratch areas are aligned to. Source: kernel-facts-releases 1."""
    if rules.aligned_to_largest_block:
        return geometry.scratch_align_bytes
    return geometry.pageblock_bytes


def reserve_scratch(
    requests: Requests,
    wanted: ScratchRequest,
    nodes: tuple[int, ...],
    low_address: int,
    rules: ScratchRules,
) -> ScratchReservation:
    """Size and reserve lowmem, global and per-node areas; any failure gives everything back.

    ``low_address``: the last byte of low memory, which the first area is below.
    """
    memblock, align = requests.memblock, alignment_bytes(requests.geometry, rules)
    reserved = kernel_reserved_bytes(memblock, rules)
    low, everywhere = _shared_sizes(memblock, wanted, low_address, rules, align)
    obtained: list[tuple[int, int]] = []

    def fail(which: str) -> ScratchReservation:
        for address, size in reversed(obtained):
            requests.free(address, 0, size)
        message = f"KHO: Failed to reserve {which}"
        return ScratchReservation((), reserved, (message, DISABLED))

    array_bytes = DESCRIPTOR_BYTES * (len(nodes) + 2)
    array = requests.alloc(requesters.SCRATCH_ARRAY, array_bytes, requests.geometry.page_bytes)
    if not array:
        return fail("scratch array")
    obtained.append((array, array_bytes))
    areas: list[tuple[int, int]] = []
    for what, size, limit in (
        (requesters.LOWMEM_SCRATCH, low, low_address),
        (requesters.GLOBAL_SCRATCH, everywhere, 0),
    ):
        start = requests.alloc_range(what, size, align, 0, limit)
        if not start:
            return fail(f"{what} buffer")
        obtained.append((start, size))
        areas.append((start, size))
    for nid in nodes:
        size = round_up(_node_size(memblock, wanted, nid, rules), align)
        start = requests.alloc_exact(requesters.node_scratch(nid), size, align, nid)
        if not start:
            return fail(f"nid {nid} scratch buffer")
        obtained.append((start, size))
        areas.append((start, size))
    return ScratchReservation(tuple(areas), reserved)


def _shared_sizes(
    memblock: Memblock, wanted: ScratchRequest, low_address: int, rules: ScratchRules, align: int
) -> tuple[int, int]:
    """Return the sizes of the lowmem and the global area."""
    if not wanted.scale_percent:
        low, everywhere = wanted.lowmem_bytes, wanted.global_bytes
        if not rules.explicit_sizes_rounded:
            return low, everywhere
        return round_up(low, align), round_up(everywhere, align)
    low = kernel_reserved_bytes(memblock, rules, low_address) * wanted.scale_percent // 100
    everywhere = kernel_reserved_bytes(memblock, rules) * wanted.scale_percent // 100
    rounded = round_up(low, align)
    rest = everywhere - (rounded if rules.global_excludes_rounded_lowmem else low)
    return rounded, round_up(rest, align) % (1 << SIZE_BITS)


def _node_size(memblock: Memblock, wanted: ScratchRequest, nid: int, rules: ScratchRules) -> int:
    if not wanted.scale_percent:
        return wanted.pernode_bytes
    return kernel_reserved_bytes(memblock, rules, nid=nid) * wanted.scale_percent // 100
