"""What the allocator does besides single requests: areas of vmalloc, and pages it takes over."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kho_sim.base.extent import Extent, intersected, subtracted, total_size
from kho_sim.memory.pages import (
    MOVABLE,
    UNMOVABLE,
    OutOfMemory,
    PageAllocator,
    Run,
    Runs,
    migrate_out_of_cma,
)
from kho_sim.memory.pages.kinds import run_of
from kho_sim.memory.pages.nodes import set_lowmem_reserve
from kho_sim.memory.pages.pinning import _split_at_cma
from tests.geometries import ZONES
from tests.memory.pages.test_allocator_naive import MIB, Pair, pfns

GIB = 1 << 30


def two_nodes() -> PageAllocator:
    pages = PageAllocator(
        [(MIB, 65 * MIB, 0), (128 * MIB, 192 * MIB, 1)], [], [1, 1], zones=ZONES, kho_boot=False
    )
    pages.open([])
    return pages


def test_only_pages_that_a_zone_has_are_present_in_a_run_of_either_direction():
    border = 65 * MIB + 512
    memory = [(MIB, border, 0), (border, 67 * MIB, 1), (70 * MIB, 72 * MIB, 1)]
    pages = PageAllocator(memory, [], [1, 1], zones=ZONES, kho_boot=False)
    before, shared, after, first, end = (mib * MIB >> 12 for mib in (64, 65, 66, 70, 71))
    run = Run(before, end - before)
    parts = [Run(before, shared - before), Run(shared + 1, (67 * MIB >> 12) - shared - 1)]
    parts.append(Run(first, end - first))
    assert pages.zone_map.present(run) == parts
    assert pages.zone_map.present(run.backwards()) == [part.backwards() for part in parts[::-1]]
    assert pages.zone_map.present(Run(shared, 1)) == []
    assert pages.zone_map.present(Run(after, 1)) == [Run(after, 1)]


def naive_vmalloc(slow, pages, kind):
    """The largest block that fits the rest, each time; a size that was refused is not tried
    again."""
    got, highest = [], 10
    while pages:
        order = min(highest, pages.bit_length() - 1)
        pfn = slow.alloc(order, kind)
        if pfn is not None:
            got += range(pfn, pfn + (1 << order))
            pages -= 1 << order
        elif order:
            highest = order - 1
        else:
            return got, False
    return got, True


@settings(max_examples=min(25, settings.default.max_examples), deadline=None)
@given(
    st.lists(st.tuples(st.integers(3, 6), st.integers(2, 5), st.integers(0, 4)), max_size=3),
    st.lists(st.integers(1, 3000), min_size=1, max_size=3),
    st.sampled_from([UNMOVABLE, MOVABLE]),
)
@example([], [1, 2047, 9000], UNMOVABLE)
@example([(3, 2, 0)], [700, 700, 5000], MOVABLE)
@example([(0, 2, 0)], [700, 5000], UNMOVABLE)
@example([(0, 2, 0)], [3800], UNMOVABLE)
def test_vmalloc_is_one_request_after_the_other(thinnings, sizes, kind):
    pair = Pair([(MIB, 33 * MIB, 0)], [], 1, kho_boot=False)
    pair.open([])
    for log_size, period, residue in thinnings:
        pair.alloc(0, kind, 6000)
        pair.thin(0, log_size, period, residue)
    for size in sizes:
        expected, whole = naive_vmalloc(pair.slow, size, kind)
        if whole:
            runs = pair.fast.alloc_largest(size, kind)
        else:
            words = rf"^page allocation failure: order 0, {len(expected)} of {size} blocks$"
            with pytest.raises(OutOfMemory, match=words) as short:
                pair.fast.alloc_largest(size, kind)
            runs = short.value.allocated
        assert pfns(runs, 0) == expected
        if whole:
            assert all(a.extent().end != b.first_pfn for a, b in pairwise(runs))
        pair.slow.zones[0].user_pages.difference_update(expected)
        if kind == MOVABLE:
            for run in runs:
                pair.fast.zone_map.owner_of(run.first_pfn)[1].buddy.user_pages.count(
                    run.extent(), -1
                )
        pair.agree()


def test_vmalloc_takes_from_the_node_that_was_asked_for():
    pages = two_nodes()
    for node, pfn in ((0, MIB >> 12), (1, 128 * MIB >> 12)):
        (run,) = pages.alloc_largest(1024, UNMOVABLE, node)
        assert run.first_pfn >= pfn
        assert run.extent().end <= pfn + (64 * MIB >> 12)


def managed(pages):
    return [zone.managed_pages for zone in sorted(pages._zones, key=lambda zone: zone.start_pfn)]


def test_restored_pages_are_managed_and_movable():
    kept = [(4 * GIB - 2 * MIB, 4 * GIB + 4 * MIB), (5 * GIB, 5 * GIB + 4096)]
    pages = PageAllocator([(3 * GIB, 6 * GIB, 0)], [], [1], zones=ZONES, kho_boot=False)
    pages.open(kept)
    low, high = sorted(pages._zones, key=lambda zone: zone.start_pfn)
    assert managed(pages) == [(1 << 18) - 512, (1 << 19) - 1025]
    pages.adopt(kept)
    assert managed(pages) == [1 << 18, 1 << 19]
    counts = [list(zone.buddy.user_pages._pages) for zone in (low, high)]
    assert counts[0][-1] == 512
    assert counts[1][:3] == [512, 512, 0]
    assert counts[1][512] == 1
    assert [sum(count) for count in counts] == [512, 1025]
    reserves = [low.lowmem_reserve, high.lowmem_reserve]
    low.lowmem_reserve = high.lowmem_reserve = -1
    set_lowmem_reserve(pages._zones)
    assert [low.lowmem_reserve, high.lowmem_reserve] == reserves == [(1 << 19) // 256, 0]


def test_gigantic_pages_are_managed_and_watermarks_follow():
    kept = [(4 * GIB, 5 * GIB)]
    pages = PageAllocator([(3 * GIB, 8 * GIB, 0)], [], [1], zones=ZONES, kho_boot=False)
    whole = PageAllocator([(3 * GIB, 8 * GIB, 0)], [], [1], zones=ZONES, kho_boot=False)
    pages.open(kept)
    whole.open([])
    assert managed(pages) == [1 << 18, 3 << 18]
    pages.adopt_gigantic(kept)
    assert managed(pages) == managed(whole)
    marks = [
        [(zone.watermark_min, zone.watermark_low, zone.watermark_high) for zone in one._zones]
        for one in (pages, whole)
    ]
    assert marks[0] == marks[1]
    assert all(not any(zone.buddy.user_pages._pages) for zone in pages._zones)


def test_what_is_freed_across_zones_goes_back_to_each():
    pages = PageAllocator([(3 * GIB, 6 * GIB, 0)], [], [1], zones=ZONES, kho_boot=False)
    kept = [(4 * GIB - 4 * MIB, 4 * GIB + 4 * MIB)]
    pages.open(kept)
    pages.adopt(kept)
    free = [zone.buddy.free.exact() for zone in pages._zones]
    border = 4 * GIB >> 12
    for run in (Run(border - 512, 2), Run(border + 512, 1), Run(border - 1024, 1)):
        pages.free([run], 9, user=True)
    for zone in pages._zones:
        zone.drain()
    grown = [zone.buddy.free.exact() - f for zone, f in zip(pages._zones, free, strict=True)]
    assert grown == [1024, 1024]
    assert all(not any(zone.buddy.user_pages._pages) for zone in pages._zones)


@pytest.mark.parametrize("order", [0, 3, 9])
def test_pinning_moves_folios_to_places_of_their_own(order):
    """Every second of the file's folios lies in scratch; some of their targets are neighbours."""
    scratch = Extent(64 * MIB >> 12, 224 * MIB >> 12)
    pages = PageAllocator(
        [(MIB, 257 * MIB, 0)], [(64 * MIB, 160 * MIB)], [1], zones=ZONES, kho_boot=True
    )
    pages.open([])
    folios = [Run(pfn, 1) for run in pages.alloc(51200 >> order, order) for pfn in run.pfns(order)]
    inside = [folio for folio in folios if folio.extent(order).overlaps(scratch)]
    others = [folio for folio in folios if not folio.extent(order).overlaps(scratch)]
    file = [folio for pair in zip(inside[:6], others[:6], strict=True) for folio in pair]
    pinned, migrated = migrate_out_of_cma(pages, file, order)
    places = [Run(pfn, 1) for run in pinned for pfn in run.pfns(order)]
    assert (migrated, places[1::2]) == (6, others[:6])
    moved = set(places[::2])
    assert len(moved) == 6
    assert not moved & set(others)
    for place in moved:
        assert place.first_pfn % (1 << order) == 0
        assert not place.extent(order).overlaps(scratch)
    pages.check()


