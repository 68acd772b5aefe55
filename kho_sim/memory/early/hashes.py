"""The large hash tables of early boot: kernel-facts section 6.3."""

from __future__ import annotations

from kho_sim.base import requesters
from kho_sim.base.extent import round_up
from kho_sim.memory.early.requests import BootPanic, Requests
from kho_sim.memory.memblock import NOMAP
from kho_sim.platform.geometry import Geometry

ADAPT_BASE_BYTES = 64 << 30
"""Above 64 GiB tables grow with the square root of memory: one more in scale for every x4."""
ROUNDING_BYTES = 1 << 20
BUCKET_BYTES = 8
EARLY_HASHES = (
    (requesters.DENTRY_HASH, "Dentry cache", 13),
    (requesters.INODE_HASH, "Inode-cache", 14),
)


def free_pages_for_sizing(requests: Requests) -> int:
    """Return ``nr``, the free pages that table sizes follow. Source: calc_nr_kernel_pages()."""
    page_bytes = requests.geometry.page_bytes
    return sum(
        max(gap.end // page_bytes - -(-gap.start // page_bytes), 0)
        for gap in requests.memblock.free_ranges()
        if not gap.flags & NOMAP
    )


def table_bytes(geometry: Geometry, free_pages: int, scale: int) -> int:
    """Return the size of a table without a fixed limit.

    A bucket for every 2^scale bytes of memory, in a power of two of buckets, at least a page of
    them, at most a sixteenth of memory. Source: alloc_large_system_hash().
    """
    buckets = round_up(free_pages, ROUNDING_BYTES >> geometry.page_shift)
    pages = ADAPT_BASE_BYTES >> geometry.page_shift
    while pages < buckets:
        scale += 1
        pages *= 4
    buckets = (buckets << geometry.page_shift) >> scale
    buckets = max(buckets, geometry.page_bytes // BUCKET_BYTES)
    buckets = 1 << (buckets - 1).bit_length()
    most = min((free_pages << geometry.page_shift >> 4) // BUCKET_BYTES, 1 << 31)
    buckets = min(buckets, most)
    return int(BUCKET_BYTES << (buckets.bit_length() - 1))


def allocate_early_hashes(requests: Requests, free_pages: int) -> dict[str, int]:
    """Allocate both tables; return the bytes each got. A table that does not fit is halved."""
    got = {}
    geometry = requests.geometry
    for what, name, scale in EARLY_HASHES:
        size = table_bytes(geometry, free_pages, scale)
        while not requests.alloc(what, size, 64):
            if size <= geometry.page_bytes:
                raise BootPanic(f"Failed to allocate {name} hash table")
            size //= 2
        got[what] = size
    return got
