"""Runs of equal early allocations against one after the other, counterfactual and work included."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kho_sim.memory.early import Requests
from kho_sim.memory.memblock import Memblock

PAGE = 4096
MACHINES = st.lists(
    st.tuples(
        st.sampled_from(["scratch", "scratch", "node 1", "plain", "reserved", "kernel", "hole"]),
        st.integers(1, 60),
    ),
    min_size=1,
    max_size=9,
)
RUNS = st.lists(
    st.tuples(
        st.integers(1, 40),
        st.sampled_from([1, 2, 4]),
        st.sampled_from([1, 2]),
        st.integers(-1, 1),
        st.sampled_from([0, 16, 60]),
        st.sampled_from([1, 90, 400]),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)
"""(count, pages, multiple of the alignment, node, lowest page, end page, free the last one)."""


def machine(pieces, many_reserved):
    memblock, position = Memblock(), 3
    for kind, pages in [*pieces, *[("reserved", 1), ("plain", 1)] * many_reserved]:
        base, size = position * PAGE, pages * PAGE
        position += pages
        if kind == "hole":
            continue
        memblock.add(base, size, int(kind == "node 1"))
        if kind in ("scratch", "node 1"):
            memblock.mark_kho_scratch(base, size)
        elif kind == "reserved":
            memblock.reserve(base, size)
        elif kind == "kernel":
            memblock.reserve_kern(base, size)
    return memblock


class Forgetful(set):
    """A memory of refusals that keeps none: the counterfactual is asked every time."""

    def add(self, call):
        """Leave it."""


def singly(requests, what, size, align, count, **where):
    for number in range(count):
        if not requests.alloc(what, size, align, **where):
            return number
    return count


def state(memblock):
    return (
        list(memblock.memory),
        list(memblock.reserved),
        memblock.reserved.capacity,
        memblock.messages,
        memblock.regions_scanned,
        memblock.regions_moved,
    )


@settings(max_examples=200, deadline=None)
@given(
    MACHINES,
    st.sampled_from([0, 0, 120, 126, 127]),
    RUNS,
    st.sampled_from(["", "scratch only", "counterfactual", "bottom up", "mirrored"]),
)
def test_runs_end_as_single_allocations_do(pieces, many_reserved, runs, mode):
    sides = []
    for allocate in (Requests.alloc_run, singly):
        memblock = machine(pieces, many_reserved)
        memblock.scratch_only = mode in ("scratch only", "counterfactual")
        memblock.bottom_up = mode == "bottom up"
        if mode == "mirrored":
            memblock.mark_mirror(0, 40 * PAGE)
        requests = Requests(memblock)
        if allocate is singly:
            requests._refused = Forgetful()
        if mode == "counterfactual":
            requests.start_counterfactual()
            memblock.mark_kho_scratch(0, 1 << 40)
        answers = []
        for count, pages, multiple, nid, low, high, free in runs:
            where = {"nid": nid, "low": low * PAGE, "high": high if high == 1 else high * PAGE}
            size = pages * PAGE
            align = size if multiple == 1 else PAGE
            answers.append(allocate(requests, "run", size, align, count, **where))
            if free and requests.rows[-1].address:
                requests.free(requests.rows[-1].address, 0, size)
        memblock.check()
        counterfactual = None
        if requests.counterfactual:  # asked in vain once, so it says so once
            *arrays, said, _, _ = state(requests.counterfactual)
            counterfactual = arrays, set(said)
        sides.append((answers, requests.rows, state(memblock), counterfactual))
    assert sides[0] == sides[1]


@pytest.mark.parametrize(
    ("low", "count", "taken", "times"),
    [
        (0, 100, None, 7),
        (0, 3, None, 3),
        (18, 100, None, 5),
        (22, 100, None, 1),
        (23, 100, None, 0),
        (0, 100, (20, 1), 2),
        (0, 100, (23, 1), 0),
    ],
)
def test_a_repetition_ends_one_block_above_what_stops_it(low, count, taken, times):
    """The request was answered with pages 25 and 24; 16 to 23 are free, or what is above ``taken``
    and ``low``. All are one region afterwards, and each costs what the second one did."""
    memblock = Memblock()
    memblock.add(16 * PAGE, 10 * PAGE)
    if taken:
        memblock.reserve(taken[0] * PAGE, taken[1] * PAGE, 1)
    for page in (25, 24):
        assert memblock.alloc_range_nid(PAGE, PAGE, low * PAGE, 0, -1, False) == page * PAGE
    scanned, moved = memblock.regions_scanned, memblock.regions_moved
    assert memblock.repeat_below(24 * PAGE, PAGE, low * PAGE, count, 7, 11) == times
    assert tuple(memblock.reserved[-1]) == ((24 - times) * PAGE, (2 + times) * PAGE, -1, 0x20)
    assert len(memblock.reserved) == (2 if taken else 1)
    assert memblock.regions_scanned - scanned == 7 * times
    assert memblock.regions_moved - moved == 11 * times
    memblock.check()


def test_a_repetition_keeps_inside_its_memory_region():
    memblock = Memblock()
    memblock.add(10 * PAGE, 10 * PAGE, 0)
    memblock.add(20 * PAGE, 6 * PAGE, 1)
    for page in (25, 24):
        assert memblock.alloc_range_nid(PAGE, PAGE, 0, 0, -1, False) == page * PAGE
    assert memblock.repeat_below(24 * PAGE, PAGE, 0, 100, 0, 0) == 3
    assert memblock.repeat_below(20 * PAGE, PAGE, 0, 100, 0, 0) == 0


def test_a_counterfactual_that_grew_is_asked_again():
    """Its second doubling gives the pages of the first one back: 32 and 33."""
    memblock = Memblock()
    memblock.add(16 * PAGE, 1000 * PAGE, 0)
    for first, pages in [(16, 3), (32, 2), (48, 1)]:
        memblock.mark_kho_scratch(first * PAGE, pages * PAGE)
    memblock.scratch_only = True
    for number in range(255):
        memblock.reserve((64 + 2 * number) * PAGE, PAGE)
    assert memblock.array_pages()["reserved"] == (32 * PAGE, 2 * PAGE)
    requests = Requests(memblock)
    requests.start_counterfactual()
    memblock.mark_kho_scratch(700 * PAGE, 100 * PAGE)
    window = (2 * PAGE, PAGE, 32 * PAGE, 34 * PAGE)
    assert requests.alloc_range("refused", *window) == 0
    requests.alloc("makes both grow", PAGE, PAGE)
    assert requests.counterfactual.array_pages()["reserved"] == (16 * PAGE, 3 * PAGE)
    assert requests.alloc_range("free again", *window) == 32 * PAGE
    assert [row.avoided for row in requests.rows] == [False, False, False]
