"""Our own strategies against the patch's: what they may save, and what they must not change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kho_sim.kho.extend import STRATEGIES, ExtendOptions
from kho_sim.kho.extend.blocks import every_key, gaps
from kho_sim.kho.extend.blocks_skip import once_a_block
from kho_sim.kho.extend.bounded_blocks import within_blocks
from kho_sim.kho.extend.largest_gaps import mark_largest, memory_in
from kho_sim.kho.extend.scaled_blocks import block_shift
from kho_sim.kho.key import KeySet, bitmaps_of
from kho_sim.kho.radix import LeafSpan, RadixTree
from kho_sim.memory.memblock import KHO_SCRATCH, KHO_SCRATCH_EXT, Memblock
from kho_sim.memory.regions import Region
from kho_sim.platform.geometry import PAGES_4K
from tests.kho.machines import PAGE, build, machines, regions
from tests.naive.extend import busy_blocks, pages_in

SHIFTS = st.one_of(st.integers(12, 22), st.sampled_from([27, 30, 36, 40]))
GIB = 1 << 30


def naive_visits(machine, shift):
    """Visits of a walk that leaves a leaf's bits alone from a key up to the end of its block."""
    visits, last, geometry = 0, None, machine.incoming.geometry
    for phys, order in machine.keys:
        leaf = (order, phys >> (geometry.page_shift + geometry.leaf_shift + order))
        last_byte = phys + (geometry.page_bytes << order) - 1
        blocks = range(phys >> shift, (last_byte >> shift) + 1)
        if (leaf, blocks[0]) != last:
            visits += 1
        last = (leaf, blocks[0]) if len(blocks) == 1 else None
    return visits


@settings(max_examples=100)
@given(machine=machines(), shift=SHIFTS)
def test_skipping_marks_the_same_and_visits_each_block_of_a_leaf_once(machine, shift):
    shift, patch = machine.shift(shift), build_again(machine)
    by_key = patch.extend(STRATEGIES["blocks"], ExtendOptions(shift))
    skipping = machine.extend(STRATEGIES["blocks-skip"], ExtendOptions(shift))
    assert regions(machine.memblock.memory) == regions(patch.memblock.memory)
    assert (skipping.busy, skipping.digest_pages, skipping.error) == (
        by_key.busy,
        by_key.digest_pages,
        by_key.error,
    )
    if not skipping.error:
        saved = len(machine.keys) - naive_visits(machine, shift)
        assert by_key.work.keys_walked - skipping.work.keys_walked == saved
        assert by_key.work.keys_added - skipping.work.keys_added == saved


@pytest.mark.parametrize(
    ("order", "shift", "bits", "walked", "by_key"),
    [
        (0, 13, 0b1011_0011, 3, 5),
        (0, 14, 0b1011_0011, 2, 5),
        (0, 12, 0b1011_0011, 5, 5),
        (1, 12, 0b1011, 3, 3),
        (0, 40, 0b1011_0011, 1, 5),
        (3, 16, 0b0111, 2, 3),
    ],
)
def test_a_walk_that_skips_stops_once_a_block(order, shift, bits, walked, by_key):
    span = LeafSpan(order, 1 << 15, bits, bitmaps_of(PAGES_4K))
    assert once_a_block(span, shift)[0] == walked
    assert every_key(span, shift)[0] == by_key


@pytest.mark.parametrize("name", ["blocks-skip", "scaled-blocks", "largest-gaps"])
def test_our_strategies_skip(name):
    machine = build(512, [("scratch", 64), ("preserved", 80), ("free", 24)], 0, 0, 0)
    by_key = build_again(machine).extend(STRATEGIES["blocks"], ExtendOptions(21))
    skipping = machine.extend(STRATEGIES[name], ExtendOptions(21))
    assert by_key.work.keys_added - skipping.work.keys_added == 79


def build_again(machine):
    copy = type(machine)(
        machine.memblock.copy(), machine.incoming, machine.keys, machine.preserved_pages
    )
    copy.memblock.scratch_only = True
    return copy


@settings(max_examples=100)
@given(machine=machines(), shift=st.integers(12, 16), taken=st.integers(0, 126))
def test_no_other_choice_of_as_many_gaps_recovers_more(machine, shift, taken):
    shift, memblock = machine.shift(shift), machine.memblock
    size = machine.page_bytes
    memblock.memory.capacity = max(len(memblock.memory), 128 - taken)
    room = (memblock.memory.capacity - len(memblock.memory)) // 2
    capacity = memblock.memory.capacity
    memory = pages_in(memblock)
    before = pages_in(memblock, KHO_SCRATCH)
    busy = busy_blocks(machine.preserved_pages, machine.incoming.table_pages(), shift, size)
    extension = machine.extend(STRATEGIES["largest-gaps"], ExtendOptions(shift))
    if extension.error:
        return
    sizes = gap_sizes(memory, busy, shift, size)
    assert extension.work.ranges_marked == min(room, len(sizes))
    marked = pages_in(memblock, KHO_SCRATCH)
    in_gaps = {page for page in memory if page * size >> shift << shift not in set(busy)}
    assert len(marked & in_gaps) >= sum(sorted(sizes, reverse=True)[:room])
    assert marked <= before | in_gaps
    assert memblock.memory.capacity == capacity


