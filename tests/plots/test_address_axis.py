"""The address axis against its meaning: rising, in proportion, nothing lost."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kho_sim.base.extent import merged
from kho_sim.plots.address_axis import HOLE_WIDTH, AddressAxis

GIB, TIB = 1 << 30, 1 << 40


@st.composite
def memories(draw: st.DrawFn) -> list[tuple[int, int]]:
    pages = draw(st.lists(st.integers(1, 1 << 24), min_size=2, max_size=12))
    bounds = [0]
    for count in pages:
        bounds.append(bounds[-1] + (count << 12))
    return list(zip(bounds[1::2], bounds[2::2], strict=False))


@settings(max_examples=60, deadline=None)
@given(memories(), st.data())
def test_addresses_rise_from_0_to_1_and_memory_is_in_proportion(memory, data) -> None:
    axis = AddressAxis.over(memory)
    points = sorted({bound for extent in memory for bound in extent})
    places = [float(axis.x(point)) for point in points]
    assert places == sorted(places)
    assert (places[0], places[-1]) == (pytest.approx(0), pytest.approx(1))
    start, end = data.draw(st.sampled_from(memory))
    width = float(axis.x(end)) - float(axis.x(start))
    assert width == pytest.approx((end - start) / axis.bytes_per_x, rel=1e-6, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(memories())
def test_a_hole_never_takes_more_than_its_width(memory) -> None:
    axis = AddressAxis.over(memory)
    ranges = merged(memory)
    for left, right in itertools.pairwise(ranges):
        assert float(axis.x(right.start)) - float(axis.x(left.end)) <= HOLE_WIDTH + 1e-9


def test_a_page_of_12_tib_is_still_a_mark_of_the_least_width() -> None:
    axis = AddressAxis.over([(0, 3 * GIB), (TIB, 13 * TIB)])
    page = (5 * TIB, 5 * TIB + 4096)
    ((left, right),) = axis.spans([page], least_width=1 / 500)
    assert right - left == pytest.approx(1 / 500)
    assert left < float(axis.x(page[0])) < right


def test_marks_that_meet_are_one_and_distant_ones_are_not() -> None:
    axis = AddressAxis.over([(0, 1000)])
    assert len(axis.spans([(0, 10), (12, 20), (900, 910)], least_width=0.0)) == 3
    assert len(axis.spans([(0, 10), (12, 20), (900, 910)], least_width=0.05)) == 2


@pytest.mark.parametrize("size", [GIB, 3 * GIB, 64 * GIB, 12 * TIB])
def test_ticks_do_not_crowd_and_begin_at_0(size: int) -> None:
    ticks = AddressAxis.over([(4096, size)]).ticks()
    places = [x for x, _ in ticks]
    assert 4 <= len(ticks) <= 14
    assert min(b - a for a, b in itertools.pairwise(places)) > 0.05
    assert ticks[0] == (0.0, "0")
