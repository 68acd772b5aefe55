"""One memblock array by itself: what it moves, how it grows as a copy, and what its check finds.

Regions whose flags alternate answer from their borders what they answer in columns.
"""

import re
import weakref
from array import array as words
from itertools import pairwise
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kho_sim.base.errors import ModelError
from kho_sim.memory import region_array
from kho_sim.memory import regions as regions_module
from kho_sim.memory.memblock import Memblock
from kho_sim.memory.region_array import RegionArray
from kho_sim.memory.regions import AlternatingRegions, Region, Regions

PAGE = 4096


def five_regions():
    array = RegionArray("memory", lambda *_: -12)
    for number in range(5):
        array.add(number * 2 * PAGE, PAGE, 0, 0)
    return array


def test_removing_a_region_moves_those_behind_it():
    array = five_regions()
    before = array.moved
    array.remove(2 * PAGE, 3 * PAGE)
    assert [region.base for region in array] == [0, 6 * PAGE, 8 * PAGE]
    assert array.moved - before == 2
    array.remove(2 * PAGE, 3 * PAGE)
    assert array.moved - before == 2, "nothing was there"
    array.remove(0, PAGE)
    assert array.moved - before == 4


def test_isolation_answers_what_lies_inside():
    array = five_regions()
    assert array.isolate(2 * PAGE, 3 * PAGE) == (0, 1, 3)
    assert array.isolate(2 * PAGE, 0) == (0, 0, 0)
    array.capacity = 6
    assert array.isolate(2 * PAGE, 3 * PAGE) == (-12, 0, 0)


