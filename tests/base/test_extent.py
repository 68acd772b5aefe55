"""Ranges put together say of every place how often it was named."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kho_sim.base.extent import touching_joined

RANGES = st.lists(
    st.builds(lambda start, size: (start, start + size), st.integers(0, 12), st.integers(1, 5))
)


def places(extents):
    return Counter(place for start, end in extents for place in range(start, end))


@given(RANGES)
def test_what_touches_is_joined_and_what_overlaps_is_counted_as_often_as_before(extents):
    joined = touching_joined(extents)
    assert places(joined) == places(extents)
    assert joined == sorted(joined)
    assert all(before[1] != after[0] for before, after in pairwise(joined))


def test_neighbours_become_one():
    assert touching_joined([(5, 7), (1, 3), (3, 5), (8, 9)]) == [(1, 7), (8, 9)]
