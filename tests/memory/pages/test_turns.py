"""Nodes that take turns while a kernel boots."""

from __future__ import annotations

import pytest

from kho_sim.memory.pages import MOVABLE, UNMOVABLE, OutOfMemory, PageAllocator
from tests.geometries import ZONES
from tests.memory.pages.test_allocator_naive import MIB

SIDES = ((MIB, 65 * MIB, 0), (128 * MIB, 192 * MIB, 1), (256 * MIB, 320 * MIB, 2))


def machine(*memory: tuple[int, int, int], in_turn: bool = True) -> PageAllocator:
    cpus = [1] * (1 + max(nid for *_, nid in memory))
    pages = PageAllocator(memory, [], cpus, zones=ZONES, kho_boot=False)
    pages.open([])
    if in_turn:
        pages.asking.take_turns()
    return pages


def pfns(runs) -> list[int]:
    return [pfn for run in runs for pfn in run.pfns()]


def nodes_of(runs) -> list[int]:
    bounds = {nid: range(start >> 12, end >> 12) for start, end, nid in SIDES}
    return [next(nid for nid, own in bounds.items() if pfn in own) for pfn in pfns(runs)]


def test_single_requests_go_round_all_nodes():
    pages = machine(*SIDES)
    asked = [nodes_of(pages.alloc(1, 0, UNMOVABLE)) for _ in range(5)]
    assert asked == [[0], [1], [2], [0], [1]]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 30])
def test_many_at_once_are_those_that_single_requests_get(count):
    together, alone = machine(*SIDES), machine(*SIDES)
    for pages in (together, alone):
        pages.alloc(1, 0, UNMOVABLE)
    got = pfns(together.alloc(count, 0, UNMOVABLE))
    singles = [pfn for _ in range(count) for pfn in pfns(alone.alloc(1, 0, UNMOVABLE))]
    assert sorted(got) == sorted(singles)
    assert together.free_lists() == alone.free_lists()
    assert nodes_of(together.alloc(1, 0, UNMOVABLE)) == nodes_of(alone.alloc(1, 0, UNMOVABLE))


def test_a_request_that_names_a_node_takes_no_turn():
    pages = machine(*SIDES)
    assert nodes_of(pages.alloc(2, 0, MOVABLE, 2)) == [2, 2]
    assert nodes_of(pages.alloc(1, 0, UNMOVABLE)) == [0]


def test_turns_end_on_the_node_that_user_space_runs_on():
    pages = machine(*SIDES)
    pages.alloc(1, 0, UNMOVABLE)
    pages.asking.run_on(2)
    assert nodes_of(pages.alloc(3, 0, UNMOVABLE)) == [2, 2, 2]


def test_without_turns_the_first_node_serves():
    assert nodes_of(machine(*SIDES, in_turn=False).alloc(3, 0, UNMOVABLE)) == [0, 0, 0]


def test_a_node_below_16_mib_gets_no_turn_unless_all_are_so_small():
    small = (128 * MIB, 144 * MIB - 4096, 1)
    pages = machine(SIDES[0], small, SIDES[2])
    assert nodes_of(pages.alloc(4, 0, UNMOVABLE)) == [0, 0, 2, 2]
    pages = machine((MIB, 9 * MIB, 0), small)
    assert nodes_of(pages.alloc(4, 0, UNMOVABLE)) == [1] * 4


def test_what_was_obtained_before_memory_ended_is_told():
    pages = machine(*SIDES)
    before = pages.free_pages().pages
    with pytest.raises(OutOfMemory) as short:
        pages.alloc(1 << 20, 0, UNMOVABLE)
    assert sum(run.blocks for run in short.value.allocated) > before // 2
    pages.free(short.value.allocated)
    pages.check()
