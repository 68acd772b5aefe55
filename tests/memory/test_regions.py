"""One memblock array by itself: what it moves, how it grows as a copy, and what its check finds."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kho_sim.base.errors import ModelError
from kho_sim.memory.memblock import Memblock
from kho_sim.memory.regions import RegionArray

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
    twin = memblock.copy()
    assert twin.reserve(0x1F0000, PAGE) == 0
    assert (twin.reserved.capacity, memblock.reserved.capacity) == (256, 128)
    assert len(memblock.reserved) == 128


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
