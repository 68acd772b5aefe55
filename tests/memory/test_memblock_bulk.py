"""Many marks at once against one mark after the other: same arrays, same counts, same failures."""

from contextlib import contextmanager
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kho_sim.memory.free_ranges
import kho_sim.memory.region_array
from kho_sim.memory.memblock import NOMAP, Memblock
from kho_sim.memory.region_array import RegionArray

PAGE = 4096


@pytest.fixture(autouse=True)
def _at_once_from_one_on(monkeypatch):
    """Small cases would go one by one, and have their free ranges listed."""
    monkeypatch.setattr(kho_sim.memory.region_array, "FEWEST_FLAGGED_AT_ONCE", 1)


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
    passed = bulk.memory.passed
    error, marked = bulk.mark_kho_scratch_each(ranges)
    assert (error, marked) == one_by_one(naive, ranges)
    assert state(bulk) == state(naive)
    bases = [region.base for region in bulk.memory]
    below = [sum(base < start for base in bases) for start, _ in ranges[:marked].tolist()]
    assert bulk.memory.passed - passed == sum(below)
    bulk.check()


def test_without_memory_there_is_nothing_to_mark():
    memblock = Memblock()
    assert memblock.mark_kho_scratch_each(rows([(1, 1)] * 3)) == (0, 3)
    assert (len(memblock.memory), memblock.regions_moved) == (0, 0)


def test_marks_inside_one_region_are_made_together_as_far_as_there_is_room(monkeypatch):
    """An array of 128 regions has room for 63; then it grows, and the rest are made."""
    monkeypatch.setattr(kho_sim.memory.region_array, "FEWEST_FLAGGED_AT_ONCE", 5)
    at_once, real = [], RegionArray._flag_at_once
    monkeypatch.setattr(
        RegionArray, "_flag_at_once", lambda *args: at_once.append(real(*args)) or at_once[-1]
    )
    for marks, counts in ((4, [0, 0, 0, 0]), (5, [5]), (70, [63, 7])):
        memblock = Memblock()
        memblock.add(PAGE, 1000 * PAGE)
        assert memblock.mark_kho_scratch_each(rows([(9, 1)] * marks)) == (0, marks)
        assert at_once == counts
        assert memblock.scratch_bytes() == marks * PAGE
        at_once.clear()


def test_what_was_marked_at_once_stays_as_borders_while_memory_is_searched():
    """20 bytes a region are written when somebody looks at one."""
    memblock = Memblock()
    memblock.add(PAGE, 100_000 * PAGE)
    memblock.mark_kho_scratch(PAGE, 2000 * PAGE)
    memblock.scratch_only = True
    memblock.mark_kho_scratch_each(rows([(2003, 1), *[(2, 3)] * 10_000]))
    address = memblock.phys_alloc_range(4 * PAGE, PAGE, 0, 0)
    assert (address, memblock.scratch_bytes()) == (1997 * PAGE, 32_001 * PAGE)
    assert memblock.memory.capacity == 32_768
    assert len(memblock.memory.parts()) > 1
    assert "bases" not in vars(memblock.memory)
    assert memblock.memory[-1].end == 100_001 * PAGE
    assert (len(memblock.memory.parts()), len(memblock.memory)) == (1, 20_004)


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


@contextmanager
def searched_by_piece():
    """Free ranges are never listed; a search looks at 2, 4, 8 and again 8 regions."""
    sizes = {"MOST_LISTED": 0, "FIRST_PIECE": 2, "LARGEST_PIECE": 8}
    with mock.patch.multiple(kho_sim.memory.free_ranges, **sizes):
        yield


@settings(max_examples=150, deadline=None)
@given(MACHINES, RANGES, CALLS, st.booleans())
def test_memory_of_many_regions_is_searched_by_piece_as_by_list(memblock, ranges, calls, checked):
    """A check looks at each region, so what was left as borders is columns from then on."""
    bulk, naive = memblock.copy(), memblock.copy()
    ranges = rows(ranges)
    with searched_by_piece():
        bulk.mark_kho_scratch_each(ranges)
    one_by_one(naive, ranges)
    for each in calls:
        with searched_by_piece():
            answer = call(bulk, *each)
        assert answer == call(naive, *each), each
        if checked:
            bulk.check()
    assert state(bulk) == state(naive)
    bulk.check()
    copied = bulk.copy()
    copied.remove(0, 1 << 40)
    assert state(bulk) == state(naive), "a copy is independent"
