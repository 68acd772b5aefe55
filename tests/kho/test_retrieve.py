"""Retrieval against one preservation after the other."""

from hypothesis import given, settings
from hypothesis import strategies as st

from kho_sim.kho.extend import STRATEGIES, ExtendOptions
from kho_sim.kho.key import decode_key
from kho_sim.kho.radix import RadixTree
from kho_sim.kho.retrieve import retrieve
from kho_sim.memory.memblock import RSRV_NOINIT
from tests.kho.machines import build, machines, regions, runs_of

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


def naive_retrieve(memblock, incoming, noinit=True):
    """Each preservation by itself, in walk order; return how many were tried and the last errno."""
    tried, errno, size = 0, 0, incoming.geometry.page_bytes
    for key in incoming.walk():
        phys, order = decode_key(key, incoming.geometry)
        tried += 1
        errno = memblock.reserve(phys, size << order)
        if not errno and noinit:
            errno = memblock.mark_noinit(phys, size << order)
        if errno:
            break
    return tried, errno


@settings(max_examples=150)
@given(machine=machines(STRIPES))
def test_runs_end_as_single_preservations_do(machine):
    naive = machine.memblock.copy()
    tried, errno = naive_retrieve(naive, machine.incoming)
    mine = machine.memblock.copy()  # a copy as well, so that the counters of both begin at 0
    retrieval = retrieve(mine, machine.incoming)
    assert regions(mine.reserved) == regions(naive.reserved)
    assert mine.reserved.capacity == naive.reserved.capacity
    assert mine.messages == naive.messages
    assert retrieval.error == (naive.messages[-1] if errno else "")
    assert retrieval.work.keys_walked == retrieval.work.ranges_reserved == tried
    assert retrieval.work.regions_moved == naive.regions_moved
    assert retrieval.work.regions_scanned == naive.regions_scanned
    assert retrieval.regions_after == len(naive.reserved)
    mine.check()


@settings(max_examples=40)
@given(machine=machines())
def test_growth_is_the_number_of_preserved_runs(machine):
    """Kernel-facts 12.2: they merge with each other, across orders, but with nothing else."""
    retrieval = retrieve(machine.memblock, machine.incoming)
    assert retrieval.error == ""
    growth = retrieval.regions_after - retrieval.regions_before
    assert growth == runs_of(machine.preserved_pages)
    assert retrieval.work.pages_initialised == len(machine.preserved_pages)
    assert retrieval.work.tables_walked == machine.incoming.nodes
    kept = [region for region in machine.memblock.reserved if region.flags & RSRV_NOINIT]
    assert {region.nid for region in kept} <= {-1}
    assert sum(region.size for region in kept) == len(machine.preserved_pages) * machine.page_bytes


def test_an_array_that_can_not_grow_stops_it():
    machine = build(1, [("scratch", 1), *[("preserved", 1), ("free", 1)] * 150], 0, 0, 0)
    retrieval = retrieve(machine.memblock, machine.incoming)
    assert retrieval.error == (
        "memblock: Failed to double reserved array from 128 to 256 entries !"
    )
    assert 120 < retrieval.regions_after <= 128
    assert retrieval.work.ranges_reserved == retrieval.regions_after


def test_reserving_early_fails_without_marking():
    machine = build(1, [("scratch", 1), *[("preserved", 1), ("free", 1)] * 150], 0, 0, 0)
    extension = machine.extend(STRATEGIES["reserve-early"], ExtendOptions())
    assert extension.error == "KHO: Failed to extend scratch: -ENOMEM"
    assert (extension.extended_bytes, extension.work.ranges_marked) == (0, 0)


@settings(max_examples=60)
@given(machine=machines(STRIPES))
def test_reserving_early_reserves_as_single_blocks_would(machine):
    naive = machine.memblock.copy()
    blocks, geometry = [], machine.incoming.geometry
    machine.incoming.walk(
        lambda key: blocks.append(decode_key(key, geometry)), lambda page: blocks.append((page, 0))
    )
    errno = next((e for p, o in blocks if (e := naive.reserve(p, machine.page_bytes << o))), 0)
    extension = machine.extend(STRATEGIES["reserve-early"], ExtendOptions())
    assert regions(machine.memblock.reserved) == regions(naive.reserved)
    assert bool(extension.error) == bool(errno)
    if not errno:
        assert extension.work.ranges_reserved == len(blocks)
        assert extension.work.keys_walked == len(machine.keys)


def test_two_terabytes_take_no_time():
    machine = build(1, [("scratch", 64)], 0, 0, 0)
    machine.memblock.add(1 << 40, 2 << 40, 0)
    incoming = RadixTree()
    incoming.add_pages(2**28, 2**29)
    retrieval = retrieve(machine.memblock, incoming)
    assert retrieval.work.keys_walked == 2**29
    assert retrieval.regions_after == retrieval.regions_before + 1
