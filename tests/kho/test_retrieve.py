"""Every retrieval of the registry: its contract, and its naive model."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kho_sim.contracts import check_retrieval
from kho_sim.kho.extend import STRATEGIES, ExtendOptions
from kho_sim.kho.radix import RadixTree
from kho_sim.kho.retrieve import RETRIEVALS, RetrieveOptions
from kho_sim.kho.retrieve.reserver import BlockReserver
from kho_sim.memory.memblock import RSRV_NOINIT
from tests.kho.machines import build, machines, regions, runs_of
from tests.naive.retrieve import NAIVE, keys_of, runs_of_keys

FAMILY = pytest.mark.parametrize("name", RETRIEVALS)
RESERVING = pytest.mark.parametrize("name", [name for name in RETRIEVALS if name != "skip-at-free"])

# Many small stretches, so that some machines outgrow the 128 regions that memblock begins with.
STRIPES = st.builds(
    lambda scratch_pages, stripes, others: [
        ("scratch", scratch_pages),
        *[("reserved", 1), ("free", 1)] * stripes,
        *others,
    ],
    st.sampled_from([1, 2, 20]),
    st.sampled_from([0, 60, 115, 120, 122, 123, 124, 125, 126, 127, 128]),
    st.lists(
        st.tuples(
            st.sampled_from(["preserved", "preserved", "free", "reserved", "hole"]),
            st.integers(1, 7),
        ),
        min_size=2,
        max_size=30,
    ),
)


def retrieve(name, memblock, incoming, cpus=1):
    """Both halves of a retrieval; (first pass or None, retrieval)."""
    retriever = RETRIEVALS[name]
    first = retriever.reserve_first and retriever.reserve_first(memblock, incoming)
    options = RetrieveOptions(cpus=cpus, reserved=bool(first and not first.error))
    return first, retriever.retrieve(memblock, incoming, options)


@FAMILY
def test_it_keeps_the_contract_of_its_family(name):
    check_retrieval(name)


def test_every_retrieval_has_a_naive_model():
    assert NAIVE.keys() == RETRIEVALS.keys()


@FAMILY
@settings(max_examples=60)
@given(machine=machines(STRIPES))
def test_it_ends_as_single_calls_do(name, machine):
    held_to_single_calls(name, machine)


def held_to_single_calls(name, machine):
    incoming = machine.incoming
    naive, mine = machine.memblock.copy(), machine.memblock.copy()  # counters of both begin at 0
    tried, errno = NAIVE[name](naive, incoming)
    reserving = naive.regions_moved
    retriever = RETRIEVALS[name]
    if retriever.reserve_first:
        done = retriever.reserve_first(mine, incoming)
    else:
        done = retriever.retrieve(mine, incoming, RetrieveOptions())
    assert regions(mine.reserved) == regions(naive.reserved)
    assert mine.reserved.capacity == naive.reserved.capacity
    assert mine.messages == naive.messages
    assert done.error == (naive.messages[-1] if errno else "")
    assert done.work.ranges_reserved == tried
    assert done.work.regions_moved == reserving
    assert done.work.regions_scanned == naive.regions_scanned
    mine.check()


# Runs by turns with free pages, with a reservation here and there: many that are reserved at once.
SCATTERED = st.builds(
    lambda scratch_pages, turns: [
        ("scratch", scratch_pages),
        *[stretch for kept, kind in turns for stretch in (("preserved", kept), (kind, 1))],
    ],
    st.sampled_from([2, 20, 60]),
    st.lists(
        st.tuples(st.integers(1, 6), st.sampled_from(["free"] * 30 + ["reserved", "hole"])),
        min_size=20,
        max_size=220,
    ),
)
RESERVERS = {"two calls": {"marks_noinit": True}, "one call": {"flags": RSRV_NOINIT}}


@pytest.mark.parametrize("how", RESERVERS)
@settings(max_examples=60)
@given(machine=machines(SCATTERED), joined=st.booleans())
def test_ranges_at_once_are_as_one_after_the_other(how, machine, joined):
    ranges = machine.incoming.run_columns().ranges()
    ranges = ranges.collected() if joined else ranges
    together, single = (BlockReserver(machine.memblock.copy(), **RESERVERS[how]) for _ in range(2))
    together.reserve_all(ranges)
    for index in range(len(ranges)):
        if single.reserve(*ranges.one(index)):
            break
    assert regions(together._memblock.reserved) == regions(single._memblock.reserved)
    assert together._memblock.reserved.capacity == single._memblock.reserved.capacity
    assert together.work == single.work
    assert (together.errno, together.size_bytes) == (single.errno, single.size_bytes)
    together._memblock.check()


@FAMILY
@settings(max_examples=30)
@given(machine=machines(SCATTERED))
def test_scattered_memory_ends_as_single_calls_do(name, machine):
    held_to_single_calls(name, machine)


@FAMILY
@settings(max_examples=30)
@given(machine=machines())
def test_it_counts_the_keys_and_the_pages_that_it_visits(name, machine):
    first, retrieval = retrieve(name, machine.memblock, machine.incoming)
    work = retrieval.work + retrieval.parallel_work
    assert work.keys_walked == len(machine.keys)
    assert work.tables_walked == machine.incoming.nodes
    assert work.pages_initialised == len(machine.preserved_pages)
    if first:
        assert first.work.keys_walked == len(machine.keys)
        assert first.work.pages_initialised == 0


@RESERVING
@settings(max_examples=30)
@given(machine=machines())
def test_growth_is_the_number_of_preserved_runs(name, machine):
    """Kernel-facts 12.2: they merge with each other, across orders, but with nothing else."""
    before = len(machine.memblock.reserved)
    _, retrieval = retrieve(name, machine.memblock, machine.incoming)
    assert retrieval.error == ""
    assert retrieval.regions_after - before == runs_of(machine.preserved_pages)
    kept = [region for region in machine.memblock.reserved if region.flags & RSRV_NOINIT]
    assert {region.nid for region in kept} <= {-1}
    assert sum(region.size for region in kept) == len(machine.preserved_pages) * machine.page_bytes


@RESERVING
def test_an_array_that_can_not_grow_stops_it(name):
    machine = build(1, [("scratch", 1), *[("preserved", 1), ("free", 1)] * 150], 0, 0, 0)
    _, retrieval = retrieve(name, machine.memblock, machine.incoming)
    assert retrieval.error == (
        "memblock: Failed to double reserved array from 128 to 256 entries !"
    )
    assert 120 < retrieval.regions_after <= 128


def test_calls_and_walks_of_three_ways():
    """Eight neighbours behind one reservation: an insertion passes it twice, a change once."""
    machine = build(1, [("reserved", 1), ("scratch", 4), ("preserved", 8)], 0, 0, 0)
    work = {}
    for name in ("per-key", "one-call", "collect-runs"):
        memblock = machine.memblock.copy()
        work[name] = retrieve(name, memblock, machine.incoming)[1].work
    counts = {
        name: (w.ranges_reserved, w.ranges_isolated, w.regions_passed) for name, w in work.items()
    }
    # From the second key on there is the run so far as well, which the flag's walk ends at.
    assert counts == {
        "per-key": (8, 8, 2 + 1 + 7 * (2 * 2 + 2)),
        "one-call": (8, 0, 2 + 7 * 2 * 2),
        "collect-runs": (1, 0, 2),
    }


def test_tables_and_preservations_side_by_side_do_not_merge():
    """As recorded (strategies, section 4.3); the tables are given back in the second pass."""
    machine = build(1, [("scratch", 4), ("preserved", 8), ("free", 2)], 0, 0, 1)
    memblock = machine.memblock
    RETRIEVALS["two-pass"].reserve_first(memblock, machine.incoming)
    flags = [region.flags for region in memblock.reserved]
    assert flags.count(RSRV_NOINIT) == 1
    assert 0 in flags
    options = RetrieveOptions(reserved=True)
    retrieval = RETRIEVALS["two-pass"].retrieve(memblock, machine.incoming, options)
    assert [region.flags for region in memblock.reserved] == [RSRV_NOINIT]
    assert retrieval.work.ranges_isolated == machine.incoming.nodes


def test_what_is_skipped_is_kept_from_the_page_allocator():
    machine = build(256, [("scratch", 64), ("preserved", 9), ("free", 600)], 0, 0, 1)
    retrieval = retrieve("skip-at-free", machine.memblock, machine.incoming)[1]
    assert len(machine.memblock.reserved) == 0
    skipped = {
        page // machine.page_bytes
        for extent in retrieval.skipped
        for page in range(extent.start, extent.end, machine.page_bytes)
    }
    assert skipped == machine.preserved_pages
    assert retrieval.work.tree_lookups == 2


@pytest.mark.parametrize(("cpus", "threads"), [(1, 1), (2, 2), (8, 3)])
def test_threads_are_no_more_than_leaves(cpus, threads):
    machine = build(1, [("scratch", 64)], 0, 0, 0)
    incoming = RadixTree()
    incoming.add_pages(1 << 15, 3 << 15)
    machine.memblock.add(1 << 27, 3 << 27)
    _, retrieval = retrieve("parallel", machine.memblock, incoming, cpus)
    assert retrieval.threads == threads
    assert retrieval.work.ranges_reserved == 1
    assert retrieval.parallel_work.pages_initialised == 3 << 15


def test_reserve_early_marks_nothing_that_is_not_reserved():
    machine = build(1, [("scratch", 64), ("preserved", 8), ("free", 24)], 0, 0, 1)
    extension = STRATEGIES["reserve-early"].extend(
        machine.memblock, machine.incoming, ExtendOptions(), None, None
    )
    assert extension.error == "KHO: Failed to extend scratch: -ENOMEM"
    assert (extension.extended_bytes, extension.work.ranges_marked) == (0, 0)


@pytest.mark.parametrize("name", ["per-key", "collect-runs"])
def test_two_terabytes_take_no_time(name):
    machine = build(1, [("scratch", 64)], 0, 0, 0)
    machine.memblock.add(1 << 40, 2 << 40, 0)
    incoming = RadixTree()
    incoming.add_pages(2**28, 2**29)
    _, retrieval = retrieve(name, machine.memblock, incoming)
    assert retrieval.work.keys_walked == 2**29
    assert retrieval.regions_after == retrieval.regions_before + 1


def test_the_naive_runs_are_runs_of_keys():
    machine = build(1, [("scratch", 4), ("preserved", 3), ("free", 1), ("preserved", 2)], 0, 0, 1)
    assert len(keys_of(machine.incoming)) == 5
    assert [size // machine.page_bytes for _, size in runs_of_keys(machine.incoming)] == [3, 2]
