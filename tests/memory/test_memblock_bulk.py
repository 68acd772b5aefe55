"""Many marks at once against one mark after the other: same arrays, same counts, same failures."""

from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import kho_sim.memory.regions
import kho_sim.memory.stripes
from kho_sim.memory.memblock import KHO_SCRATCH, NOMAP, Memblock
from kho_sim.memory.stripes import Rope, Stripes, parts_of

PAGE = 4096


@pytest.fixture(autouse=True)
def _stripes_from_one_on(monkeypatch):
    """Small cases would go one by one; blocks of a search are cut small as well."""
    monkeypatch.setattr(kho_sim.memory.regions, "FEWEST_STRIPES", 1)
    monkeypatch.setattr(kho_sim.memory.stripes, "BLOCK", 8)


PIECES = st.lists(
    st.tuples(
        st.sampled_from(["plain", "plain", "node 1", "scratch", "nomap", "hole"]),
        st.sampled_from([1, 3, 20, 150, 700]),
    ),
    min_size=1,
    max_size=5,
)
RANGES = st.builds(
    lambda first, pattern, times: [first, *pattern * times],
    st.tuples(st.one_of(st.just(0), st.integers(0, 60)), st.integers(1, 4)),
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 4)), min_size=1, max_size=5),
    st.sampled_from([1, 8, 30, 80]),
)
"""Pages left out and pages to be marked, by turns; the first may begin below all memory."""


def machine(scratch_pages, scratch_above, pieces, taken):
    """Lay pieces of memory out from page 1, with some pages of free scratch below or above."""
    memblock, position = Memblock(), 1
    memblock.scratch_only = True
    pieces = [("scratch", scratch_pages), *pieces]
    for kind, pages in [*pieces[1:], pieces[0]] if scratch_above else pieces:
        base, size = position * PAGE, pages * PAGE
        position += pages
        if kind == "hole":
            continue
        memblock.add(base, size, int(kind == "node 1"), NOMAP if kind == "nomap" else 0)
        if kind == "scratch":
            memblock.mark_kho_scratch(base, size)
    for first, pages in taken:
        memblock.reserve(first * PAGE, pages * PAGE)
    return memblock


MACHINES = st.builds(
    machine,
    st.sampled_from([1, 2, 3, 5, 9, 40]),
    st.booleans(),
    PIECES,
    st.lists(st.tuples(st.integers(0, 900), st.integers(1, 9)), max_size=4),
)


def rows(ranges):
    """(pages left out, pages marked) by turns -> rows of (start, end)."""
    edges = np.cumsum(np.array(ranges, np.uint64).reshape(-1)) * np.uint64(PAGE)
    return edges.reshape(-1, 2)


def one_by_one(memblock, ranges):
    for number, (start, end) in enumerate(ranges.tolist()):
        error = memblock.mark_kho_scratch(start, end - start)
        if error:
            return error, number
    return 0, len(ranges)


def state(memblock):
    return {
        "memory": list(memblock.memory),
        "reserved": list(memblock.reserved),
        "free": list(memblock.free_ranges()),
        "room": (memblock.memory.capacity, memblock.reserved.capacity),
        "arrays": memblock.array_pages(),
        "messages": memblock.messages,
        "work": (memblock.regions_scanned, memblock.regions_moved),
        "bytes": (memblock.memory_size(), memblock.reserved_size(), memblock.scratch_bytes()),
    }


@settings(max_examples=150, deadline=None)
@given(MACHINES, RANGES)
def test_many_marks_end_as_single_marks_do(memblock, ranges):
    bulk, naive = memblock.copy(), memblock.copy()
    ranges = rows(ranges)
    assert bulk.mark_kho_scratch_each(ranges) == one_by_one(naive, ranges)
    assert state(bulk) == state(naive)
    bulk.check()


def test_without_memory_there_is_nothing_to_mark():
    memblock = Memblock()
    assert memblock.mark_kho_scratch_each(rows([(1, 1)] * 3)) == (0, 3)
    assert (len(memblock.memory), memblock.regions_moved) == (0, 0)


@pytest.mark.parametrize(("marks", "compact"), [(4, []), (5, [9]), (70, [125, 11])])
def test_enough_marks_inside_one_region_are_kept_compact(monkeypatch, marks, compact):
    """Stripes end inside the last mark: n have 2 n - 1 of them. An array of 128 regions has room
    for 63, the next one makes it grow, the rest fits."""
    monkeypatch.setattr(kho_sim.memory.regions, "FEWEST_STRIPES", 5)
    memblock = Memblock()
    memblock.add(PAGE, 1000 * PAGE)
    assert memblock.mark_kho_scratch_each(rows([(9, 1)] * marks)) == (0, marks)
    free = memblock.free_ranges()
    assert isinstance(free, Rope if compact else list)
    for parts in (memblock.memory.parts(), parts_of(free)):
        assert [len(part) for part in parts if isinstance(part, Stripes)] == compact
    assert memblock.scratch_bytes() == marks * PAGE


@pytest.mark.parametrize(("first", "end", "compact"), [(20, 29, [3, 5]), (19, 22, [2, 5])])
def test_free_stripes_that_no_reservation_touches_are_kept_compact(first, end, compact):
    """Nine stripes with borders 9, 10, 19, 20, 29, 30 and so on: the fourth one ends at 29."""
    memblock = Memblock()
    memblock.add(PAGE, 1000 * PAGE)
    memblock.reserve(2 * PAGE, PAGE)
    memblock.reserve(first * PAGE, (end - first) * PAGE)
    memblock.reserve(60 * PAGE, PAGE)
    memblock.mark_kho_scratch_each(rows([(9, 1)] * 5))
    parts = parts_of(memblock.free_ranges())
    assert [len(part) for part in parts if isinstance(part, Stripes)] == compact
    memblock.check()