def test_a_change_merges_no_further_than_its_neighbours():
    """Kernel-facts 2.2. Isolation leaves equal regions apart, and so they stay."""
    array = RegionArray("memory", lambda *_: -12)
    array.add(0, 8 * PAGE, 0, 0)
    array.isolate(PAGE, PAGE)
    array.isolate(4 * PAGE, PAGE)
    array.isolate(6 * PAGE, PAGE)
    array.change(3 * PAGE, PAGE, lambda region: region._replace(flags=1))
    assert [region.base // PAGE for region in array] == [0, 1, 2, 3, 4, 5, 6, 7]
    before = array.moved
    array.change(3 * PAGE, PAGE, lambda region: region._replace(flags=0))
    assert [region.base // PAGE for region in array] == [0, 1, 2, 5, 6, 7]
    assert array.moved - before == 4 + 3, "each time all that is behind the two"


def test_an_insertion_merges_no_further_than_its_neighbours():
    array = RegionArray("memory", lambda *_: -12)
    for first in (0, 4):
        array.add(first * PAGE, 3 * PAGE, 0, 0)
        array.isolate((first + 1) * PAGE, PAGE)
    array.add(3 * PAGE, PAGE, 0, 0)
    assert [region.base // PAGE for region in array] == [0, 1, 2, 5, 6]


def test_an_insertion_of_parts_merges_them_with_their_neighbours_only():
    """The parts that are new are pages 2, 4 and 6; page 4 lies between others of node 1."""
    array = RegionArray("memory", lambda *_: -12)
    for first, count, nid in [(0, 2, 0), (3, 1, 1), (5, 1, 1), (7, 2, 0)]:
        array.add(first * PAGE, count * PAGE, nid, 0)
    array.isolate(0, PAGE)
    array.isolate(7 * PAGE, PAGE)
    array.add(PAGE, 7 * PAGE, 0, 0)
    assert [region.base // PAGE for region in array] == [0, 1, 3, 4, 5, 6, 8]


def test_an_empty_range_is_no_part():
    array = five_regions()
    for first in (0, 1, 2, 20):
        assert array.add(first * PAGE, 0, 0, 0) == 0
    assert len(array) == 5


@pytest.mark.parametrize(
    ("regions", "above", "capacity"), [(63, 1, 128), (64, 0, 128), (64, 1, 256)]
)
def test_a_range_makes_room_for_all_its_parts(regions, above, capacity):
    """Between n regions lie n - 1 parts that are new, below them one, and above them ``above``."""
    memblock = Memblock()
    memblock.add(0x1000, 0x10000)
    for number in range(regions):
        memblock.reserve(1 << 40 | number * 2 * PAGE + PAGE, PAGE)
    assert memblock.reserve(1 << 40, (2 * regions + above) * PAGE, -1, 0x20) == 0
    assert memblock.reserved.capacity == capacity
    memblock.check()


def test_the_first_region_that_ends_above_an_address():
    array = five_regions()
    addresses = [0, PAGE - 1, PAGE, 2 * PAGE, 3 * PAGE, 8 * PAGE, 9 * PAGE]
    assert [array.first_ending_after(address) for address in addresses] == [0, 0, 1, 1, 2, 4, 5]


def test_a_full_copy_grows_with_memory_of_its_own():
    memblock = Memblock()
    memblock.add(0x100000, 1 << 20)
    for number in range(128):
        memblock.reserve(0x100000 + number * 2 * PAGE // 4, PAGE // 4)
    copied = memblock.copy()
    assert copied.reserve(0x1F0000, PAGE) == 0
    assert (copied.reserved.capacity, memblock.reserved.capacity) == (256, 128)
    assert len(memblock.reserved) == 128


def test_a_memblock_that_nobody_needs_goes_at_once():
    """Its arrays are not left to the garbage collector, and by themselves cannot grow."""
    memblock = Memblock()
    memblock.add(0x100000, 1 << 20)
    copied, reserved = weakref.ref(memblock.copy()), memblock.reserved
    assert copied() is None
    gone = weakref.ref(memblock)
    del memblock
    assert gone() is None
    for number in range(128):
        reserved.add(number * 2 * PAGE, PAGE, 0, 0)
    with pytest.raises(ModelError, match=r"^a part of a kernel calls what is gone"):
        reserved.add(300 * PAGE, PAGE, 0, 0)


def test_the_check_finds_what_is_wrong():
    array = five_regions()
    array.check()
    array.capacity = 4
    with pytest.raises(ModelError, match=r"^memory holds 5 regions"):
        array.check()


@pytest.mark.parametrize(
    ("size", "complaint"),
    [
        (0, "memory: empty region Region(base=8192, size=0, nid=0, flags=0)"),
        (
            2 * PAGE + 1,
            "memory: Region(base=8192, size=8193, nid=0, flags=0) "
            "overlaps Region(base=16384, size=4096, nid=0, flags=0)",
        ),
    ],
)
def test_the_check_names_the_region(size, complaint):
    array = five_regions()
    array.ends[1] = array.bases[1] + size
    with pytest.raises(ModelError, match=f"^{re.escape(complaint)}$"):
        array.check()


def test_the_check_finds_free_ranges_that_are_not():
    memblock = Memblock()
    memblock.add(0x10000, 0x4000)
    assert len(memblock.free_ranges()) == 1
    memblock.reserved.add(0x12000, 0x2000, -1, 0)
    old, new = (f"[Gap(start=65536, end={end}, nid=0, flags=0)]" for end in (0x14000, 0x12000))
    complaint = f"free ranges are stale: {old} but {new}"
    with pytest.raises(ModelError, match=f"^{re.escape(complaint)}$"):
        memblock.check()


@given(st.sets(st.integers(0, 30)), st.integers(0, 31), st.integers(1, 20))
def test_gaps_are_the_pages_that_no_region_holds(held, first, count):
    array = RegionArray("reserved", lambda *_: -12)
    for page in held:
        array.add(page * PAGE, PAGE, page % 2, 0)  # neighbours stay apart
    gaps = array.gaps_in(first * PAGE, (first + count) * PAGE).tolist()
    found = [page for start, end in gaps for page in range(start // PAGE, end // PAGE)]
    assert found == [page for page in range(first, first + count) if page not in held]
    assert all(end < start for (_, end), (start, _) in pairwise(gaps))
    assert all(start < end for start, end in gaps)


@st.composite
def both_forms(draw):
    """The same regions as borders and in columns."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=2, max_size=40))
    borders = np.cumsum(np.array(sizes, np.uint64)) * np.uint64(PAGE)
    flags = draw(st.sampled_from([(0x40, 0), (0x41, 1), (0x140, 0x40)]))
    alternating = AlternatingRegions(borders, draw(st.sampled_from([0, 1, 64])), flags)
    kinds = zip("QQhH", alternating.columns(), strict=True)
    return alternating, Regions(*(words(kind, column.tobytes()) for kind, column in kinds)), flags


@settings(max_examples=200, deadline=None)
@given(both_forms(), st.data())
def test_borders_answer_what_columns_do(forms, data):
    borders, columns, flags = forms
    count = len(sizes := [region.size for region in columns])
    assert len(borders) == count
    assert [region.flags for region in columns] == [flags[index % 2] for index in range(count)]
    address = data.draw(st.integers(0, 45 * PAGE))
    assert borders.count_from(address) == columns.count_from(address)
    first = data.draw(st.integers(0, count))
    piece = slice(first, data.draw(st.integers(first, count)))
    size = data.draw(st.sampled_from([0, *sizes, max(sizes) + 1]))
    with mock.patch.multiple(
        regions_module, PIECE=3, FEWEST_SUMMED_AT_ONCE=data.draw(st.integers(1, 99))
    ):
        for flag in (0, 1, 0x40, 0x100, 0x200):
            total = sum(region.size for region in columns if region.flags & flag == flag)
            assert borders.size_flagged(flag) == columns.size_flagged(flag) == total
            found, expected = (form.at_least(size, flag, piece) for form in (borders, columns))
            assert list(found) == list(expected)


@mock.patch.object(region_array, "FEWEST_FLAGGED_AT_ONCE", 1)
def test_borders_of_very_high_memory():
    """The sum of the bases is more than 64 bits hold; the sum of the sizes is not."""
    base, ranges = 1 << 63, np.arange(1, 101, dtype=np.uint64).reshape(-1, 2)
    array = RegionArray("memory", lambda *_: -12)
    array.add(base, 101 * PAGE, -1, 0)
    assert array.flag_each(ranges * np.uint64(PAGE) + np.uint64(base), 0x40) == (0, 50)
    (_, borders, _), pages = array.parts(), slice(0, 99)
    assert borders.size_flagged(0x40) == array.size_flagged(0x40) == 50 * PAGE
    marked = [Region(base + page * PAGE, PAGE, -1, 0x40) for page in range(1, 101, 2)]
    assert list(borders.at_least(PAGE, 0x40, pages)) == marked
    assert [region for region in array if region.flags] == marked


def test_ranges_that_were_flagged_cannot_be_changed_afterwards():
    ranges = np.array([[PAGE, 2 * PAGE]], np.uint64)
    five_regions().flag_each(ranges, 0x40)
    with pytest.raises(ValueError, match="read-only"):
        ranges[0, 1] = 3 * PAGE


@pytest.mark.parametrize("fewest", [1, 1000])
@pytest.mark.parametrize(("count", "asked"), [(63, []), (64, [(129 * PAGE, PAGE)])])
def test_marks_ask_for_room_when_two_more_regions_have_none(fewest, count, asked):
    """Two regions are there, and each mark makes two more: 63 marks fill an array of 128."""
    grown = []
    array = RegionArray("memory", lambda _, base, size: grown.append((base, size)) or -12)
    for nid in (0, 1):
        array.add(nid * 1000 * PAGE, 1000 * PAGE, nid, 0)
    pages = np.arange(3, 3 + 2 * count, 2, dtype=np.uint64)
    ranges = np.stack([pages, pages + np.uint64(1)], axis=1) * np.uint64(PAGE)
    with mock.patch.object(region_array, "FEWEST_FLAGGED_AT_ONCE", fewest):
        assert array.flag_each(ranges, 0x40) == (-12 if asked else 0, 63)
    assert (grown, len(array)) == (asked, 128)


@given(st.lists(st.integers(1, 3), min_size=2, max_size=12), st.booleans(), st.booleans())
def test_ranges_that_lie_apart_are_inserted_as_one_by_one(widths, below, above):
    """Ranges and what is between them by turns, one region below all of them, and two above."""
    edges = np.cumsum([10, *widths[: len(widths) // 2 * 2 - 1]]).astype(np.uint64) * np.uint64(PAGE)
    ranges = edges.reshape(-1, 2)
    at_once, naive = (RegionArray("reserved", lambda *_: -12) for _ in range(2))
    for array in (at_once, naive):
        for page in [8] * below + [52, 50] * above:
            array.add(page * PAGE, PAGE, 0, 0)
    at_once.add_apart(ranges[:, 0], ranges[:, 1], 0x10)
    for start, end in ranges.tolist():
        naive.add(start, end - start, -1, 0x10)
    assert list(at_once) == list(naive)
    assert at_once.moved == naive.moved