def test_of_equal_gaps_the_upper_ones_are_marked():
    """Early boot allocates from the top. Gaps of one and two pages, and room for 3 marks."""
    memblock, busy = Memblock(), KeySet()
    memblock.add(0, 600 * PAGE, 0)
    memblock.memory.capacity = 7
    for number in [*range(0, 600, 5), *range(2, 600, 5)]:
        busy.add_bits(0, 1 << number)
    errno, work = mark_largest(memblock, busy, 12)
    assert (errno, work.ranges_marked, work.keys_walked) == (0, 3, 240)
    assert pages_in(memblock, KHO_SCRATCH) == {588, 589, 593, 594, 598, 599}


def test_memory_in_ranges_that_reach_into_holes():
    """Regions of 3 and of 4 pages; ranges below, across, between, inside and above."""
    regions = [Region(4, 3, 0, 0), Region(10, 4, 1, 0)]
    rows = [(0, 4), (0, 6), (4, 7), (5, 12), (7, 10), (3, 20), (11, 12), (14, 20)]
    sizes = memory_in(np.array(rows, np.uint64), regions)
    assert sizes.tolist() == [0, 2, 3, 4, 0, 7, 1, 0]


def gap_sizes(memory, busy, shift, page_bytes):
    """Pages of memory in each stretch of blocks between busy ones."""
    sizes = {}
    for page in memory:
        block = page * page_bytes >> shift << shift
        if block not in busy:
            gap = sum(start < block for start in busy)
            sizes[gap] = sizes.get(gap, 0) + 1
    return list(sizes.values())


def test_the_array_does_not_grow_for_stripes_that_the_patch_grows_it_for():
    """200 preserved pages with a free one between any two, and 400 free ones above."""
    stripes = [("preserved", 1), ("free", 1)] * 200
    machine = build(1, [("scratch", 40), *stripes, ("free", 400)], 0, 0, 0)
    patch = build_again(machine)
    assert not patch.extend(STRATEGIES["blocks"], ExtendOptions(12)).error
    assert not machine.extend(STRATEGIES["largest-gaps"], ExtendOptions(12)).error
    assert patch.memblock.memory.capacity == 512
    assert machine.memblock.memory.capacity == 128
    everything, largest = patch.memblock.scratch_bytes(), machine.memblock.scratch_bytes()
    assert largest > 400 * PAGE
    assert everything - largest < 200 * PAGE


@pytest.mark.parametrize(
    ("end_of_dram", "largest", "shift"),
    [
        (GIB, 30, 21),
        (5 * GIB, 30, 22),
        (65 * GIB, 30, 26),
        (1025 * GIB, 30, 30),
        (12 << 40, 30, 30),
        (12 << 40, 33, 33),
        (65 * GIB, 24, 24),
    ],
)
def test_blocks_of_a_thousandth_of_memory(end_of_dram, largest, shift):
    assert block_shift(end_of_dram, largest, PAGES_4K) == shift


@settings(max_examples=40)
@given(machine=machines(), largest=SHIFTS)
def test_scaled_blocks_are_blocks_of_that_shift(machine, largest):
    largest, geometry = machine.shift(largest), machine.incoming.geometry
    shift = block_shift(machine.memblock.end_of_dram(), largest, geometry)
    same = build_again(machine)
    same.extend(STRATEGIES["blocks"], ExtendOptions(shift))
    extension = machine.extend(STRATEGIES["scaled-blocks"], ExtendOptions(largest))
    assert extension.shift == shift
    assert regions(machine.memblock.memory) == regions(same.memblock.memory)


def test_a_full_leaf_is_one_visit():
    machine = build(1, [("scratch", 64)], 0, 0, 0)
    machine.memblock.add(1 << 27, 3 << 27)
    incoming = RadixTree()
    incoming.add_pages(1 << 15, (1 << 15) + 5)
    machine.incoming = incoming.freeze()
    patch = build_again(machine).extend(STRATEGIES["blocks"], ExtendOptions(21))
    collapsed = machine.extend(STRATEGIES["blocks-collapsed"], ExtendOptions(21))
    assert collapsed.busy == patch.busy
    assert patch.work.keys_walked - collapsed.work.keys_walked == (1 << 15) - 1
    assert patch.work.keys_added - collapsed.work.keys_added == (1 << 15) - 64


@pytest.mark.parametrize(("shifts", "expected"), [((), 30), ((25, 34), 25), ((34,), 30)])
def test_blocks_of_the_smallest_gigantic_page(shifts, expected):
    machine = build(1, [("scratch", 64), ("preserved", 8)], 0, 0, 0)
    options = ExtendOptions(30, gigantic_shifts=shifts)
    assert machine.extend(STRATEGIES["gigantic-blocks"], options).shift == expected


