"""Gigantic pages, and searches from below, against trying every place of a small machine."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kho_sim.base.extent import Extent
from kho_sim.memory.memblock import KHO_SCRATCH, MAX_NUMNODES, MIRROR, Memblock
from tests.naive.memblock import NaiveMemblock

PAGE = 4096

GIGANTIC = 8 * PAGE
"""As small as a test likes; the rules do not know the size."""
RANGE = st.tuples(st.integers(1, 120), st.integers(1, 40))
MACHINES = st.fixed_dictionaries(
    {
        "memory": st.lists(st.tuples(RANGE, st.integers(0, 1)), min_size=1, max_size=4),
        "reserved": st.lists(RANGE, max_size=4),
        "marked": st.lists(RANGE, max_size=4),
        "scratch": st.lists(st.tuples(st.integers(1, 140), st.integers(1, 9)), max_size=3),
        "scratch_only": st.booleans(),
        "bottom_up": st.booleans(),
        "limit": st.sampled_from([2**64 - 1, 100 * PAGE]),
    }
)


def build(machine):
    real, naive = Memblock(), NaiveMemblock()
    for (first, count), nid in machine["memory"]:
        for memblock in (real, naive):
            memblock.add(first * PAGE, count * PAGE, nid, 0)
    for first, count in machine["reserved"]:
        for memblock in (real, naive):
            memblock.reserve(first * PAGE, count * PAGE, -1, 0)
    for first, count in machine["marked"]:
        real.mark_kho_scratch(first * PAGE, count * PAGE)
        naive.flag(first * PAGE, count * PAGE, KHO_SCRATCH, True)
    for first, count in machine["scratch"]:
        real.original_scratch += (Extent(first * PAGE, (first + count) * PAGE),)
    real.scratch_only = machine["scratch_only"]
    real.bottom_up = machine["bottom_up"]
    real.current_limit = machine["limit"]
    return real, naive


def naive_places(naive, machine, size, align, nid):
    """Every place where a request fits, ascending."""
    found = []
    for base, length, region_nid, flags in naive.regions(naive.memory):
        wanted = nid in (-1, region_nid) and (flags & KHO_SCRATCH or not machine["scratch_only"])
        for address in range(base, base + length - size + 1, PAGE) if wanted else ():
            pages = naive.pages(address, size)
            aligned = address % align == 0 and address + size <= machine["limit"]
            if aligned and not any(page in naive.reserved for page in pages):
                found.append(address)
    return found


def naive_gigantic(naive, machine, nid, exact):
    scratch = {page for first, count in machine["scratch"] for page in range(first, first + count)}
    for node in [nid] if exact or nid < 0 else [nid, -1]:
        places = [
            address
            for address in naive_places(naive, machine, GIGANTIC, GIGANTIC, node)
            if scratch.isdisjoint(naive.pages(address, GIGANTIC))
        ]
        if places:
            return places[0 if machine["bottom_up"] else -1], node
    return 0, nid


@settings(max_examples=80, deadline=None)
@given(MACHINES, st.lists(st.tuples(st.integers(-1, 1), st.booleans()), min_size=1, max_size=6))
def test_gigantic_pages_are_where_the_first_free_window_is(machine, requests):
    real, naive = build(machine)
    for nid, exact in requests:
        address, node = naive_gigantic(naive, machine, nid, exact)
        assert real.alloc_hugetlb(GIGANTIC, nid, exact) == address
        if address:
            naive.reserve(address, GIGANTIC, node, 0xA0)
            owner = next(region for region in real.reserved if region.base <= address < region.end)
            assert (owner.nid, owner.flags) == (node, 0xA0)
        real.check()


@settings(max_examples=60, deadline=None)
@given(MACHINES, st.integers(1, 9), st.sampled_from([1, 2, 8]), st.integers(-1, 1))
def test_from_below_and_from_above(machine, pages, align, nid):
    real, naive = build(machine)
    places = naive_places(naive, machine, pages * PAGE, align * PAGE, nid)
    expected = places[0 if machine["bottom_up"] else -1] if places else 0
    assert real.alloc_range_nid(pages * PAGE, align * PAGE, 0, 0, nid, True) == expected


def test_a_gigantic_page_fits_exactly_between_scratch_areas():
    """Areas are half-open: one that only touches the page is clear of it."""
    real = Memblock()
    real.add(0, 10 * GIGANTIC)
    for first in (0, 5, 7):
        scratch = Extent(first * GIGANTIC, (first + 1) * GIGANTIC)
        real.original_scratch += (scratch,)
    real.reserve(8 * GIGANTIC, 2 * GIGANTIC)
    assert real.alloc_hugetlb(GIGANTIC, -1, False) == 6 * GIGANTIC
    assert real.alloc_hugetlb(GIGANTIC, -1, False) == 4 * GIGANTIC


def test_a_gigantic_page_that_can_not_be_reserved_is_none():
    """The array of reservations is full and the only free memory has no room for a larger one."""
    real = Memblock()
    real.add(8 * GIGANTIC, GIGANTIC)
    for number in range(128):
        real.reserve((100 + 2 * number) * GIGANTIC, PAGE)
    assert real.find(GIGANTIC, GIGANTIC, 0, 0, -1, 0) == 8 * GIGANTIC
    assert real.alloc_hugetlb(GIGANTIC, -1, False) == 0
    assert len(real.messages) == 1


def test_mirrored_memory_comes_first_and_is_given_up_rather_than_fail():
    real = Memblock()
    real.add(0x100000, 0x100000)
    real.mark_mirror(0x110000, 0x8000)
    assert real.alloc_range_nid(0x8000, PAGE, 0, 0, -1, False) == 0x110000
    assert real.messages == []
    assert real.alloc_range_nid(0x1000, PAGE, 0, 0, -1, False) == 0x1FF000
    assert real.messages == ["Could not allocate 4096 bytes of mirrored memory"]
    assert real.alloc_hugetlb(0x10000, -1, False) == 0x1E0000, "gigantic pages never ask for it"
    assert real.messages[1:] == []
    assert [region.base for region in real.memory if region.flags & MIRROR] == [0x110000]


def test_a_lower_limit_is_given_up_rather_than_fail():
    real = Memblock()
    real.add(0x100000, 0x100000)
    assert real.alloc_try_nid_raw(0x1000, PAGE, 0x400000, 2**40, -1) == 0x1FF000
    assert real.alloc_range_nid(0x1000, PAGE, 0x400000, 2**40, -1, False) == 0
    assert real.alloc_exact_nid_raw(0x1000, PAGE, 0, 2**40, 1) == 0
    assert real.alloc_exact_nid_raw(0x1000, PAGE, 0, 2**40, 0) == 0x1FE000
    assert real.alloc_exact_nid_raw(0x1000, PAGE, 0x400000, 2**40, 1) == 0, "but not the node"


def test_without_a_lower_limit_there_is_one_try():
    real = Memblock()
    assert real.alloc_try_nid_raw(0x1000, PAGE, 0, 0, -1) == 0
    assert real.regions_scanned == 1


def test_every_allocator_keeps_to_its_alignment():
    real = Memblock()
    real.add(0x100000, 0x100000)
    assert real.alloc_exact_nid_raw(0x1000, 0x10000, 0, 0, 0) == 0x1F0000
    assert real.alloc_try_nid_raw(0x1000, 0x10000, 0, 0, 0) == 0x1E0000
    assert real.phys_alloc_range(0x1000, 0x10000, 0x100000, 0x1E0000) == 0x1D0000


def test_a_node_that_is_not_known_is_no_node():
    """MAX_NUMNODES means the same as -1, which is what the reservation records."""
    real = Memblock()
    real.add(0x100000, 0x80000, MAX_NUMNODES)
    real.add(0x180000, 0x80000, 0)
    assert real.find(0x1000, PAGE, 0, 0, MAX_NUMNODES, 0) == 0x1FF000
    assert real.alloc_range_nid(0x1000, PAGE, 0, 0, MAX_NUMNODES, True) == 0x1FF000
    assert [tuple(region) for region in real.reserved] == [(0x1FF000, 0x1000, -1, 0x20)]


@pytest.mark.parametrize(
    ("bottom_up", "pages", "page", "walked"),
    [(False, 12, 32, 2 + 3), (True, 12, 32, 1 + 1), (False, 13, 0, 3 + 4), (True, 13, 0, 3 + 4)],
)
def test_a_search_walks_regions_up_to_the_place_it_finds(bottom_up, pages, page, walked):
    """Memory regions and reservations from the end where it begins, and one step more."""
    real = Memblock()
    for nid, first, end in [(0, 16, 32), (1, 32, 48), (1, 64, 80)]:
        real.add(first * PAGE, (end - first) * PAGE, nid)
    for first, count in [(20, 4), (44, 4), (70, 1), (76, 1)]:
        real.reserve(first * PAGE, count * PAGE)
    real.bottom_up = bottom_up
    for times in (1, 2):
        assert real.find(pages * PAGE, PAGE, 0, 0, -1, 0) == page * PAGE
        assert real.regions_scanned == times * (walked + 1)


@pytest.mark.parametrize(("movable_node", "expected"), [(False, 0x2FF000), (True, 0x1FF000)])
def test_removable_memory_is_avoided_with_movable_node(movable_node, expected):
    real = Memblock()
    real.add(0x100000, 0x200000)
    real.mark_hotplug(0x200000, 0x100000)
    real.movable_node = movable_node
    assert real.alloc_range_nid(0x1000, PAGE, 0, 0, -1, False) == expected


def test_an_empty_request_fits_between_two_reservations_from_above_only():
    """Kernel-facts 2.3: the search from below wants a range that is not empty."""
    real = Memblock()
    real.add(0x100000, 0x100000)
    real.reserve(0x100000, 0x80000)
    real.reserve_kern(0x180000, 0x80000)
    assert real.find(0, PAGE, 0, 0, -1, 0) == 0x180000
    real.bottom_up = True
    assert real.find(0, PAGE, 0, 0, -1, 0) == 0


def test_an_empty_request_does_not_fit_at_the_borders_of_memory():
    real = Memblock()
    real.add(0x100000, 0x100000)
    real.reserve(0x100000, 0x100000)
    assert real.find(0, PAGE, 0, 0, -1, 0) == 0
