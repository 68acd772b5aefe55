"""Scratch: how large the first kernel makes it, where, and what happens if it can not.

Models kho_reserve_scratch() of kernel/liveupdate/kexec_handover.c, Linux 7.3 (kernel-facts section
3). Later kernels of a chain never size or move the areas; they inherit the array.
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


def kernel_reserved_bytes(memblock: Memblock, limit: int = ADDRESS_MAX, nid: int = NO_NODE) -> int:
    """Return the memory that this kernel reserved for itself, gigantic pages not counted."""
    return memblock.kern_size(limit, nid) - memblock.hugetlb_size(limit, nid)


def reserve_scratch(
    requests: Requests, wanted: ScratchRequest, nodes: tuple[int, ...], low_address: int
) -> ScratchReservation:
    """Size and reserve lowmem, global and per-node areas; any failure gives everything back.

    ``low_address``: the last byte of low memory, which the first area is below.
    """
    memblock, align = requests.memblock, requests.geometry.scratch_align_bytes
    reserved = kernel_reserved_bytes(memblock)
    low, everywhere = (
        round_up(size, align) for size in _shared_sizes(memblock, wanted, low_address)
    )
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
        size = round_up(_node_size(memblock, wanted, nid), align)
        start = requests.alloc_exact(requesters.node_scratch(nid), size, align, nid)
        if not start:
            return fail(f"nid {nid} scratch buffer")
        obtained.append((start, size))
        areas.append((start, size))
    return ScratchReservation(tuple(areas), reserved)


def _shared_sizes(memblock: Memblock, wanted: ScratchRequest, low_address: int) -> tuple[int, int]:
    if not wanted.scale_percent:
        return wanted.lowmem_bytes, wanted.global_bytes
    low = kernel_reserved_bytes(memblock, low_address) * wanted.scale_percent // 100
    everywhere = kernel_reserved_bytes(memblock) * wanted.scale_percent // 100
    return low, everywhere - low


def _node_size(memblock: Memblock, wanted: ScratchRequest, nid: int) -> int:
    if not wanted.scale_percent:
        return wanted.pernode_bytes
    return kernel_reserved_bytes(memblock, nid=nid) * wanted.scale_percent // 100
