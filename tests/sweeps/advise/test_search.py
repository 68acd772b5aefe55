"""The search for the smallest areas, against all areas of a small world tried one by one."""

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from kho_sim.sweeps.advise.areas import Areas
from kho_sim.sweeps.advise.search import Answer, pad, side_by_side, smallest

SIDE = 9
EVERYTHING = [Areas(*sizes) for sizes in product(range(1, SIDE + 1), repeat=3)]
AREAS = st.builds(Areas, *[st.integers(1, SIDE)] * 3)


def world(needs, total_max, nodes):
    """Areas are fine if they have what one of ``needs`` asks for, and are not too large."""

    def answer(areas):
        if sum((areas[0], areas[1], areas[2] * nodes)) > total_max:
            return Answer.LARGE
        if any(all(areas[i] >= need[i] for i in range(3)) for need in needs):
            return Answer.FINE
        return Answer.SMALL

    return answer


def asking(answer):
    """Answer a search, and refuse areas that the kernel could not be given."""

    def ask(areas):
        areas = list(areas)
        assert all(areas_one[i] >= 1 for areas_one in areas for i in range(3))
        return {one: answer(one) for one in areas}

    return ask


@settings(max_examples=150, deadline=None)
@given(AREAS, st.integers(1, 3))
def test_one_need_is_met_exactly(need, nodes):
    assert smallest(asking(world([need], 1000, nodes)), SIDE, nodes) == need


@settings(max_examples=150, deadline=None)
@given(st.lists(AREAS, min_size=1, max_size=4), st.integers(1, 3))
def test_what_is_found_is_fine_and_nothing_next_to_it_is(needs, nodes):
    answer = world(needs, 1000, nodes)
    found = smallest(asking(answer), SIDE, nodes)
    assert answer(found) is Answer.FINE
    for index in range(3):
        if found[index] > 1:
            assert answer(found.with_area(index, found[index] - 1)) is not Answer.FINE


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 27))
def test_a_need_for_a_total_that_any_area_can_meet_is_met_with_the_least(total):
    def answer(areas):
        return Answer.FINE if areas.total_bytes(1) >= total << 22 else Answer.SMALL

    assert smallest(asking(answer), SIDE, 1).total_bytes(1) == total << 22


@settings(max_examples=60, deadline=None)
@given(AREAS, st.integers(3, 30))
def test_nothing_is_found_where_there_is_nothing(need, total_max):
    answer = world([need], total_max, 1)
    found = smallest(asking(answer), SIDE, 1)
    if not any(answer(areas) is Answer.FINE for areas in EVERYTHING):
        assert found is None
    elif found is not None:
        assert found == need


@settings(max_examples=60, deadline=None)
@given(AREAS, AREAS, st.sampled_from([0.0, 0.25, 1.0]))
def test_a_margin_is_on_each_area_and_is_fine_itself(areas, need, margin):
    answer = world([need], 1000, 1)
    (padded,) = side_by_side([pad(areas, margin)], asking(answer))
    assert answer(padded) is Answer.FINE
    assert all(padded[index] >= areas[index] * (1 + margin) for index in range(3))


def test_a_margin_that_makes_areas_too_large_is_no_advice():
    answer = world([Areas(2, 2, 2)], 6, 1)
    assert side_by_side([pad(Areas(2, 2, 2), 0.5)], asking(answer)) == [None]
    assert side_by_side([pad(Areas(2, 2, 2), 0.0)], asking(answer)) == [Areas(2, 2, 2)]


def test_searches_side_by_side_ask_together():
    rounds = []

    def ask(areas):
        rounds.append(set(areas))
        return dict.fromkeys(areas, Answer.FINE)

    pads = [pad(Areas(1, 1, 1), 0), pad(Areas(1, 1, 1), 0), pad(Areas(2, 2, 2), 0)]
    side_by_side(pads, ask)
    assert rounds[0] == {Areas(1, 1, 1), Areas(2, 2, 2)}
    assert not any(rounds[1:])
