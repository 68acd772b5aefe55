"""The software IO TLB (bounce buffers in low memory): step 35 and 36 of kernel-facts section 6."""

from __future__ import annotations

from kho_sim.base import requesters
from kho_sim.base.extent import round_up
from kho_sim.memory.early.requests import Requests

SLAB_BYTES = 2048
SMALLEST_SLABS = 512
"""1 MiB: below that the kernel gives up."""
SEGMENT_SLABS = 128
SLOT_BYTES = 24
AREA_BYTES = 16


def allocate_bounce_buffers(
    requests: Requests, size_bytes: int, cpus: int, low_address: int
) -> list[str]:
    """Allocate buffers below ``low_address``, slots and areas; halve until they fit.

    Returns what the kernel prints. Source: swiotlb_init_remap().
    """
    messages: list[str] = []
    page_bytes = requests.geometry.page_bytes
    slabs = wanted = size_bytes // SLAB_BYTES
    while not requests.alloc(requesters.SWIOTLB, slabs * SLAB_BYTES, page_bytes, high=low_address):
        messages.append(
            f"swiotlb_memblock_alloc: Failed to allocate {slabs * SLAB_BYTES} bytes tlb structure"
        )
        if slabs <= SMALLEST_SLABS:
            return messages
        slabs = round_up(slabs // 2, SEGMENT_SLABS)
    if slabs != wanted:
        messages.append(
            f"software IO TLB: SWIOTLB bounce buffer size adjusted {wanted} -> {slabs} slabs"
        )
    slots = round_up(slabs * SLOT_BYTES, page_bytes)
    areas = min(1 << (cpus - 1).bit_length(), max(slabs // SEGMENT_SLABS, 1))
    for what, size, align in (
        (requesters.SWIOTLB_SLOTS, slots, page_bytes),
        (requesters.SWIOTLB_AREAS, areas * AREA_BYTES, 64),
    ):
        if not requests.alloc(what, size, align):
            messages.append(f"swiotlb_init_remap: Failed to allocate {size} bytes align={align:#x}")
            break
    return messages
