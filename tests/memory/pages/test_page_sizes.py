"""The page allocator against its naive model at 4, 16 and 64 KiB, on machines of equal shape.

What differs: the highest order, how many pageblocks a block of it has (two at 4 KiB, else one, so
that the order of huge pages is the highest), the size of a section, and every limit in bytes.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kho_sim.base.extent import Extent
from kho_sim.memory.pages import INTERLEAVINGS, MOVABLE, RECLAIMABLE, UNMOVABLE, PageAllocator
from kho_sim.memory.pages.zone import Zone
from kho_sim.platform.rules import ZoneLimit
from tests.geometries import FOUR_GIB, GEOMETRIES, PAGES_16K, PAGES_64K
from tests.memory.pages.test_allocator_naive import FREES, PINS, QUICK, SORTS, THINNINGS, Pair, play
from tests.naive.pages import NaiveZone

SIZES = pytest.mark.parametrize("geometry", GEOMETRIES, ids=["4K", "16K", "64K"])


def requests(geometry):
    large = [geometry.pageblock_order - 1, geometry.thp_order, geometry.max_order]
    return st.tuples(
        st.just("alloc"),
        st.sampled_from([0, 0, 0, 1, 3, 4, *large]),
        st.sampled_from([UNMOVABLE, MOVABLE, RECLAIMABLE]),
        st.one_of(st.integers(1, 40), st.integers(1, 6000)),
    )


def steps(geometry):
    any_step = st.one_of(requests(geometry), FREES, THINNINGS, PINS, SORTS)
    return st.lists(any_step, min_size=1, max_size=10)


def two_zones(geometry, below, above, scratch_first, scratch_blocks, cpus=2):
    """A pair with so many blocks of the highest order in either zone, and scratch in the upper."""
    block = geometry.page_bytes << geometry.max_order
    memory = [(FOUR_GIB - below * block, FOUR_GIB + above * block, 0)]
    scratch = [(FOUR_GIB + scratch_first * block, scratch_blocks * block)]
    return Pair(memory, scratch, cpus, kho_boot=True, geometry=geometry)


@SIZES
@settings(QUICK, max_examples=min(15, settings.default.max_examples))
@given(data=st.data())
def test_two_zones_and_scratch(geometry, data):
    pair = two_zones(geometry, below=2, above=4, scratch_first=1, scratch_blocks=1)
    hole = FOUR_GIB + 3 * (geometry.page_bytes << geometry.max_order) + 5 * geometry.page_bytes
    pair.open([(hole, hole + 77 * geometry.page_bytes)])
    pair.agree()
    play(pair, data.draw(steps(geometry)))


@SIZES
@settings(QUICK, max_examples=min(6, settings.default.max_examples))
@given(data=st.data())
def test_claims_and_steals_in_fragmented_memory(geometry, data):
    pair = two_zones(geometry, below=1, above=2, scratch_first=0, scratch_blocks=1)
    pair.open([])
    play(pair, [("alloc", 0, MOVABLE, 2000), ("alloc", 0, UNMOVABLE, 2000)])
    play(pair, data.draw(st.lists(THINNINGS, min_size=1, max_size=3)))
    play(pair, data.draw(steps(geometry)))


@SIZES
def test_a_first_kernel_releases_its_scratch_by_pageblocks(geometry):
    block = geometry.page_bytes << geometry.max_order
    scratch = [(2 * block, 2 * block)]
    pair = Pair([(block, 6 * block, 0)], scratch, 2, kho_boot=False, geometry=geometry)
    pair.open([(2 * block, 4 * block)])
    pair.fast.release_scratch()
    pair.slow.release_scratch()
    pair.agree()
    play(pair, [("alloc", 0, MOVABLE, 3000), ("alloc", geometry.thp_order, MOVABLE, 3)])
    play(pair, [("pin", 0), ("free", 0, 0, 1, True), ("alloc", geometry.max_order, MOVABLE, 9)])


@pytest.mark.parametrize("cpus", [1, 3])
@pytest.mark.parametrize("geometry", [PAGES_16K, PAGES_64K], ids=["16K", "64K"])
def test_deferred_memory_comes_in_chunks_of_sections(geometry, cpus):
    """Nine sections and a part of one: the first is early, the others wait for the workers."""
    section, page = geometry.section_bytes, geometry.page_bytes
    end = FOUR_GIB + 9 * section + 1234 * page
    memory = [(FOUR_GIB - section, FOUR_GIB, 0), (FOUR_GIB, end, 0)]
    scratch = [(FOUR_GIB + 2 * section, geometry.scratch_align_bytes)]
    pair = Pair(memory, scratch, cpus, kho_boot=True, geometry=geometry)
    pair.open([(FOUR_GIB + section + 3 * page, FOUR_GIB + section + 100 * page)])
    pair.agree()
    play(pair, [("alloc", 0, MOVABLE, 20000), ("alloc", 0, UNMOVABLE, 3000)])


def test_chunk_starts_of_a_recorded_arm64_machine():
    """8 GiB, 4 CPUs, pages of 4 KiB (kernel-facts-arm64 section 8): chunks of three sections."""
    limits = (ZoneLimit("DMA", 0, FOUR_GIB), ZoneLimit("Normal", FOUR_GIB, 1 << 48))
    memory = [(1 << 30, 9 << 30, 0)]
    pages = PageAllocator(memory, [], [4], zones=limits, kho_boot=False)
    pages.open([])
    starts = [run.first_pfn << 12 for run in pages.alloc(1 << 18)]
    assert starts[0] == FOUR_GIB
    assert {0x120000000, 0x138000000} <= set(starts)
    assert {name for _, name in pages.buddyinfo()} == {"DMA", "Normal"}


@SIZES
def test_movable_requests_claim_from_half_the_order_of_a_pageblock(geometry):
    """4, 5 and 6: what is free there, in a pageblock that is user pages otherwise."""
    least, first = geometry.pageblock_order // 2, geometry.max_order_pages
    end = first + geometry.pageblock_pages
    for order in (least - 1, least):
        fast = Zone("Normal", 0, first, end, 1, geometry)
        slow = NaiveZone("Normal", set(range(first, end)), 1, geometry)
        fast.buddy.set_type(first, end, UNMOVABLE)
        slow.types[first >> geometry.pageblock_order] = UNMOVABLE
        fast.buddy.give(first, order)
        slow.give(first, order, False)
        users = Extent(first + (1 << order), end)
        fast.buddy.user_pages.count(users, +1)
        slow.user_pages.update(range(*users))
        expected = first if order == least else None
        claimed = fast.buddy.claim(0, MOVABLE, 0)
        assert (claimed and claimed[0]) == slow.claim(0, MOVABLE, 0) == expected


@pytest.mark.parametrize(
    ("word", "pages"),
    [
        ("emulated", (8192, 2048, 8192)),
        ("parallel", (1024, 2048, 8192)),
        ("sequential", (1024, 2048, 8192)),
    ],
)
def test_workers_free_whole_blocks_of_the_highest_order_a_turn(word, pages):
    """32 MiB where that is more; pieces of 4, 32 and 512 MiB (kernel-facts-arm64 section 8)."""
    assert tuple(INTERLEAVINGS[word].turn_pages(size) for size in GEOMETRIES) == pages