WINDOWS = st.tuples(st.integers(0, 900), st.integers(1, 300))
CALLS = st.lists(
    st.one_of(
        st.tuples(st.just("alloc"), st.integers(0, 6), st.sampled_from([1, 4]), WINDOWS),
        st.tuples(st.just("bottom up"), st.booleans()),
        st.tuples(
            st.sampled_from(["reserve", "phys_free", "clear_kho_scratch", "mark_nomap", "remove"]),
            WINDOWS,
        ),
    ),
    max_size=12,
)


def call(memblock, name, *args):
    if name == "bottom up":
        memblock.bottom_up = args[0]
        return None
    first, count = args[-1]
    if name == "alloc":
        pages, align, window = args
        end = (window[0] + window[1]) * PAGE
        return memblock.alloc_range_nid(
            pages * PAGE, align * PAGE, window[0] * PAGE, end, window[1] % 3 - 1, False
        )
    return getattr(memblock, name)(first * PAGE, (count % 7 + 1) * PAGE)


@settings(max_examples=150, deadline=None)
@given(MACHINES, RANGES, CALLS)
def test_stripes_behave_as_regions_afterwards(memblock, ranges, calls):
    bulk, naive = memblock.copy(), memblock.copy()
    ranges = rows(ranges)
    bulk.mark_kho_scratch_each(ranges)
    one_by_one(naive, ranges)
    for each in calls:
        assert call(bulk, *each) == call(naive, *each), each
        bulk.check()
    assert state(bulk) == state(naive)
    twin = bulk.copy()
    twin.remove(0, 1 << 40)
    assert state(bulk) == state(naive), "a copy is independent"


@given(
    st.lists(st.integers(1, 5), min_size=1), st.integers(0, 3), st.tuples(*[st.integers(0, 9)] * 2)
)
def test_the_columns_of_stripes_are_those_of_their_items(widths, nid, flags):
    edges = np.array(list(accumulate(widths, initial=PAGE)), np.uint64)
    stripes = Stripes(edges, nid, flags, lambda *item: item)
    columns = stripes.columns()
    assert list(columns) == ["start", "end", "nid", "flags"]
    assert list(zip(*columns.values(), strict=True)) == list(stripes)


def test_stripes_are_looked_at_by_kind_and_size():
    borders = [0, 1, 3, 4, 9, 10, 11, 13, 15]
    stripes = Stripes(np.array(borders, np.uint64), 0, (KHO_SCRATCH, 0), lambda *item: item)
    every = [(*pair, 0, (KHO_SCRATCH, 0)[n % 2]) for n, pair in enumerate(pairwise(borders))]
    assert list(stripes) == every
    plain = list(stripes.at_least(2, lambda _, flags: not flags, descending=True))
    assert plain == [(13, 15, 0, 0), (4, 9, 0, 0), (1, 3, 0, 0)]
    flagged = list(stripes.at_least(2, lambda _, flags: flags != 0, descending=False))
    assert flagged == [(11, 13, 0, KHO_SCRATCH)]
    assert list(stripes.at_least(2, lambda nid, _: nid == 1, descending=False)) == []
    assert list(stripes[1:4]) == every[1:4]
    assert stripes[-1] == every[-1]
    assert (stripes.size_flagged(0), stripes.size_flagged(KHO_SCRATCH)) == (15, 5)


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=40),
    st.integers(0, 7),
    st.sampled_from([[], [KHO_SCRATCH], [0], [KHO_SCRATCH, 0]]),
    st.booleans(),
)
@example([1], 1, [KHO_SCRATCH, 0], False)
@example([3, 1, 1, 1], 3, [KHO_SCRATCH], False)
@example([1, 1, 2, 3], 3, [0], True)
def test_a_search_of_stripes_is_a_look_at_each(widths, size, flags, descending):
    borders = list(accumulate(widths, initial=7))
    stripes = Stripes(np.array(borders, np.uint64), 1, (KHO_SCRATCH, 0), lambda *item: item)
    every = [(*pair, 1, (KHO_SCRATCH, 0)[n % 2]) for n, pair in enumerate(pairwise(borders))]
    expected = [item for item in every if item[1] - item[0] >= size and item[3] in flags]
    found = list(stripes.at_least(size, lambda _, own: own in flags, descending))
    assert found == expected[:: -1 if descending else 1]


@given(
    st.lists(
        st.tuples(st.integers(-3, 30), st.integers(0, 4), st.lists(st.integers(), max_size=4)),
        max_size=12,
    )
)
def test_a_rope_is_a_list(edits):
    rope, naive = Rope([[], range(20), [7, 8]]), [*range(20), 7, 8]
    for first, count, values in edits:
        for items in (rope, naive):
            items[first : first + count if first >= 0 else None] = values
            items.insert(len(values), 5)
            items[len(items) // 2] = 6
            del items[len(items) // 3]
        assert list(rope) == naive
        assert [rope[index] for index in range(-len(naive), len(naive))] == naive * 2
        assert list(rope[2:5]) == naive[2:5]
        assert all(rope.parts), "no part is empty"
    for index in (len(naive), -len(naive) - 1):
        with pytest.raises(IndexError):
            rope[index]
