"""Runs of equal early allocations against one after the other, shadow and work included."""

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
    st.sampled_from(["", "scratch only", "shadow", "bottom up", "mirrored"]),
)
def test_runs_end_as_single_allocations_do(pieces, many_reserved, runs, mode):
    sides = []
    for allocate in (Requests.alloc_run, singly):
        memblock = machine(pieces, many_reserved)
        memblock.scratch_only = mode in ("scratch only", "shadow")
        memblock.bottom_up = mode == "bottom up"
        if mode == "mirrored":
            memblock.mark_mirror(0, 40 * PAGE)
        requests = Requests(memblock)
        if mode == "shadow":
            requests.open_shadow()
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
        shadow = state(requests.shadow) if requests.shadow else None
        sides.append((answers, requests.rows, state(memblock), shadow))
    assert sides[0] == sides[1]
