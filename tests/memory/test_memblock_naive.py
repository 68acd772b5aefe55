"""memblock against a naive model of page sets, over random calls on a small machine."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kho_sim.base.extent import Extent
from kho_sim.memory.memblock import KHO_SCRATCH, NOMAP, Memblock
from tests.geometries import GEOMETRIES
from tests.naive.memblock import NaiveMemblock

PAGE = 4096
PAGES = 96
RANGES = st.tuples(st.integers(1, PAGES - 1), st.integers(1, 24))
CALLS = st.one_of(
    st.tuples(st.just("add"), RANGES, st.integers(0, 1), st.sampled_from([0, NOMAP])),
    st.tuples(st.just("remove"), RANGES),
    st.tuples(st.just("reserve"), RANGES, st.integers(-1, 1), st.sampled_from([0, 0x20])),
    st.tuples(st.just("free"), RANGES),
    st.tuples(st.just("mark"), RANGES),
    st.tuples(st.just("clear"), RANGES),
    st.tuples(st.just("set_node"), RANGES, st.integers(0, 1)),
    st.tuples(st.just("scratch_only"), st.booleans()),
    st.tuples(
        st.just("alloc"),
        st.integers(1, 12),
        st.sampled_from([1, 2, 8]),
        RANGES,
        st.integers(-1, 1),
        st.booleans(),
    ),
)


def both(real: Memblock, naive: NaiveMemblock, call):
    """Do a call on both; return what an allocation answered."""
    name, *args = call
    size_of_page = real.geometry.page_bytes
    if name == "scratch_only":
        real.scratch_only = naive.scratch_only = args[0]
        return None
    if name == "alloc":
        pages, align, (first, count), nid, exact = args
        window = (first * size_of_page, (first + 4 * count) * size_of_page)
        want = (pages * size_of_page, align * size_of_page, *window, nid, exact)
        return real.alloc_range_nid(*want), naive.alloc(*want)
    (first, count), *rest = args
    base, size = first * size_of_page, count * size_of_page
    if name == "mark":
        real.mark_kho_scratch(base, size)
        naive.flag(base, size, KHO_SCRATCH, True)
    elif name == "clear":
        real.clear_kho_scratch(base, size)
        naive.flag(base, size, KHO_SCRATCH, False)
    else:
        getattr(real, "phys_free" if name == "free" else name)(base, size, *rest)
        getattr(naive, name)(base, size, *rest)
    return None


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(GEOMETRIES), st.lists(CALLS, max_size=40))
def test_memblock_agrees_with_page_sets(geometry, calls):
    real, naive = Memblock(geometry), NaiveMemblock(geometry.page_bytes)
    for call in [("add", (1, PAGES // 2), 0, 0), *calls]:
        answers = both(real, naive, call)
        real.check()
        if answers:
            assert answers[0] == answers[1], call
        for array in ("memory", "reserved"):
            merged = naive.regions(getattr(naive, array))
            assert flattened(getattr(real, array)) == flattened(merged), call


@settings(max_examples=100, deadline=None)
@given(st.lists(CALLS, max_size=40))
def test_joining_downwards_counts_as_inserting_and_merging(calls):
    plain, short = Memblock(), Memblock()
    plain.reserved._extends_next_down = plain.memory._extends_next_down = lambda *_: False
    for call in [("add", (1, PAGES // 2), 0, 0), *calls]:
        answers = [both(memblock, NaiveMemblock(), call) for memblock in (plain, short)]
        assert not answers[0] or answers[0][0] == answers[1][0]
    for array in ("memory", "reserved"):
        assert list(getattr(plain, array)) == list(getattr(short, array))
    assert (plain.regions_moved, plain.regions_scanned) == (
        short.regions_moved,
        short.regions_scanned,
    )


def flattened(regions):
    """Join neighbours of equal node and flags: the kernel leaves some that it did not touch
    apart."""
    result = []
    for base, size, nid, flags in regions:
        if result and result[-1][0] + result[-1][1] == base and result[-1][2:] == (nid, flags):
            result[-1] = (result[-1][0], result[-1][1] + size, nid, flags)
        else:
            result.append((base, size, nid, flags))
    return result


def test_arrays_double_and_give_the_old_one_back():
    real = Memblock()
    real.add(0x100000, 1 << 30, 0)
    for number in range(300):
        assert real.reserve(0x100000 + number * 0x10000, 0x1000) == 0
    place, size = real.array_pages()["reserved"]
    assert real.reserved.capacity == 512
    assert size == 0x3000
    assert place + size == 0x100000 + (1 << 30) - 0x2000  # below the first, which was freed
    real.check()


def test_doubling_that_finds_no_scratch_fails_as_the_kernel_says():
    real = Memblock()
    real.add(0x100000, 1 << 30, 0)
    real.scratch_only = True
    codes = [real.reserve(0x100000 + number * 0x10000, 0x1000) for number in range(200)]
    assert codes.index(-12) == 128
    assert "Failed to double reserved array from 128 to 256 entries" in real.messages[0]
    assert real.alloc_range_nid(0x1000, 0x1000, 0, 0, -1, False) == 0
    real.check()


def test_a_reservation_inside_a_free_range_is_cut_out_in_place():
    real = Memblock()
    for first in (0, 40):
        real.add(first * PAGE, 32 * PAGE)
    free = real.free_ranges()
    for first, count in [(20, 2), (0, 1), (31, 1), (40, 32)]:
        real.reserve(first * PAGE, count * PAGE)
        assert real.free_ranges() is free
    pages = [(gap.start // PAGE, gap.end // PAGE) for gap in free]
    assert pages == [(1, 20), (22, 31)]
    real.reserve(19 * PAGE, 10 * PAGE)
    assert real.free_ranges() is not free, "the reservation lies not inside one"
    real.check()


def full(array):
    """128 regions of that array: memory of two nodes by turns, or reservations above all memory."""
    real = Memblock()
    if array == "memory":
        for number in range(128):
            real.add(0x100000 + number * 0x1000, 0x1000, number % 2)
        return real
    real.add(0x100000, 0x80000)
    for number in range(128):
        real.reserve(1 << 40 | number * 0x2000, 0x1000)
    return real


@pytest.mark.parametrize(("array", "searches"), [("memory", 1), ("reserved", 2)])
def test_room_for_reservations_is_sought_above_them_and_then_below(array, searches):
    """A search that finds nothing walks both arrays to their ends."""
    real = full(array)
    real.current_limit = 0x100000
    scanned = real.regions_scanned
    assert (real.add if array == "memory" else real.reserve)(0x200000, 0x1000) == -12
    every = len(real.memory) + len(real.reserved) + 1
    assert real.regions_scanned - scanned == searches * every
    assert real.messages == [f"memblock: Failed to double {array} array from 128 to 256 entries !"]


def test_a_doubled_array_keeps_off_the_range_being_reserved():
    real = full("reserved")
    assert real.reserve(0x140000, 0x40000) == 0
    assert real.array_pages() == {"reserved": (0x13E000, 0x2000)}


def test_nothing_lies_below_address_0_so_a_doubled_array_may_lie_in_the_range_itself():
    """The search below the range has the limit 0, which means none (kernel-facts 2.3)."""
    real = full("reserved")
    assert real.reserve(0, 0x200000) == 0
    assert [tuple(region) for region in real.reserved[:3]] == [
        (0, 0x17E000, -1, 0),
        (0x17E000, 0x2000, -1, 0x20),
        (0x180000, 0x80000, -1, 0),
    ]


def test_a_copy_goes_on_as_the_original_would():
    real = Memblock()
    real.add(0x100000, 0x100000)
    real.mark_mirror(0x110000, 0x8000)
    real.mark_hotplug(0x1F0000, 0x10000)
    real.movable_node = True
    real.original_scratch = (Extent(0x1C0000, 0x1D0000),)
    real.current_limit = 0x1E0000
    for memblock in (real.copy(), real.copy().copy(), real):
        assert memblock.alloc_hugetlb(0x10000, -1, False) == 0x1D0000
        assert memblock.alloc_hugetlb(0x10000, -1, False) == 0x1B0000
        assert memblock.alloc_range_nid(0x8000, PAGE, 0, 0, -1, False) == 0x110000
        memblock.current_limit = 0x200000
        assert memblock.alloc_range_nid(0x1000, PAGE, 0, 0, -1, False) == 0x1EF000
        assert memblock.messages == ["Could not allocate 4096 bytes of mirrored memory"]


def test_a_free_that_needs_room_leaves_nothing_stale():
    """With 127 of 128 regions the kernel doubles the array before it takes one away."""
    real = Memblock()
    real.add(0x100000, 1 << 30, 0)
    for number in range(127):
        real.reserve(0x100000 + number * 0x10000, 0x1000)
    assert real.phys_free(0x100000, 0x1000) == 0
    assert real.reserved.capacity == 256
    real.check()


def test_sizes_are_cut_at_the_end_of_addresses():
    """Source: memblock_cap_size()."""
    real = Memblock()
    real.reserve(0x1000, 2**64 - 1)
    assert [tuple(region) for region in real.reserved] == [(0x1000, 2**64 - 0x1001, -1, 0)]


def test_the_defaults_are_those_of_the_contract():
    real = Memblock()
    real.add(0x100000, 0x100000)
    real.reserve(0x100000, 0x1000)
    assert [tuple(region) for region in real.memory] == [(0x100000, 0x100000, 0, 0)]
    assert [tuple(region) for region in real.reserved] == [(0x100000, 0x1000, -1, 0)]


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=["4K", "16K", "64K"])
def test_arrays_grow_by_whole_pages_and_page_0_is_never_handed_out(geometry):
    page = geometry.page_bytes
    real = Memblock(geometry)
    real.add(0, 1024 * page)
    assert real.alloc_range_nid(page, page, 0, 2 * page, -1, False) == page
    assert real.alloc_range_nid(64, 64, 0, page, -1, False) == 0
    for number in range(130):
        real.reserve((10 + 2 * number) * page, page)
    place, size = real.array_pages()["reserved"]
    assert size == -(-256 * 24 // page) * page
    assert place == 1024 * page - size
