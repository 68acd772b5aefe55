"""Counters, free lists and sizes of per-CPU lists, each held to the plainest form of itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kho_sim.memory.pages.counters import ZoneCounter, stat_threshold
from kho_sim.memory.pages.kinds import CMA, MOVABLE, RECLAIMABLE, UNMOVABLE, Run
from kho_sim.memory.pages.lists import BlockList, MaxOrderList
from kho_sim.memory.pages.percpu import PerCpuLists, batch_of
from kho_sim.platform.geometry import PAGES_4K
from tests.naive.pages import Counter

BLOCK = 1 << 10


@given(
    st.integers(0, 130),
    st.lists(st.tuples(st.sampled_from([1, -1, 2, -8, 512, -512]), st.integers(1, 300))),
)
def test_many_additions_are_single_ones(threshold, additions):
    fast, slow = ZoneCounter(), Counter()
    fast.threshold = slow.threshold = threshold
    for delta, times in additions:
        fast.add(delta, times)
        for _ in range(times):
            slow.add(delta)
        assert (fast.value, fast.pending) == (slow.value, slow.pending)
        assert fast.exact() == slow.value + slow.pending


@given(st.integers(0, 130), st.integers(-130, 130))
def test_so_many_pages_taken_one_by_one_change_the_figure(threshold, pending):
    counter, taken = ZoneCounter(), 0
    counter.threshold, counter.pending = threshold, max(-threshold, min(pending, threshold))
    steps = counter.steps_to_fold()
    while not counter.value:
        counter.add(-1)
        taken += 1
    assert steps == taken


@pytest.mark.parametrize(
    ("cpus", "pages", "threshold"),
    [
        (1, 0, 2), (1, 32767, 2), (1, 32768, 4), (4, 1 << 18, 30), (8, 1 << 20, 56),
        (64, 1 << 24, 125), (16, 1 << 22, 90), (192, 1 << 28, 125),
    ],
)  # fmt: skip
def test_the_threshold_grows_with_cpus_and_the_logarithm_of_memory(cpus, pages, threshold):
    assert stat_threshold(cpus, pages, PAGES_4K) == threshold


@given(st.lists(st.tuples(st.sampled_from(["head", "tail", "pop", "remove"]), st.integers(0, 9))))
def test_a_block_list_has_a_head_and_a_tail(edits):
    blocks, plain = BlockList(), []
    for edit, pfn in edits:
        if edit == "pop" and plain:
            assert blocks.head() == plain[0]
            assert blocks.pop_head() == plain.pop(0)
        elif edit == "remove" and pfn in plain:
            blocks.remove(pfn)
            plain.remove(pfn)
        elif edit in ("head", "tail") and pfn not in plain:
            getattr(blocks, f"push_{edit}")(pfn)
            plain.insert(0 if edit == "head" else len(plain), pfn)
        assert (list(blocks), len(blocks), bool(blocks)) == (plain, len(plain), bool(plain))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["head", "tail", "run", "pop", "pops"]), st.integers(0, 9),
            st.integers(1, 4),
        )
    )
)  # fmt: skip
def test_blocks_of_the_highest_order_come_in_runs(edits):
    blocks, plain = MaxOrderList(BLOCK), []
    for edit, number, count in edits:
        pfn = number * BLOCK
        if edit == "head":
            blocks.push_head(pfn)
            plain.insert(0, pfn)
        elif edit == "tail":
            blocks.push_tail(pfn)
            plain.append(pfn)
        elif edit == "run":
            blocks.push_tail_run(pfn, count)
            plain += range(pfn, pfn + count * BLOCK, BLOCK)
        elif edit == "pop" and plain:
            assert blocks.pop_head() == plain.pop(0)
        elif plain:
            first, got = blocks.pop_head_run(count)
            assert 1 <= got <= count
            assert [*range(first, first + got * BLOCK, BLOCK)] == plain[:got]
            del plain[:got]
        assert (list(blocks), len(blocks)) == (plain, len(plain))


def test_neighbours_at_the_tail_leave_together():
    blocks = MaxOrderList(BLOCK)
    for number in (3, 4, 5, 7):
        blocks.push_tail(number * BLOCK)
    assert [blocks.pop_head_run(9), blocks.pop_head_run(9)] == [(3 * BLOCK, 3), (7 * BLOCK, 1)]


@pytest.mark.parametrize(
    ("pages", "batch"),
    [
        (0, 1), (8192, 1), (12288, 3), (16384, 3), (65536, 15), (131072, 31), (262143, 63),
        (262144, 63), (1 << 30, 63),
    ],
)  # fmt: skip
def test_the_batch_grows_up_to_a_gib(pages, batch):
    assert batch_of(pages, PAGES_4K) == batch


def test_each_list_has_a_place_of_its_own():
    kinds, lists = (UNMOVABLE, MOVABLE, RECLAIMABLE), PerCpuLists()
    slots = [lists.slot_of(order, kind) for order in range(4) for kind in kinds]
    assert slots == list(range(12))
    assert [lists.order_of(slot) for slot in range(14)] == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3 + [
        9,
        9,
    ]
    assert [lists.slot_of(9, kind) for kind in (*kinds, CMA)] == [12, 13, 12, 13]
    assert [lists.slot_of(order, CMA) for order in range(4)] == [1, 4, 7, 10]


@pytest.mark.parametrize(
    ("pages", "low", "cpus", "limits"),
    [
        (1 << 18, 0, 1, (63, 252, 32768)),
        (1 << 18, 0, 64, (63, 252, 512)),
        (1 << 18, 0, 1000, (63, 252, 252)),
        (1 << 18, 8192, 4, (63, 2048, 8192)),
        (0, 0, 1, (1, 4, 4)),
    ],
)
def test_limits_follow_the_zone_its_watermark_and_the_cpus(pages, low, cpus, limits):
    lists = PerCpuLists()
    lists.high = 7
    lists.resize(pages, low, cpus)
    assert (lists.batch, lists.high_min, lists.high_max) == limits
    assert lists.high == lists.high_min


def test_before_there_are_limits_pages_come_and_go_one_by_one():
    lists = PerCpuLists()
    assert (lists.refill_blocks(0, False), lists.refill_blocks(3, False)) == (1, 1)
    assert lists.steady_refill(0, False) == 0
    assert lists.push(1, Run(5, 1), False) == 1
    assert (lists.pages, lists.free_count, lists.high) == (1, 1, 0)


def test_a_run_is_one_of_single_pages_unless_said_otherwise():
    run = Run(5, 3)
    assert (list(run.pfns()), run.extent()) == ([5, 6, 7], (5, 8))
    assert (run.backwards(), run.split(1)) == (Run(7, 3, -1), (Run(5, 1), Run(6, 2)))