@pytest.mark.parametrize(("order", "count"), [(0, 1200), (0, 512), (1, 300), (3, 200), (9, 5)])
def test_folios_are_moved_in_batches_of_512_pages(order, count):
    """What the per-CPU lists remember tells how many targets came before the first source went."""
    pair = Pair([(MIB, 65 * MIB, 0)], [(16 * MIB, 40 * MIB)], 2, kho_boot=True)
    pair.open([])
    pair.alloc(order, MOVABLE, count)
    pair.pin(0)
    pair.agree()
    pair.free(0, 0, 1, True)
    pair.agree()


def naive_split(runs, order, scratch):
    """Each block with whether any of it lies in scratch."""
    blocks = [pfn for run in runs for pfn in run.pfns(order)]
    return [
        (pfn, any(area.overlaps(Extent(pfn, pfn + (1 << order))) for area in scratch))
        for pfn in blocks
    ]


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12), st.sampled_from([1, -1]))),
    st.sampled_from([0, 2]),
)
@example([(5, 12, 1), (5, 12, -1), (1, 30, 1), (1, 30, -1)], 0)
def test_files_are_cut_at_the_borders_of_scratch(places, order):
    scratch = [Extent(40, 60), Extent(72, 80)]
    runs = [
        run_of((first << order, first + blocks << order), order, step)
        for first, blocks, step in places
    ]
    parts, flags = _split_at_cma(SimpleNamespace(movable_only=scratch), Runs.of(runs), order)
    cut = list(zip(parts, flags.tolist(), strict=True))
    assert [(pfn, flag) for run, flag in cut for pfn in run.pfns(order)] == naive_split(
        runs, order, scratch
    )
    assert all(run.blocks == 1 or run.step in (1, -1) for run, _ in cut)


