"""Runs of blocks say the same as the list of their first pages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kho_sim.memory.pages import Run, joined
from kho_sim.memory.pages.kinds import run_of

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
