"""What every extension strategy promises; a new one is held to it by standing in the registry."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kho_sim.kho.extend import STRATEGIES, ExtendOptions
from kho_sim.memory.memblock import KHO_SCRATCH
from tests.kho.machines import PAGE, build, machines, page_states, regions
from tests.naive.extend import pages_in

SHIFTS = st.sampled_from([12, 13, 14, 16, 18, 21, 27, 30, 40])
FAMILY = pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)


def allocatable_pages(memblock):
    """Pages that an early allocation of a KHO boot may be given."""
    return {
        page
        for gap in memblock.free_ranges()
        if gap.flags & KHO_SCRATCH
        for page in range(gap.start // PAGE, -(-gap.end // PAGE))
    }


@FAMILY
@settings(max_examples=40)
@given(machine=machines(), shift=SHIFTS)
def test_nothing_that_must_survive_can_be_allocated(strategy, machine, shift):
    machine.extend(strategy, ExtendOptions(shift))
    tables = {address // PAGE for address in machine.incoming.table_pages()}
    assert not allocatable_pages(machine.memblock) & (machine.preserved_pages | tables)
    machine.memblock.check()


@FAMILY
@settings(max_examples=40)
@given(machine=machines(), shift=SHIFTS)
def test_flags_are_only_added(strategy, machine, shift):
    before = page_states(machine.memblock)
    scratch_before = machine.memblock.scratch_bytes()
    extension = machine.extend(strategy, ExtendOptions(shift))
    after = page_states(machine.memblock)
    assert after.keys() == before.keys()
    for page, (nid, flags) in before.items():
        assert after[page] in ((nid, flags), (nid, flags | KHO_SCRATCH))
    assert extension.extended_bytes == machine.memblock.scratch_bytes() - scratch_before


@FAMILY
@settings(max_examples=40)
@given(machine=machines(), shift=SHIFTS, after=st.integers(0, 3))
def test_it_fails_where_a_fault_says_and_keeps_its_marks(strategy, machine, shift, after):
    if strategy is STRATEGIES["none"]:
        return
    scratch_before = machine.memblock.scratch_bytes()
    machine.memblock.marks_left = after
    extension = machine.extend(strategy, ExtendOptions(shift))
    assert extension.work.ranges_marked <= after
    assert extension.extended_bytes == machine.memblock.scratch_bytes() - scratch_before
    if extension.work.ranges_marked == 0:
        assert extension.extended_bytes == 0
    machine.memblock.check()


@FAMILY
@settings(max_examples=40)
@given(machine=machines(), shift=SHIFTS)
def test_a_second_time_changes_nothing(strategy, machine, shift):
    # Scratch is there at the first time as at the second, so that both fail or both succeed.
    if machine.extend(strategy, ExtendOptions(shift)).error:
        return
    memory, reserved = regions(machine.memblock.memory), regions(machine.memblock.reserved)
    again = machine.extend(strategy, ExtendOptions(shift))
    assert (again.extended_bytes, again.error) == (0, "")
    assert regions(machine.memblock.memory) == memory
    assert regions(machine.memblock.reserved) == reserved


@FAMILY
@settings(max_examples=20)
@given(machine=machines(), shift=SHIFTS)
def test_the_incoming_tree_is_only_read(strategy, machine, shift):
    pages, runs = machine.incoming.table_pages(), list(machine.incoming.runs())
    machine.extend(strategy, ExtendOptions(shift))
    assert (machine.incoming.table_pages(), list(machine.incoming.runs())) == (pages, runs)


def roomy():
    """64 pages of scratch; preserved memory and free memory take turns above it."""
    return build(1, [("scratch", 64), ("preserved", 8), ("free", 24)], 0, 0, 1)


def test_none_gives_nothing_and_reserve_early_gives_all():
    machine = roomy()
    assert machine.extend(STRATEGIES["none"], ExtendOptions()).extended_bytes == 0
    tables = {address // PAGE for address in machine.incoming.table_pages()}
    machine.extend(STRATEGIES["reserve-early"], ExtendOptions())
    memory = pages_in(machine.memblock.memory)
    kept = machine.preserved_pages | tables
    assert allocatable_pages(machine.memblock) == memory - kept


@pytest.mark.parametrize("shift", [11, 41])
def test_block_sizes_have_limits(shift):
    with pytest.raises(ValueError, match=r"12\.\.40"):
        ExtendOptions(shift)
