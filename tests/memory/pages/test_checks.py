"""What the allocator's own check finds, and what it says of it."""

import pytest

from kho_sim.base.errors import ModelError
from kho_sim.memory.pages import CMA, MOVABLE, UNMOVABLE, PageAllocator, Run
from kho_sim.memory.pages.buddy import Buddy
from tests.geometries import ZONES

MIB = 1 << 20
FIRST = 0x10000


@pytest.mark.parametrize("pfn", [0, 255, 17 << 8, 1 << 40])
def test_a_page_that_no_zone_has(pfn):
    pages = PageAllocator([(MIB, 17 * MIB, 0)], [], [1], zones=ZONES, kho_boot=False)
    with pytest.raises(ModelError, match=f"^page {pfn:#x} is in no zone$"):
        pages.free([Run(pfn, 1)])


def test_per_cpu_lists_that_hold_less_than_nothing():
    pages = PageAllocator([(MIB, 17 * MIB, 0)], [], [1], zones=ZONES, kho_boot=False)
    pages.check()
    zone = pages._zones[0]
    zone.pcp.pages = -1
    with pytest.raises(ModelError, match=f"^per-CPU lists of {zone.name} hold -1$"):
        pages.check()


def sound() -> Buddy:
    """Two blocks of the highest order, and a page, a pair and a pageblock of CMA above them."""
    buddy = Buddy(FIRST, FIRST + 4096)
    buddy.set_type(FIRST + 3072, FIRST + 4096, CMA)
    buddy.give_range(FIRST, FIRST + 2048)
    buddy.give(FIRST + 2048 + 5, 0)
    buddy.give(FIRST + 2048 + 8, 1)
    buddy.give(FIRST + 3072, 9)
    buddy.check()
    assert (buddy.free.exact(), buddy.free_cma.exact()) == (2048 + 3 + 512, 512)
    return buddy


@pytest.mark.parametrize("order", range(1, 10))
def test_a_block_that_is_not_aligned(order):
    buddy = sound()
    pfn = FIRST + 2560 + (1 << order - 1)
    buddy._small[order][MOVABLE].push_head(pfn)
    with pytest.raises(ModelError, match=f"^block {pfn:#x} of order {order} is not aligned$"):
        buddy.check()


@pytest.mark.parametrize("inside", [FIRST, FIRST + 1023, FIRST + 2047, FIRST + 2048 + 9])
def test_a_page_that_is_free_twice(inside):
    buddy = sound()
    buddy._small[0][MOVABLE].push_head(inside)
    with pytest.raises(ModelError, match=f"^block {inside:#x} overlaps the one below$"):
        buddy.check()


def test_a_page_below_the_zone():
    buddy = sound()
    buddy._small[0][MOVABLE].push_head(FIRST - 1)
    with pytest.raises(ModelError, match=f"^block {FIRST - 1:#x} overlaps the one below$"):
        buddy.check()


@pytest.mark.parametrize("pageblock", range(4))
def test_a_block_on_the_list_of_another_type(pageblock):
    buddy = sound()
    pfn = FIRST + 512 * pageblock
    buddy.set_type(pfn, pfn + 512, UNMOVABLE)
    with pytest.raises(ModelError, match=f"^block {pfn:#x} is on list {MOVABLE}$"):
        buddy.check()


@pytest.mark.parametrize("order", range(10))
def test_buddies_that_are_both_free(order):
    buddy = sound()
    low = FIRST + (2048 if order == 9 else 2560)
    if order == 9:
        buddy._small[0][MOVABLE].remove(FIRST + 2048 + 5)
        buddy._small[1][MOVABLE].remove(FIRST + 2048 + 8)
    buddy._small[order][MOVABLE].push_head(low)
    buddy._small[order][MOVABLE].push_head(low + (1 << order))
    said = f"^block {low:#x} and its buddy of order {order} are both free$"
    with pytest.raises(ModelError, match=said):
        buddy.check()


def test_counters_that_are_off_by_one():
    buddy = sound()
    buddy.free.value += 1
    with pytest.raises(ModelError, match=f"^counter is not {2048 + 3 + 512}$"):
        buddy.check()
    buddy.free.value -= 1
    buddy.free_cma.value -= 1
    with pytest.raises(ModelError, match=r"^CMA counter is not 512$"):
        buddy.check()
    buddy.free_cma.value += 1
    buddy.check()
