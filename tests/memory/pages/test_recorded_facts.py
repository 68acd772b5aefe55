"""Figures that recorded kernels show, from machines put together here as theirs were."""

from __future__ import annotations

import random

import pytest

from kho_sim.base.extent import Extent
from kho_sim.memory.pages import (
    INTERLEAVINGS,
    MOVABLE,
    UNMOVABLE,
    FreeCounts,
    OutOfMemory,
    PageAllocator,
    Runs,
    migrate_out_of_cma,
)
from tests.geometries import ZONES

MIB = 1 << 20
GIB = 1 << 30
PAGE = 4096


def machine(gib, cpus, scratch=(), **kwargs):
    """A QEMU pc of more than 3.5 GiB (kernel-facts 1)."""
    memory = [(0x1000, 0x9F000, 0), (MIB, 0xBFFE0000, 0), (4 * GIB, (gib + 1) * GIB, 0)]
    kwargs.setdefault("kho_boot", False)
    return PageAllocator(memory, scratch, [cpus], zones=ZONES, **kwargs)


def starts_in_order(runs):
    return [run.first_pfn * PAGE for run in runs]


@pytest.mark.parametrize(
    ("gib", "cpus", "chunks"),
    [
        (64, 12, [0x160000000, 0x1B8000000, 0x210000000]),
        (32, 4, [0x168000000, 0x1E0000000, 0x258000000]),
        (16, 4, [0x150000000, 0x188000000]),
    ],
)
def test_data_spreads_over_the_chunk_starts_that_logs_show(gib, cpus, chunks):
    pages = machine(gib, cpus)
    pages.open([])
    starts = starts_in_order(pages.alloc(2 * GIB // PAGE))
    assert starts[0] == 4 * GIB
    assert set(chunks) <= set(starts)


def test_drawn_interleavings_differ_by_seed_and_repeat_by_seed():
    def placed(seed):
        pages = machine(32, 4, drawn=random.Random(seed), interleaving=INTERLEAVINGS["drawn"])
        pages.open([])
        pages.check()
        return pages.alloc(GIB // PAGE)

    assert placed(1) == placed(1)
    assert len({tuple(placed(seed)) for seed in range(6)}) > 1


def test_a_few_scratch_blocks_stay_on_the_first_kernels_lists():
    """Free CMA of the recorded cold boots is 0 to 11 pageblocks below the scratch size."""
    areas = [(0xB2400000, 0x9800000), (0x404000000, 0x28000000), (0x3DDC00000, 0x26400000)]
    pages = machine(16, 4, areas)
    pages.open([(start, start + size) for start, size in areas])
    assert pages.free_pages().cma_pages == 0
    pages.release_scratch()
    missing = sum(size for _, size in areas) - pages.free_pages().cma_pages * PAGE
    assert 0 < missing <= 11 * 2 * MIB
    pages.check()


def test_dma32_is_kept_back_by_a_share_of_all_managed_pages_above():
    """t6_4_2G: lowmem_reserve 61304 on 64 GiB with 50 gigantic pages, scratch among the managed.

    Its report has 60356 pages free: the last refill of a CPU's lists (2016 pages at most) goes
    below the mark, and stays in these lists.
    """
    gigantic = [(0x380000000, 0x1000000000)]
    areas = [(0x2E6400000, 0x91000000), (0x260000000, 0x86400000)]
    pages = machine(64, 12, areas)
    top = 0x1000000000 + 15693824 * PAGE - (0x1000000000 - 4 * GIB)
    rest = [(top, 65 * GIB)]
    pages.open([*gigantic, *rest, *[(start, start + size) for start, size in areas]])
    pages.adopt_gigantic(gigantic)
    pages.release_scratch()
    dma32_free = pages.buddyinfo()[0, "DMA32"]
    with pytest.raises(OutOfMemory):
        pages.alloc(16 * GIB // PAGE, 0, UNMOVABLE)
    left = sum(blocks << order for order, blocks in enumerate(pages.buddyinfo()[0, "DMA32"]))
    assert sum(blocks << order for order, blocks in enumerate(dma32_free)) > left
    assert 61304 - 2016 < left < 61304 + 1000


def test_unmovable_requests_never_land_in_scratch():
    areas = [(4 * GIB, 512 * MIB)]
    pages = PageAllocator([(4 * GIB, 5 * GIB, 0)], areas, [4], zones=ZONES, kho_boot=True)
    pages.open([])
    with pytest.raises(OutOfMemory) as short:
        pages.alloc(GIB // PAGE, 0, UNMOVABLE)
    assert min(starts_in_order(short.value.allocated)) >= 4 * GIB + 512 * MIB
    assert pages.free_pages() == FreeCounts(pages.free_pages().pages, 512 * MIB // PAGE)


def test_pinning_moves_pages_out_of_scratch_and_fails_without_room():
    areas = [(4 * GIB, 640 * MIB)]
    pages = PageAllocator([(4 * GIB, 5 * GIB, 0)], areas, [4], zones=ZONES, kho_boot=True)
    pages.open([])
    data = pages.alloc(100 * MIB // PAGE)
    assert starts_in_order(data)[0] < 4 * GIB + 640 * MIB  # over half is CMA: tried first
    pinned, migrated = migrate_out_of_cma(pages, data)
    assert sum(run.blocks for run in pinned) == 100 * MIB // PAGE
    assert migrated == sum(run.blocks for run in data if run.first_pfn * PAGE < 4 * GIB + 640 * MIB)
    assert min(starts_in_order(pinned)) >= 4 * GIB + 640 * MIB
    pages.check()
    more = pages.alloc(400 * MIB // PAGE)
    with pytest.raises(OutOfMemory):
        migrate_out_of_cma(pages, more)


def test_vmalloc_takes_the_largest_pieces_first():
    pages = machine(8, 4)
    pages.open([])
    assert [run.blocks for run in pages.alloc_largest(1024)] == [1024]
    pieces = pages.alloc_largest(256 + 128 + 3)
    assert sum(run.blocks for run in pieces) == 387
    assert pieces[0].blocks >= 256


def test_huge_folios_come_until_none_is_left():
    pages = PageAllocator([(4 * GIB, 4 * GIB + 256 * MIB, 0)], [], [2], zones=ZONES, kho_boot=False)
    pages.open([])
    with pytest.raises(OutOfMemory) as short:
        pages.alloc(256, 9, MOVABLE)
    folios = [pfn for run in short.value.allocated for pfn in run.pfns(9)]
    assert 100 < len(folios) < 128  # watermarks keep the rest
    assert all(pfn % 512 == 0 for pfn in folios)
    pages.free(short.value.allocated, 9, user=True)
    pages.check()


def test_requests_before_deferred_initialisation_grow_the_zone():
    pages = machine(8, 4)
    pages.open_early([])
    runs = pages.alloc(300 * MIB // PAGE, 0, UNMOVABLE)
    assert max(run.extent().end for run in runs) * PAGE <= 4 * GIB + 384 * MIB
    pages.finish_deferred()
    pages.check()
    total = 3 * GIB - 0x20000 - (MIB - 0x9E000) + 5 * GIB
    assert pages.free_pages().pages * PAGE < total - 300 * MIB


def test_a_node_is_asked_first_and_the_others_after_it():
    memory = [(MIB, GIB, 0), (4 * GIB, 5 * GIB, 0), (5 * GIB, 7 * GIB, 1)]
    pages = PageAllocator(memory, [], [2, 2], zones=ZONES, kho_boot=False)
    pages.open([])
    assert starts_in_order(pages.alloc(10, node=1))[0] == 5 * GIB
    assert starts_in_order(pages.alloc(10, node=0))[0] == 4 * GIB
    spill = pages.alloc(2 * GIB // PAGE, node=1)
    assert {run.first_pfn * PAGE >= 5 * GIB for run in spill} == {True, False}


def test_a_large_machine_is_opened_in_ranges():
    pages = machine(12288, 64)
    pages.open([(0, MIB)])
    runs = pages.alloc(GIB // PAGE)
    assert sum(run.blocks for run in runs) == GIB // PAGE
    assert len(runs) < 64


def test_a_file_of_pages_that_come_back_in_reverse_is_few_runs():
    areas = [(5 * GIB, 2 * GIB)]
    pages = PageAllocator([(4 * GIB, 8 * GIB, 0)], areas, [4], zones=ZONES, kho_boot=True)
    pages.open([])
    pinned, migrated = migrate_out_of_cma(pages, pages.alloc(GIB // PAGE))
    assert migrated > 100_000
    reversed_file = pages.alloc(GIB // PAGE)
    assert sum(run.blocks for run in reversed_file if run.step < 0) > 10_000
    assert len(reversed_file) < 1000
    pages.free(reversed_file, user=True)
    pages.free(pinned, user=True)
    pages.check()


def test_a_contiguous_area_is_for_movable_pages_until_they_are_pinned():
    area = Extent(4 * GIB, 4 * GIB + 512 * MIB)
    pages = PageAllocator([(4 * GIB, 5 * GIB, 0)], [], [4], zones=ZONES, kho_boot=False)
    pages.open([area])
    assert pages.free_pages().cma_pages == 0
    pages.release_cma([area])
    pages.check()
    assert 0 <= 512 * MIB // PAGE - pages.free_pages().cma_pages <= 512 * 11
    kernel = pages.alloc(64 * MIB // PAGE, 0, UNMOVABLE)
    user = pages.alloc(256 * MIB // PAGE, 0, MOVABLE)
    assert min(starts_in_order(kernel)) >= area.end
    assert min(starts_in_order(user)) < area.end
    pinned = migrate_out_of_cma(pages, user)
    assert 0 < pinned.migrated <= 256 * MIB // PAGE
    assert min(starts_in_order(pinned.runs)) >= area.end


def test_without_cma_pinning_moves_nothing():
    pages = machine(4, 2)
    pages.open([])
    user = pages.alloc(1000)
    assert migrate_out_of_cma(pages, user) == (Runs.of(user), 0)
