"""Pools for device memory that is asked for where nobody may sleep: dma_atomic_pool_init().

One block of a zone each, taken for good before the initcalls of drivers. Sizes and zones are those
of the recorded chains of distribution builds, whose logs print each pool ("DMA: preallocated 1024
KiB GFP_KERNEL pool for atomic allocations"): 256 KiB with 2 GiB, 1 MiB with 8, 4 MiB with 64. Left
out: ``coherent_pool=``, and growing a pool that is empty.
"""

from __future__ import annotations

from collections.abc import Iterable

from .kinds import UNMOVABLE
from .zone import THIS_ZONE, Zone

_POOL_SHARE = 1 << 13
"""128 KiB for each GiB of managed memory, as a share of it; up to the next power of two."""
_ZONES = ("Normal", "DMA", "DMA32")
"""In the order of the pools; a machine without one of these zones has no pool of it."""


def take_dma_pools(zones: Iterable[Zone]) -> None:
    """Take the pools out of the first zone of each kind; one that has no room goes without."""
    zones = tuple(zones)
    pages = sum(zone.managed_pages for zone in zones) // _POOL_SHARE
    order = min(max(pages - 1, 0).bit_length(), zones[0].geometry.max_order)
    for name in _ZONES:
        zone = next((one for one in zones if one.name == name), None)
        if zone and zone.passes(zone.watermark_min, order, False, THIS_ZONE):
            zone.serve(1, order, UNMOVABLE, False, False, THIS_ZONE)
