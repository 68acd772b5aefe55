"""Broken twins that the properties and state machines must catch.

A check that a canary survives is too weak. ``CANARIES``: a broken twin, what it takes the place
of, and the check that has to fail.
"""

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from kho_sim.base.errors import KhoSimError
from kho_sim.kernel.running import RunningMemory
from kho_sim.kho.extend import STRATEGIES, Strategy
from kho_sim.kho.key import KeySet
from kho_sim.kho.preserve import Outgoing, folio_file
from kho_sim.kho.radix import FrozenRadixTree, RadixTree
from kho_sim.kho.retrieve import RETRIEVALS
from kho_sim.memory.memblock import Memblock
from kho_sim.memory.pages import PageAllocator
from kho_sim.memory.pages.lists import BlockList
from tests.canaries import twins
from tests.chain.test_chain_states import QUICK, ChainMachine
from tests.kho import (
    test_extend_blocks,
    test_extend_contract,
    test_kexec_load,
    test_radix,
    test_retrieve,
)
from tests.kho.test_radix_states import TreeMachine
from tests.memory import test_memblock_hugetlb
from tests.memory.pages import test_twin
from tests.memory.test_memblock_states import MemblockMachine

BLOCKS = [(STRATEGIES, "blocks"), (test_extend_blocks, "BLOCKS")]
RETRIEVE = [(RETRIEVALS, "per-key")]
PLACE = [(test_kexec_load, "place_segments")]
SETS = test_extend_blocks.test_blocks_agree_with_sets_of_pages
ALLOC = [(PageAllocator, "alloc")]


def contract():
    test_extend_contract.test_nothing_that_must_survive_can_be_allocated(STRATEGIES["blocks"])


def chain():
    run(ChainMachine, QUICK)


def retrieval():
    test_retrieve.test_it_keeps_the_contract_of_its_family("per-key")


def tree():
    run(TreeMachine, TreeMachine.TestCase.settings)


def memblock():
    run(MemblockMachine, MemblockMachine.TestCase.settings)


def run(machine, usual):
    """Run up to the first failure, at most four times as long as usual: hypothesis also draws
    constants of all modules that are loaded, so how soon it finds one depends on which tests run.
    """
    unshrunk = settings(
        usual,
        max_examples=4 * usual.max_examples,
        phases=[Phase.generate],
        report_multiple_bugs=False,
    )
    run_state_machine_as_test(machine, settings=unshrunk)


