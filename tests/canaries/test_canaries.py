"""Broken versions that the properties and state machines must catch.

A check that a canary survives is too weak. ``CANARIES``: a broken version, what it takes the place
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
from tests.canaries import broken_versions
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
from tests.memory.pages import test_allocator_naive
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
    (broken_versions.marks_a_busy_block, BLOCKS, contract),
    (broken_versions.marks_a_busy_block, BLOCKS, SETS),
    (broken_versions.gap_ends_a_page_late, BLOCKS, SETS),
    (broken_versions.forgets_what_lies_above, BLOCKS, SETS),
    (broken_versions.forgets_the_pages_of_the_incoming_tree, BLOCKS, contract),
    (broken_versions.marks_all_memory, BLOCKS, chain),
    (broken_versions.skips_the_last_preservation, RETRIEVE, chain),
    (
        broken_versions.skips_the_last_preservation,
        RETRIEVE,
        retrieval,
    ),
    (broken_versions.loses_a_file, [(RunningMemory, "hand_over")], chain),
    (broken_versions.loses_a_key, [(RunningMemory, "hand_over")], chain),
    (broken_versions.restores_at_the_wrong_offset, [(RunningMemory, "retrieve")], chain),
    (broken_versions.keeps_the_records, [(RunningMemory, "retrieve")], chain),
    (broken_versions.unpreserves_nothing, [(Outgoing, "unpreserve")], chain),
    (broken_versions.closes_every_session, [(RunningMemory, "close_session")], chain),
    (broken_versions.pins_in_place, [(folio_file, "migrate_out_of_cma")], chain),
    (broken_versions.hands_out_a_page_twice, ALLOC, chain),
    (
        broken_versions.hands_out_a_page_twice,
        ALLOC,
        test_allocator_naive.test_a_small_machine_in_one_zone,
    ),
    (broken_versions.takes_unmovable_pages_from_cma, [(PageAllocator, "_serve")], chain),
    (
        broken_versions.takes_unmovable_pages_from_cma,
        [(PageAllocator, "_serve")],
        test_allocator_naive.test_a_zone_that_is_mostly_cma,
    ),
    (broken_versions.loses_a_freed_page, [(PageAllocator, "free")], chain),
    (
        broken_versions.puts_freed_pages_at_the_tail,
        [(BlockList, "push_head")],
        test_allocator_naive.test_a_small_machine_in_one_zone,
    ),
    (broken_versions.loses_the_last_key_of_a_leaf, [(KeySet, "add_bits")], tree),
    (broken_versions.deletes_one_key_too_few, [(RadixTree, "del_keys")], tree),
    (broken_versions.destroys_parents_first, [(RadixTree, "destroy")], tree),
    (
        broken_versions.keeps_tables_of_a_failed_addition,
        [(RadixTree, "_make_path")],
        test_radix.test_runs_of_pages_equal_single_keys,
    ),
    (broken_versions.keeps_tables_of_a_failed_addition, [(RadixTree, "_make_path")], tree),
    (broken_versions.hands_on_a_live_tree, [(FrozenRadixTree, "freeze")], tree),
    (
        broken_versions.merges_reservations_of_other_flags,
        [(Memblock, "reserve")],
        memblock,
    ),
    (
        broken_versions.marks_a_page_too_many,
        [(Memblock, "mark_kho_scratch")],
        memblock,
    ),
    (broken_versions.marks_a_page_too_many_each, [(Memblock, "mark_kho_scratch_each")], SETS),
    (
        broken_versions.frees_a_page_too_many,
        [(Memblock, "phys_free")],
        memblock,
    ),
    (
        broken_versions.ignores_nodes,
        [(Memblock, "find")],
        memblock,
    ),
    (
        broken_versions.forgets_scratch_only_mode,
        [(Memblock, "find")],
        memblock,
    ),
    (broken_versions.forgets_scratch_only_mode, [(Memblock, "find")], chain),
    (
        broken_versions.overlaps_nothing,
        [(Memblock, "overlaps_original_scratch")],
        test_memblock_hugetlb.test_gigantic_pages_are_where_the_first_free_window_is,
    ),
    (
        broken_versions.ignores_earlier_segments,
        PLACE,
        test_kexec_load.test_places_agree_with_trying_every_page,
    ),
    (
        broken_versions.ignores_lower_limits,
        PLACE,
        test_kexec_load.test_places_agree_with_trying_every_page,
    ),
    (
        broken_versions.tries_the_last_area_first,
        PLACE,
        test_kexec_load.test_places_agree_with_trying_every_page,
    ),
]


def put_in_place(monkeypatch, broken, places):
    for owner, name in places:
        if isinstance(owner, dict):
            member = owner[name]
            monkeypatch.setitem(owner, name, type(member)(bound(broken, member[0])))
        elif isinstance(getattr(owner, name), Strategy):
            monkeypatch.setattr(owner, name, Strategy(bound(broken, getattr(owner, name).extend)))
        else:
            monkeypatch.setattr(owner, name, bound(broken, getattr(owner, name)))


def bound(broken, real):
    return lambda *args, **kwargs: broken(real, *args, **kwargs)


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


NAMES = [
    f"{broken.__name__}-{check.__name__.removeprefix('test_')}" for broken, _, check in CANARIES
]


@pytest.mark.parametrize(("broken", "places", "check"), CANARIES, ids=NAMES)
def test_a_broken_version_is_caught(monkeypatch, unshrunk, broken, places, check):
    unshrunk(check)
    put_in_place(monkeypatch, broken, places)
    with pytest.raises((AssertionError, KhoSimError)):
        check()