def test_a_batch_counts_only_what_moves():
    pair = Pair([(MIB, 65 * MIB, 0)], [(16 * MIB, 40 * MIB)], 2, kho_boot=True)
    pair.open([])
    pair.alloc(0, UNMOVABLE, 700)
    pair.alloc(0, MOVABLE, 700)
    stay, go = ([Run(pfn, 1) for pfn in pfns(runs, 0)] for *_, runs in pair.owned)
    both = [run for two in zip(stay, go, strict=True) for run in two]
    pair.owned = [(0, MOVABLE, both)]
    pair.pin(0)
    pair.agree()


@pytest.mark.parametrize("node", [0, 1])
def test_pinned_pages_move_on_the_node_that_was_asked_for(node):
    areas = [(128 * MIB, 40 * MIB)]
    pages = PageAllocator(
        [(MIB, 65 * MIB, 0), (128 * MIB, 192 * MIB, 1)], areas, [1, 1], zones=ZONES, kho_boot=True
    )
    pages.open([])
    data = pages.alloc(600, 0, MOVABLE, 1)
    assert all(run.extent().overlaps(pages.movable_only[0]) for run in data)
    pinned, migrated = migrate_out_of_cma(pages, data, 0, node)
    assert migrated == 600
    for run in pinned:
        assert (run.first_pfn >= 128 * MIB >> 12) == (node == 1)
        assert not run.extent().overlaps(pages.movable_only[0])
    counts = [sum(zone.buddy.user_pages._pages) for zone in pages._zones]
    assert sorted(counts) == [0, 600]
    first, end = pages.movable_only[0]
    _, zone = pages.zone_map.owner_of(first)
    blocks = slice((first - zone.buddy.base_pfn) >> 9, (end - zone.buddy.base_pfn) >> 9)
    assert not any(zone.buddy.user_pages._pages[blocks])


INTERLEAVED = [
    (MIB, 33 * MIB, 0),
    (33 * MIB, 65 * MIB, 1),
    (72 * MIB, 100 * MIB, 0),
    (3 * GIB, 4 * GIB, 1),
    (4 * GIB, 4 * GIB + 128 * MIB, 1),
    (4 * GIB + 128 * MIB, 4 * GIB + 512 * MIB, 0),
    (4 * GIB + 512 * MIB, 5 * GIB, 1),
    (5 * GIB, 5 * GIB + 256 * MIB, 0),
]


def own_pages(node):
    return [(start >> 12, end >> 12) for start, end, nid in INTERLEAVED if nid == node]


