"""Runs of blocks say the same as the list of their first pages."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kho_sim.base.extent import touching_joined
from kho_sim.memory.pages import Run, Runs, joined
from kho_sim.memory.pages.kinds import run_of
from kho_sim.memory.pages.runs import Queue, cut_at, woven

ORDER = st.integers(0, 3)
# Few places, so that neighbours of both directions, and such as look like it, are common.
RUN = st.builds(
    lambda place, blocks, step: (place, blocks, step),
    st.integers(8, 16),
    st.integers(1, 3),
    st.sampled_from([1, -1]),
)


def blocks_of(runs, order):
    return [run.first_pfn + i * (run.step << order) for run in runs for i in range(run.blocks)]


@given(st.lists(RUN, max_size=8), ORDER)
def test_joining_keeps_the_blocks_and_their_order(places, order):
    runs = [Run(place << order, blocks, step) for place, blocks, step in places]
    together = joined(runs, order)
    assert blocks_of(together, order) == blocks_of(runs, order)
    assert joined(together, order) == together


@given(st.integers(0, 2), st.integers(1, 40), ORDER)
def test_blocks_that_come_one_by_one_become_one_run(way, count, order):
    places = range(100, 100 + count) if way else range(100, 100 - count, -1)
    assert len(joined((Run(place << order, 1) for place in places), order)) == 1


@given(RUN, ORDER, st.integers(0, 3))
def test_parts_and_views_of_a_run(places, order, part):
    place, blocks, step = places
    run = Run(place << order, blocks, step)
    listed = blocks_of([run], order)
    assert list(run.pfns(order)) == listed
    assert blocks_of([run.backwards(order)], order) == listed[::-1]
    assert run.extent(order) == (min(listed), max(listed) + (1 << order))
    assert run_of(run.extent(order), order, step) == run
    part = min(part, blocks)
    first, rest = run.split(part, order)
    assert (first.blocks, rest.blocks) == (part, blocks - part)
    assert blocks_of([first, rest], order) == listed


RUNS = st.lists(RUN, min_size=1, max_size=8)


def runs_at(places, order):
    return [Run(place << order, blocks, step) for place, blocks, step in places]


@given(RUNS, ORDER)
def test_columns_say_the_same_as_lists_of_runs(places, order):
    runs = runs_at(places, order)
    columns = Runs.of(runs)
    assert (list(columns), len(columns), columns[-1]) == (runs, len(runs), runs[-1])
    assert columns[1:] == Runs.of(runs[1:])
    assert columns != Runs.of([*runs, runs[0]])
    assert columns.block_count() == len(blocks_of(runs, order))
    starts, ends = columns.bounds(order)
    assert list(zip(starts.tolist(), ends.tolist(), strict=True)) == [
        run.extent(order) for run in runs
    ]
    assert columns.extents(order) == touching_joined(run.extent(order) for run in runs)


@given(RUNS, ORDER)
def test_joining_columns_keeps_the_blocks_and_their_order(places, order):
    runs = runs_at(places, order)
    together = Runs.of(runs).joined(order)
    assert blocks_of(together, order) == blocks_of(runs, order)
    assert Runs.chained([runs[:2], runs[2:]], order) == together


@given(st.integers(0, 2), st.integers(2, 40), ORDER)
def test_single_blocks_become_one_run_of_columns(way, count, order):
    places = range(100, 100 + count) if way else range(100, 100 - count, -1)
    runs = Runs.of(Run(place << order, 1) for place in places)
    assert list(runs.joined(order)) == [Run(100 << order, count, 1 if way else -1)]


@given(RUNS, ORDER, st.lists(st.integers(1, 5), min_size=1))
def test_blocks_leave_a_queue_in_any_portions(places, order, portions):
    runs = runs_at(places, order)
    queue, listed = Queue(Runs.of(runs), order), blocks_of(runs, order)
    for portion in portions:
        if queue.left:
            assert blocks_of(queue.take(portion), order) == listed[:portion]
            del listed[:portion]
        assert queue.left == len(listed)


@given(RUNS, ORDER, st.data())
def test_runs_are_cut_where_sections_end_and_woven_again(places, order, data):
    runs = runs_at(places, order)
    listed = blocks_of(runs, order)
    inner = data.draw(st.sets(st.integers(1, len(listed))))
    ends = sorted(inner | {len(listed)})
    parts, sections = cut_at(Runs.of(runs), np.array(ends), order)
    number = [bisect_right(ends, index) for index in range(len(listed))]
    assert blocks_of(parts, order) == listed
    assert [section for part, section in zip(parts, sections.tolist(), strict=True)
            for _ in range(part.blocks)] == number  # fmt: skip
    even = sections % 2 == 0
    halves = [(parts[which], sections[which]) for which in (even, ~even)]
    assert blocks_of(woven(halves, order), order) == listed