def comb(pieces):
    """Preserved pages, each in every second block of 2 MiB."""
    machine = build(1, [("scratch", 300)], 0, 0, 0)
    machine.memblock.add(1 << 30, pieces << 22)
    incoming = RadixTree()
    for number in range(pieces):
        incoming.add_pages((1 << 18) + (number << 10), 1)
    machine.incoming = incoming.freeze()
    return machine


def test_ranges_are_bounded_by_the_room_of_the_array():
    scaled, bounded = comb(200), comb(200)
    scaled.extend(STRATEGIES["scaled-blocks"], ExtendOptions(21))
    done = bounded.extend(STRATEGIES["bounded-blocks"], ExtendOptions(21))
    assert scaled.memblock.memory.capacity > 128
    assert bounded.memblock.memory.capacity == 128
    assert done.error == ""
    few = comb(20)
    done = few.extend(STRATEGIES["bounded-blocks"], ExtendOptions(21))
    assert done.extended_bytes == comb(20).extend(
        STRATEGIES["scaled-blocks"], ExtendOptions(21)
    ).extended_bytes > 0  # fmt: skip


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 200), min_size=1, max_size=40, unique=True),
    st.integers(1, 4),
    st.integers(801, 1000),
)
def test_gaps_in_larger_blocks_are_those_of_a_coarser_digest(blocks, more, end):
    fine, coarse = KeySet(), KeySet()
    for block in blocks:
        fine.add_bits(*divmod_bit(block))
        coarse.add_bits(*divmod_bit(block >> more))
    shrunk = within_blocks(gaps(fine, 12, end << 12), 12 + more, end << 12)
    assert shrunk.tolist() == gaps(coarse, 12 + more, end << 12).tolist()


def divmod_bit(key):
    leaf, bit = divmod(key, 1 << 15)
    return leaf, 1 << bit


def test_as_many_gaps_as_memory_has_gib():
    few, many = comb(600), comb(600)
    assert few.memblock.memory_size() >> 30 == 2
    few.extend(STRATEGIES["largest-gaps"], ExtendOptions(21))
    many.memblock.add(1 << 40, 150 << 30)
    many.extend(STRATEGIES["gaps-by-memory"], ExtendOptions(21))
    assert few.memblock.memory.capacity == 128
    assert many.memblock.memory.capacity == 512


def test_scratch_only_mode_ends_where_all_is_reserved():
    machine = build(1, [("scratch", 64), ("preserved", 8), ("free", 24)], 0, 0, 0)
    strategy = STRATEGIES["leave-scratch-only"]
    refused = strategy.extend(machine.memblock, machine.incoming, ExtendOptions(), None, None)
    assert refused.error == "KHO: Failed to extend scratch: -ENOMEM"
    assert machine.memblock.scratch_only
    assert machine.extend(strategy, ExtendOptions()).error == ""
    assert not machine.memblock.scratch_only


@settings(max_examples=60)
@given(machine=machines(), shift=SHIFTS)
def test_a_separate_flag_recovers_the_same_pages_apart_from_original_scratch(machine, shift):
    shift, patch = machine.shift(shift), build_again(machine)
    by_key = patch.extend(STRATEGIES["blocks"], ExtendOptions(shift))
    original = pages_in(machine.memblock, KHO_SCRATCH)
    apart = machine.extend(STRATEGIES["separate-flag"], ExtendOptions(shift))
    if by_key.error or apart.error:
        return
    assert apart.busy == by_key.busy
    assert apart.extended_bytes == by_key.extended_bytes
    assert pages_in(machine.memblock, KHO_SCRATCH) == pages_in(patch.memblock, KHO_SCRATCH)
    extended = pages_in(machine.memblock, KHO_SCRATCH | KHO_SCRATCH_EXT)
    busy = busy_blocks(
        machine.preserved_pages, machine.incoming.table_pages(), shift, machine.page_bytes
    )
    free = {
        page
        for page in pages_in(machine.memblock)
        if page * machine.page_bytes >> shift << shift not in set(busy)
    }
    assert extended == free - original


def test_gigantic_pages_need_memory_with_the_separate_flag():
    stretches = [("scratch", 1024), ("preserved", 8), ("free", 16 * 512)]
    machine = build(512, stretches, 0, 0, 0)
    patch = build_again(machine)
    for one, strategy in ((machine, "separate-flag"), (patch, "blocks")):
        one.extend(STRATEGIES[strategy], ExtendOptions(21))
    size = 1 << 21
    scratch = machine.memblock.memory[0]
    top = [one.memblock.alloc_hugetlb(size, -1, False) for one in (machine, patch)]
    assert top[0] == top[1] > scratch.end
    while (got := machine.memblock.alloc_hugetlb(size, -1, False)) > scratch.end:
        pass
    assert not got, "the patch needs its original scratch named to keep off it"
    while (got := patch.memblock.alloc_hugetlb(size, -1, False)) > scratch.end:
        pass
    assert scratch.base <= got < scratch.end
    assert machine.memblock.alloc_range_nid(size, size, 0, 0, -1, False) == got
