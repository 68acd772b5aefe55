"""memblock against its naive twin of page sets, over random calls on a small machine."""

from hypothesis import given, settings
from hypothesis import strategies as st

from kho_sim.memory.memblock import KHO_SCRATCH, NOMAP, Memblock
from tests.naive.memblock import PAGE, NaiveMemblock

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
    if name == "scratch_only":
        real.scratch_only = naive.scratch_only = args[0]
        return None
    if name == "alloc":
        pages, align, (first, count), nid, exact = args
        window = (first * PAGE, (first + 4 * count) * PAGE)
        want = (pages * PAGE, align * PAGE, *window, nid, exact)
        return real.alloc_range_nid(*want), naive.alloc(*want)
    (first, count), *rest = args
    base, size = first * PAGE, count * PAGE
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
@given(st.lists(CALLS, max_size=40))
def test_memblock_agrees_with_page_sets(calls):
    real, naive = Memblock(), NaiveMemblock()
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


def test_a_free_that_needs_room_leaves_nothing_stale():
    """With 127 of 128 regions the kernel doubles the array before it takes one away."""
    real = Memblock()
    real.add(0x100000, 1 << 30, 0)
    for number in range(127):
        real.reserve(0x100000 + number * 0x10000, 0x1000)
    assert real.phys_free(0x100000, 0x1000) == 0
    assert real.reserved.capacity == 256
    real.check()


def test_the_defaults_are_those_of_the_contract():
    real = Memblock()
    real.add(0x100000, 0x100000)
    real.reserve(0x100000, 0x1000)
    assert [tuple(region) for region in real.memory] == [(0x100000, 0x100000, 0, 0)]
    assert [tuple(region) for region in real.reserved] == [(0x100000, 0x1000, -1, 0)]