@pytest.mark.parametrize("node", [0, 1])
@pytest.mark.parametrize("order", [0, 3, 10])
def test_nodes_that_interleave_have_their_own_pages_and_no_others(node, order):
    reserved = [(4 * GIB + 120 * MIB, 4 * GIB + 140 * MIB)]
    taken = [(start >> 12, end >> 12) for start, end in reserved]
    pages = PageAllocator(INTERLEAVED, [], [2, 2], zones=ZONES, kho_boot=False)
    pages.open(reserved)
    for nid in (0, 1):
        assert pages.free_pages(nid).pages == total_size(subtracted(own_pages(nid), taken))
    counts = managed(pages)
    before = pages.free_pages()
    with pytest.raises(OutOfMemory) as short:
        pages.alloc(1 << 22 >> order, order, MOVABLE, node)
    got = short.value.allocated
    extents = sorted(run.extent(order) for run in got)
    assert all(left.end <= right.start for left, right in pairwise(extents))
    assert total_size(extents) == before.pages - pages.free_pages().pages - cached(pages)
    assert not intersected(extents, taken)
    assert not subtracted(extents, own_pages(0) + own_pages(1))
    first = next(iter(got)).first_pfn
    assert any(start <= first < end for start, end in own_pages(node))
    pages.check()
    pages.free(got, order, user=True)
    pages.settle()
    pages.check()
    assert managed(pages) == counts
    assert not any(any(zone.buddy.user_pages._pages) for zone in pages._zones)
    assert pages.free_pages().pages + cached(pages) == before.pages


def cached(pages):
    return sum(zone.pcp.pages for zone in pages._zones)


SECTION = 32768


def test_early_requests_initialise_section_after_section_as_they_need_them():
    reserved = [(first * SECTION << 12, (first + 1) * SECTION << 12) for first in (35, 39)]
    pages = PageAllocator(
        [(3 * GIB, 4 * GIB, 0), (4 * GIB, 5 * GIB, 0)], [], [1], zones=ZONES, kho_boot=False
    )
    pages.open_early(reserved)
    dma32, normal = pages._zones
    held = dma32.buddy.free.exact()
    assert (normal.managed_pages, dma32.managed_pages) == (SECTION, 1 << 18)
    for sections, end in ((2, 34), (3, 35), (4, 37), (5, 38), (6, 39)):
        while normal.managed_pages < sections * SECTION:
            pages.alloc(1, 10, UNMOVABLE)
        assert (normal.managed_pages, pages._deferred[0]) == (sections * SECTION, end * SECTION)
    assert dma32.buddy.free.exact() == held
    while dma32.buddy.free.exact() == held:
        pages.alloc(1, 10, UNMOVABLE)
    assert (normal.managed_pages, pages._deferred[0]) == (6 * SECTION, 40 * SECTION)
    assert normal.buddy.free.exact() == 0
    pages.finish_deferred()
    assert managed(pages) == [1 << 18, 6 * SECTION]


def test_what_was_no_user_page_is_freed_as_none():
    pages = two_nodes()
    free = pages.free_pages()
    pages.alloc(600, 0, MOVABLE)
    kernel = pages.alloc(600, 0, UNMOVABLE)
    counts = [list(zone.buddy.user_pages._pages) for zone in pages._zones]
    pages.free(kernel)
    assert [list(zone.buddy.user_pages._pages) for zone in pages._zones] == counts
    for zone in pages._zones:
        zone.drain()
    assert pages.free_pages().pages == free.pages - 600


def test_what_is_available_is_free_and_not_held_back():
    pages = PageAllocator(
        [(3 * GIB, 4 * GIB, 0), (4 * GIB, 5 * GIB, 0)], [], [1], zones=ZONES, kho_boot=False
    )
    pages.open([])
    dma32, normal = pages._zones
    dma32.watermark_high, dma32.lowmem_reserve, dma32.managed_pages = 3000, 500, 100_000
    normal.watermark_high, normal.lowmem_reserve, normal.managed_pages = 4000, 0, 1500
    free = pages.free_pages().pages
    assert pages.available_pages() == free - 3500 - 1500
    dma32.managed_pages, dma32.watermark_high = free, free - 1500 - 9
    for reserve, available in ((7, 2), (8, 1), (9, 0), (10, 0)):
        dma32.lowmem_reserve = reserve
        assert pages.available_pages() == available
