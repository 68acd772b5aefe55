"""One memblock array by itself: what it moves, how it grows as a copy, and what its check finds."""

import pytest

from kho_sim.errors import ModelError
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
    array.capacity = 128
    array._bases[1] += 1
    with pytest.raises(ModelError, match=r"^memory: index is stale"):
        array.check()
