"""Searches for the smallest scratch, as coroutines: each yields areas to try and is sent the
answer, or None where nothing more can be asked; then it returns the best that it found by now.

Many run side by side, and all that they ask in one round is simulated together, so a search of one
question at a time still keeps all processors busy. Assumed, and checked only around what is found:
an area that is large enough stays so when it grows, until it is too large.

Three areas with one need can share it in many proportions. ``smallest`` asks as often as that
takes: every search has a shape, the areas in it grow together, the others stay at their least, and
areas that are found are then made smaller, one by one. ``climb`` asks seldom: it keeps the
proportions of areas from which it starts.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from enum import Enum
from itertools import combinations, permutations
from typing import TypeVar

from kho_sim.sweeps.advise.areas import Areas

LEAST = Areas(1, 1, 1)
SHAPES = tuple(shape for size in (3, 2, 1) for shape in combinations(range(3), size))
SHAPES_SHRUNK = 3
"""Only the best shapes are made smaller; the others rarely win and cost as much."""


class Answer(Enum):
    """The answer of a chain to its areas."""

    SMALL = "small"
    FINE = "fine"
    LARGE = "large"


Found = TypeVar("Found")
Search = Generator[Areas, Answer | None, Found]
Ask = Callable[[Iterable[Areas]], Mapping[Areas, Answer | None]]


def grow(shape: Sequence[int], limit: int, smallest_of_all: Areas) -> Search[Areas | None]:
    """Return the smallest areas of a shape that are fine, ``limit`` steps each at most, or None."""
    return (yield from _least(lambda size: _shaped(shape, size, smallest_of_all), limit))


def climb(floor: Areas, limit: int) -> Search[Areas | None]:
    """Return small areas that are fine, from ``floor`` on: all grow in proportion, and then each is
    made smaller, the largest first. None if none are, up to ``limit`` steps in any."""
    largest = max(floor[index] for index in range(3))
    found = yield from _least(floor.times, max(limit // largest, 1))
    if found is None or found == floor:
        return found
    return (yield from shrink(found, sorted(range(3), key=lambda index: -found[index])))


def _least(areas_of: Callable[[int], Areas], limit: int) -> Search[Areas | None]:
    """Return the areas of the smallest size that is fine, up to ``limit``; None if none is."""
    size, least = 1, 1
    while (answer := (yield areas_of(size))) is Answer.SMALL:
        if size >= limit:
            return None
        least, size = size + 1, min(2 * size, limit)
    best = size if answer is Answer.FINE else None
    most = size - 1
    while least <= most and answer is not None:
        middle = (least + most) // 2
        answer = yield areas_of(middle)
        if answer is Answer.FINE:
            best = middle
        if answer is Answer.SMALL:
            least = middle + 1
        else:
            most = middle - 1
    return None if best is None else areas_of(best)


def _shaped(shape: Sequence[int], size: int, areas: Areas) -> Areas:
    for index in shape:
        areas = areas.with_area(index, size)
    return areas


def shrink(areas: Areas, order: Sequence[int]) -> Search[Areas]:
    """Return the areas with each of ``order``, one after the other, as small as is fine."""
    for index in order:
        least, most = LEAST[index], areas[index] - 1
        while least <= most:
            middle = (least + most) // 2
            smaller = areas.with_area(index, middle)
            answer = yield smaller
            if answer is None:
                return areas
            if answer is Answer.FINE:
                areas, most = smaller, middle - 1
            else:
                least = middle + 1
    return areas


def pad(areas: Areas, margin: float) -> Search[Areas | None]:
    """Return the areas with a margin in each, or more if it takes more; None if it is too large."""
    padded = areas
    for index in range(3):
        padded = padded.with_area(index, -int(-areas[index] * (1 + margin) // 1))
    while (answer := (yield padded)) is Answer.SMALL:
        for index in range(3):
            padded = padded.with_area(index, padded[index] + 1)
    return padded if answer is Answer.FINE else None


def smallest(ask: Ask, limit: int, nodes: int, least: Areas = LEAST) -> Areas | None:
    """Return the areas with the smallest total that are fine, from ``least`` on, or None."""
    searches = [grow(shape, limit, least) for shape in SHAPES]
    grown = [areas for areas in side_by_side(searches, ask) if areas is not None]
    # The least total first; of equal ones the more even.
    grown.sort(key=lambda areas: (areas.total_bytes(nodes), max(areas[i] for i in range(3))))
    shrinks = [
        shrink(areas, order)
        for areas in grown[:SHAPES_SHRUNK]
        for order in permutations([index for index in range(3) if areas[index] > LEAST[index]])
    ]
    found = side_by_side(shrinks, ask)
    return min(found, key=lambda areas: (areas.total_bytes(nodes), areas), default=None)


def side_by_side(searches: Sequence[Search[Found]], ask: Ask) -> list[Found]:
    """Run searches that ask the same, in rounds; return what each found, in their order."""

    def ask_all(asked: Mapping[int, Areas]) -> Mapping[int, Answer | None]:
        answers = ask(set(asked.values()))
        return {number: answers[areas] for number, areas in asked.items()}

    return in_rounds(searches, ask_all)


def in_rounds(
    searches: Sequence[Search[Found]],
    ask: Callable[[Mapping[int, Areas]], Mapping[int, Answer | None]],
) -> list[Found]:
    """Run searches in rounds; return what each found, in their order.

    ``ask``: search by its number -> areas, to search -> answer.
    """
    found: dict[int, Found] = {}
    answers: Mapping[int, Answer | None] = dict.fromkeys(range(len(searches)))
    while answers:
        asked: dict[int, Areas] = {}
        for number, answer in answers.items():
            try:
                # A generator is begun by sending it None.
                asked[number] = searches[number].send(answer)
            except StopIteration as end:
                found[number] = end.value
        answers = ask(asked)
    return [found[number] for number in range(len(searches))]
