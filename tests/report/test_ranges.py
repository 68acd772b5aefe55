"""Ranges on a page say what the ranges were: exactly, or how coarse they are."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kho_sim.report.ranges import layer

PAGE = 4096


def decoded(coded):
    """The ranges of a layer, read as the page's script reads them."""
    edges, at = [], 0
    for delta in coded["delta"]:
        at += delta * coded["unit"]
        edges.append(at)
    return list(zip(edges[::2], edges[1::2], strict=True))


RANGES = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), max_size=60).map(
    lambda steps: [
        (PAGE * (sum(sum(one) for one in steps[:at]) + gap), PAGE * sum(map(sum, steps[: at + 1])))
        for at, (gap, _) in enumerate(steps)
    ]
)


@given(RANGES)
def test_few_ranges_are_exact(ranges):
    coded = layer(ranges)
    assert decoded(coded) == ranges
    assert "grain" not in coded


@given(RANGES, st.integers(1, 20))
def test_many_are_joined_and_nothing_is_lost(ranges, most):
    coded = layer(ranges, most=most)
    found = decoded(coded)
    assert len(found) <= max(most, 1)
    if "grain" in coded:
        assert sum(coded["counts"]) == len(ranges)
        assert sum(coded["bytes"]) * coded["unit"] == sum(end - start for start, end in ranges)
        gaps = [after[0] - one[1] for one, after in pairwise(found)]
        assert all(gap >= coded["grain"] for gap in gaps)
    for start, end in ranges:
        assert any(low <= start and end <= high for low, high in found)


@pytest.mark.parametrize(("items", "item"), [([8, 8], 8), ([8, 16], [8, 16])])
def test_pieces_are_named_once_if_they_are_alike(items, item):
    assert layer([(0, 16), (32, 64)], items)["item"] == item


def test_no_ranges():
    assert layer([]) == {"unit": 1, "delta": []}
