"""What every extension strategy promises; a new one is held to it by standing in the registry."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kho_sim.kho.extend import STRATEGIES, ExtendOptions
from kho_sim.memory.memblock import KHO_SCRATCH, KHO_SCRATCH_EXT, RSRV_NOINIT
from tests.kho.machines import PAGE, build, machines, page_states, regions
from tests.naive.extend import pages_in

SHIFTS = st.sampled_from([12, 13, 14, 16, 18, 21, 27, 30, 40])
FAMILY = pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)


def allocatable_pages(memblock):
    """Pages that an early allocation of a KHO boot may be given."""
    size = memblock.geometry.page_bytes
    return {
        page
        for gap in memblock.free_ranges()
        if gap.flags & KHO_SCRATCH
        for page in range(gap.start // size, -(-gap.end // size))
    }


@FAMILY
@settings(max_examples=40)
@given(machine=machines(), shift=SHIFTS)
def test_nothing_that_must_survive_can_be_allocated(strategy, machine, shift):
    machine.extend(strategy, ExtendOptions(machine.shift(shift)))
    kept = machine.preserved_pages | machine.table_pages
    assert not allocatable_pages(machine.memblock) & kept
    machine.memblock.check()


@FAMILY
@settings(max_examples=40)
@given(machine=machines(), shift=SHIFTS)
def test_flags_are_only_added(strategy, machine, shift):
    before = page_states(machine.memblock)
    scratch_before = machine.memblock.scratch_bytes()
    extension = machine.extend(strategy, ExtendOptions(machine.shift(shift)))
    after = page_states(machine.memblock)
    assert after.keys() == before.keys()
    for page, (nid, flags) in before.items():
        marks = (0, KHO_SCRATCH, KHO_SCRATCH | KHO_SCRATCH_EXT)
        assert after[page] in [(nid, flags | mark) for mark in marks]
    assert extension.extended_bytes == machine.memblock.scratch_bytes() - scratch_before


@FAMILY
@settings(max_examples=40)
@given(machine=machines(), shift=SHIFTS, after=st.integers(0, 3))
def test_it_fails_where_a_fault_says_and_keeps_its_marks(strategy, machine, shift, after):
    if strategy in (STRATEGIES["none"], STRATEGIES["leave-scratch-only"]):
        return  # they mark nothing
    scratch_before = machine.memblock.scratch_bytes()
    machine.memblock.marks_left = after
    extension = machine.extend(strategy, ExtendOptions(machine.shift(shift)))
    assert extension.work.ranges_marked <= after
    assert extension.extended_bytes == machine.memblock.scratch_bytes() - scratch_before
    if extension.work.ranges_marked == 0:
        assert extension.extended_bytes == 0
    machine.memblock.check()


@FAMILY
@settings(max_examples=40)
@given(machine=machines(), shift=SHIFTS)
def test_a_second_time_changes_nothing(strategy, machine, shift):
    options = ExtendOptions(machine.shift(shift))
    # Scratch is there at the first time as at the second, so that both fail or both succeed.
    if machine.extend(strategy, options).error:
        return
    memory, reserved = regions(machine.memblock.memory), regions(machine.memblock.reserved)
    again = machine.extend(strategy, options)
    assert (again.extended_bytes, again.error) == (0, "")
    assert regions(machine.memblock.memory) == memory
    assert regions(machine.memblock.reserved) == reserved


@FAMILY
@settings(max_examples=20)
@given(machine=machines(), shift=SHIFTS)
def test_the_incoming_tree_is_only_read(strategy, machine, shift):
    pages, runs = machine.incoming.table_pages(), list(machine.incoming.runs())
    machine.extend(strategy, ExtendOptions(machine.shift(shift)))
    assert (machine.incoming.table_pages(), list(machine.incoming.runs())) == (pages, runs)


@FAMILY
def test_pages_of_the_digest_are_taken_and_given_back_by_those_who_were_asked(strategy):
    machine = roomy()
    taken, given_back = [], []

    def allocate_page():
        taken.append(machine.allocate_page())
        return taken[-1]

    extension = strategy.extend(
        machine.memblock, machine.incoming, ExtendOptions(21), allocate_page, given_back.append
    )
    assert len(taken) == extension.digest_pages
    assert sorted(given_back) == sorted(taken)


@FAMILY
def test_its_work_is_what_memblock_did_for_it(strategy):
    """Runs of one page, as longer ones count the work of each block but are reserved at once."""
    stripes = [("preserved", 1), ("free", 1)] * 100
    machine = build(1, [("scratch", 64), *stripes, ("hole", 1)], 0, 0, 1)
    memblock = machine.memblock
    machine.allocate_page()  # so that nothing counts from 0
    memblock.remove(memblock.memory[0].base, PAGE)
    memblock.memory.capacity = len(memblock.memory)  # marking has to look for a larger array
    machine.reserve_first(strategy)
    scanned, moved = memblock.regions_scanned, memblock.regions_moved
    assert scanned
    assert moved
    work = machine.extend(strategy, ExtendOptions(12)).work
    assert work.regions_scanned == memblock.regions_scanned - scanned
    assert work.regions_moved == memblock.regions_moved - moved


@FAMILY
@pytest.mark.parametrize("shift", [21, 30])
def test_it_says_which_shift_it_was_given(strategy, shift):
    scaled = (STRATEGIES["scaled-blocks"], STRATEGIES["bounded-blocks"])
    expected = 21 if strategy in scaled else shift
    assert roomy().extend(strategy, ExtendOptions(shift)).shift == expected


def roomy():
    """64 pages of scratch; preserved memory and free memory take turns above it."""
    return build(1, [("scratch", 64), ("preserved", 8), ("free", 24)], 0, 0, 1)


def test_none_gives_nothing_and_reserve_early_gives_all():
    machine = roomy()
    assert machine.extend(STRATEGIES["none"], ExtendOptions()).extended_bytes == 0
    machine.extend(STRATEGIES["reserve-early"], ExtendOptions())
    memory = pages_in(machine.memblock)
    kept = machine.preserved_pages | machine.table_pages
    assert allocatable_pages(machine.memblock) == memory - kept


def test_reserve_early_marks_all_from_address_0():
    machine = build(0, [("free", 2), ("scratch", 64), ("preserved", 8), ("free", 24)], 0, 0, 1)
    memblock = machine.memblock
    work = machine.extend(STRATEGIES["reserve-early"], ExtendOptions()).work
    assert (work.keys_walked, work.ranges_reserved, work.ranges_marked) == (0, 0, 1)
    assert memblock.scratch_bytes() == memblock.memory_size()
    assert {region.flags for region in memblock.reserved} == {0, RSRV_NOINIT}


def test_reserve_early_without_room_for_the_reservations_marks_nothing():
    """One page of scratch, where doubling memblock.reserved needs two."""
    stripes = [("preserved", 1), ("free", 1)] * 200
    machine = build(1, [("scratch", 1), *stripes], 0, 0, 1)
    extension = machine.extend(STRATEGIES["reserve-early"], ExtendOptions())
    assert extension.error == "KHO: Failed to extend scratch: -ENOMEM"
    assert (extension.extended_bytes, extension.work.ranges_marked) == (0, 0)
    assert 120 < len(machine.memblock.reserved) <= 128


@pytest.mark.parametrize("shift", [11, 41])
def test_block_sizes_have_limits(shift):
    with pytest.raises(ValueError, match=r"12\.\.40"):
        ExtendOptions(shift)