CANARIES = [
    (twins.marks_a_busy_block, BLOCKS, contract),
    (twins.marks_a_busy_block, BLOCKS, SETS),
    (twins.gap_ends_a_page_late, BLOCKS, SETS),
    (twins.forgets_what_lies_above, BLOCKS, SETS),
    (twins.forgets_the_pages_of_the_incoming_tree, BLOCKS, contract),
    (twins.marks_all_memory, BLOCKS, chain),
    (twins.skips_the_last_preservation, RETRIEVE, chain),
    (
        twins.skips_the_last_preservation,
        RETRIEVE,
        retrieval,
    ),
    (twins.loses_a_file, [(RunningMemory, "hand_over")], chain),
    (twins.loses_a_key, [(RunningMemory, "hand_over")], chain),
    (twins.restores_at_the_wrong_offset, [(RunningMemory, "retrieve")], chain),
    (twins.keeps_the_records, [(RunningMemory, "retrieve")], chain),
    (twins.unpreserves_nothing, [(Outgoing, "unpreserve")], chain),
    (twins.closes_every_session, [(RunningMemory, "close_session")], chain),
    (twins.pins_in_place, [(folio_file, "migrate_out_of_cma")], chain),
    (twins.hands_out_a_page_twice, ALLOC, chain),
    (twins.hands_out_a_page_twice, ALLOC, test_twin.test_a_small_machine_in_one_zone),
    (twins.takes_unmovable_pages_from_cma, [(PageAllocator, "_serve")], chain),
    (
        twins.takes_unmovable_pages_from_cma,
        [(PageAllocator, "_serve")],
        test_twin.test_a_zone_that_is_mostly_cma,
    ),
    (twins.loses_a_freed_page, [(PageAllocator, "free")], chain),
    (
        twins.puts_freed_pages_at_the_tail,
        [(BlockList, "push_head")],
        test_twin.test_a_small_machine_in_one_zone,
    ),
    (twins.loses_the_last_key_of_a_leaf, [(KeySet, "add_bits")], tree),
    (twins.deletes_one_key_too_few, [(RadixTree, "del_keys")], tree),
    (twins.destroys_parents_first, [(RadixTree, "destroy")], tree),
    (
        twins.keeps_tables_of_a_failed_addition,
        [(RadixTree, "_make_path")],
        test_radix.test_runs_of_pages_equal_single_keys,
    ),
    (twins.keeps_tables_of_a_failed_addition, [(RadixTree, "_make_path")], tree),
    (twins.hands_on_a_live_tree, [(FrozenRadixTree, "freeze")], tree),
    (
        twins.merges_reservations_of_other_flags,
        [(Memblock, "reserve")],
        memblock,
    ),
    (
        twins.marks_a_page_too_many,
        [(Memblock, "mark_kho_scratch")],
        memblock,
    ),
    (twins.marks_a_page_too_many_each, [(Memblock, "mark_kho_scratch_each")], SETS),
    (
        twins.frees_a_page_too_many,
        [(Memblock, "phys_free")],
        memblock,
    ),
    (
        twins.ignores_nodes,
        [(Memblock, "find")],
        memblock,
    ),
    (
        twins.forgets_scratch_only_mode,
        [(Memblock, "find")],
        memblock,
    ),
    (twins.forgets_scratch_only_mode, [(Memblock, "find")], chain),
    (
        twins.overlaps_nothing,
        [(Memblock, "overlaps_original_scratch")],
        test_memblock_hugetlb.test_gigantic_pages_are_where_the_first_free_window_is,
    ),
    (
        twins.ignores_earlier_segments,
        PLACE,
        test_kexec_load.test_places_agree_with_trying_every_page,
    ),
    (twins.ignores_lower_limits, PLACE, test_kexec_load.test_places_agree_with_trying_every_page),
    (
        twins.tries_the_last_area_first,
        PLACE,
        test_kexec_load.test_places_agree_with_trying_every_page,
    ),
]


def put_in_place(monkeypatch, twin, places):
    for owner, name in places:
        if isinstance(owner, dict):
            member = owner[name]
            monkeypatch.setitem(owner, name, type(member)(broken(member[0], twin)))
        elif isinstance(getattr(owner, name), Strategy):
            monkeypatch.setattr(owner, name, Strategy(broken(getattr(owner, name).extend, twin)))
        else:
            monkeypatch.setattr(owner, name, broken(getattr(owner, name), twin))


def broken(real, twin):
    return lambda *args, **kwargs: twin(real, *args, **kwargs)


@pytest.fixture
def unshrunk(monkeypatch):
    """Have a hypothesis test stop at the first failure: how small it can be is nobody's question.

    There is no public way to change the settings of a test that has some.
    """

    def prepare(check):
        attribute = "_hypothesis_internal_use_settings"
        if check is contract:
            check = test_extend_contract.test_nothing_that_must_survive_can_be_allocated
        if hasattr(check, attribute):
            once = settings(
                getattr(check, attribute),
                phases=[Phase.generate],
                report_multiple_bugs=False,
                derandomize=True,
                database=None,
            )
            monkeypatch.setattr(check, attribute, once)

    return prepare


NAMES = [f"{twin.__name__}-{check.__name__.removeprefix('test_')}" for twin, _, check in CANARIES]


@pytest.mark.parametrize(("twin", "places", "check"), CANARIES, ids=NAMES)
def test_a_broken_twin_is_caught(monkeypatch, unshrunk, twin, places, check):
    unshrunk(check)
    put_in_place(monkeypatch, twin, places)
    with pytest.raises((AssertionError, KhoSimError)):
        check()
