"""What other CPUs' lists, pools for devices and a short last refill keep from the workload."""

from __future__ import annotations

import pytest

from kho_sim.memory.pages import (
    INTERLEAVINGS,
    MOVABLE,
    UNMOVABLE,
    OutOfMemory,
    PageAllocator,
)
from kho_sim.platform.rules import ZoneLimit

MIB, GIB, PAGE = 1 << 20, 1 << 30, 4096
ZONES = [
    ZoneLimit("DMA", 0, 16 * MIB),
    ZoneLimit("DMA32", 16 * MIB, 4 * GIB),
    ZoneLimit("Normal", 4 * GIB, 1 << 46),
]
INITRD = (3 * GIB - 5 * MIB, 3 * GIB)


def opened(cpus: int, dma_pools: bool = False, top: int = 9 * GIB) -> PageAllocator:
    memory = [(MIB, 3 * GIB, 0), *([(4 * GIB, top, 0)] if top > 4 * GIB else [])]
    pages = PageAllocator(memory, [], [cpus], zones=ZONES, kho_boot=False)
    pages.open_early([INITRD])
    pages.finish_deferred(dma_pools)
    return pages


@pytest.mark.parametrize("cpus", [1, 2, 4])
def test_what_a_worker_frees_is_managed_and_stays_in_lists(cpus: int) -> None:
    """Recorded in CmaFree and MemTotal of d-q35-2G (one CPU) and d-q35-8G-noext (two)."""
    pages = opened(cpus)
    managed, free = pages.managed_pages(), pages.free_pages().pages
    limit = pages._zones[1].pcp.high_min
    pages.give_late([INITRD], by_worker=True)
    assert pages.managed_pages() == managed + 5 * MIB // PAGE
    assert pages.free_pages().pages == free + max(5 * MIB // PAGE - limit, 0)
    pages.check()


@pytest.mark.parametrize(
    ("top", "pools", "pool_bytes"),
    [(3 * GIB, ["DMA", "DMA32"], 512 << 10), (9 * GIB, ["Normal", "DMA", "DMA32"], MIB)],
)
def test_each_zone_has_a_pool_of_a_size_that_follows_memory(
    top: int, pools: list[str], pool_bytes: int
) -> None:
    """ "DMA: preallocated 1024 KiB" three times with 8 GiB; without Normal there are two."""
    with_pools, without = opened(2, True, top), opened(2, False, top)
    taken = {
        zone.name: other.buddy.free.exact() - zone.buddy.free.exact()
        for zone, other in zip(with_pools._zones, without._zones, strict=True)
    }
    assert taken == dict.fromkeys(sorted(pools), pool_bytes // PAGE)


def test_pools_are_at_most_the_largest_block() -> None:
    """Three of 4 MiB with 64 GiB, where an eighth of a MiB a GiB would be 8."""
    with_pools, without = opened(2, True, 68 * GIB), opened(2, False, 68 * GIB)
    assert without.free_pages().pages - with_pools.free_pages().pages == 3 * 4 * MIB // PAGE


def test_out_of_memory_comes_with_pages_left_in_the_own_lists() -> None:
    """Nothing was reclaimed, so nothing is drained: 17 to 25 MB in three recorded reports."""
    pages = opened(4)
    with pytest.raises(OutOfMemory) as short:
        pages.alloc(9 * GIB // PAGE, 0, UNMOVABLE)
    assert sum(zone.pcp.pages for zone in pages._zones) > 0
    pages.free(short.value.allocated)
    with pytest.raises(OutOfMemory):
        pages.alloc(1 << 20, 3, UNMOVABLE)
    assert sum(zone.pcp.pages for zone in pages._zones) == 0


def behind(cpus: int, moves: bool) -> tuple[PageAllocator, int]:
    """Return an allocator of which 10 pages were taken before deferred pages were initialised, and
    how many pages lie between these and the next."""
    pages = PageAllocator([(4 * GIB, 6 * GIB, 0)], [], [cpus], zones=ZONES, kho_boot=False)
    pages.open_early([])
    last = pages.alloc(10, 0, UNMOVABLE)[-1]
    pages.finish_deferred(moves=moves)
    (first,) = pages.alloc(1, 0, UNMOVABLE)
    return pages, first.first_pfn - last.extent().end


@pytest.mark.parametrize("cpus", [1, 2])
def test_boot_leaves_the_rest_of_a_refill_on_the_cpu_that_it_leaves(cpus: int) -> None:
    """Until all lists are drained, as they are when memory is short."""
    pages, left = behind(cpus, moves=True)
    assert behind(cpus, moves=False)[1] == 0
    assert (left > 0) == (cpus > 1)
    (zone,) = pages._zones
    assert sum(lists.pages for lists in zone.left_behind) == left
    held, free = zone.pcp.pages, pages.free_pages().pages
    zone.drain()
    assert pages.free_pages().pages == free + held + left
    pages.check()


def test_with_one_worker_at_a_time_memory_is_listed_in_address_order() -> None:
    """Blocks of the highest order lie in the order in which they are handed out."""
    listed = {}
    for word in ("sequential", "emulated"):
        pages = PageAllocator(
            [(4 * GIB, 8 * GIB, 0)],
            [],
            [4],
            zones=ZONES,
            kho_boot=False,
            interleaving=INTERLEAVINGS[word],
        )
        pages.open([])
        listed[word] = pages.free_lists()[0, "Normal", 10, MOVABLE]
    assert listed["sequential"] == sorted(listed["emulated"]) != listed["emulated"]
