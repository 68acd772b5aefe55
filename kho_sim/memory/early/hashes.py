"""The large hash tables of early boot: kernel-facts section 6.3."""

from __future__ import annotations

from kho_sim.base import requesters
from kho_sim.base.extent import round_up
from kho_sim.memory.early.requests import BootPanic, Requests
from kho_sim.memory.memblock import PAGE_SIZE

ADAPT_BASE_PAGES = (64 << 30) // PAGE_SIZE
"""Above 64 GiB tables grow with the square root of memory: one more in scale for every x4."""
BUCKET_BYTES = 8
EARLY_HASHES = (
    (requesters.DENTRY_HASH, "Dentry cache", 13),
    (requesters.INODE_HASH, "Inode-cache", 14),
)


def free_pages_for_sizing(requests: Requests) -> int:
    """Return ``nr``, the free pages that table sizes follow. Source: calc_nr_kernel_pages()."""
    return sum(
        max(gap.end // PAGE_SIZE - -(-gap.start // PAGE_SIZE), 0)
        for gap in requests.memblock.free_ranges()
    )


def table_bytes(free_pages: int, scale: int, bucket_bytes: int = BUCKET_BYTES) -> int:
    """Return the size of a table without a fixed limit. Source: alloc_large_system_hash()."""
    entries = round_up(free_pages, 256)
    pages = ADAPT_BASE_PAGES
    while pages < entries:
        scale += 1
        pages *= 4
    entries >>= scale - 12
    entries = max(entries, PAGE_SIZE // bucket_bytes)
    entries = 1 << (entries - 1).bit_length()
    most = min((free_pages << 12 >> 4) // bucket_bytes, 1 << 31)
    entries = min(entries, most)
    return int(bucket_bytes << (entries.bit_length() - 1))


def allocate_early_hashes(requests: Requests, free_pages: int) -> dict[str, int]:
    """Allocate both tables; return the bytes each got. A table that does not fit is halved."""
    got = {}
    for what, name, scale in EARLY_HASHES:
        size = table_bytes(free_pages, scale)
        while not requests.alloc(what, size, 64):
            if size <= PAGE_SIZE:
                raise BootPanic(f"Failed to allocate {name} hash table")
            size //= 2
        got[what] = size
    return got
