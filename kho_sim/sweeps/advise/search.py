"""Searches for the smallest scratch, as coroutines: each yields areas to try and is sent the
answer.

Many run side by side, and all that they ask in one round is simulated together, so a search of one
question at a time still keeps all processors busy. Assumed, and checked only around what is found:
an area that is large enough stays so when it grows, until it is too large.

Three areas with one need can share it in many proportions, so every search has a shape: the areas
in it grow together, the others stay at their least. Areas that are found are then made smaller, one
by one.
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
Search = Generator[Areas, Answer, Found]
Ask = Callable[[Iterable[Areas]], Mapping[Areas, Answer]]


def grow(shape: Sequence[int], limit: int, smallest_of_all: Areas) -> Search[Areas | None]:
    """Return the smallest areas of a shape that are fine, ``limit`` steps each at most, or None."""
    size, least = 1, 1
    while (answer := (yield _shaped(shape, size, smallest_of_all))) is Answer.SMALL:
        if size >= limit:
            return None
        least, size = size + 1, min(2 * size, limit)
    best = size if answer is Answer.FINE else None
    most = size - 1
    while least <= most:
        middle = (least + most) // 2
        answer = yield _shaped(shape, middle, smallest_of_all)
        if answer is Answer.FINE:
            best = middle
        if answer is Answer.SMALL:
            least = middle + 1
        else:
            most = middle - 1
    return None if best is None else _shaped(shape, best, smallest_of_all)


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
            if (yield smaller) is Answer.FINE:
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
    """Run searches in rounds; return what each found, in their order."""
    found: dict[int, Found] = {}
    answers: dict[int, Answer | None] = dict.fromkeys(range(len(searches)))
    while answers:
        asked: dict[int, Areas] = {}
        for number, answer in answers.items():
            try:
                # A generator is begun by sending it None.
                asked[number] = searches[number].send(answer)  # type: ignore[arg-type]
            except StopIteration as end:
                found[number] = end.value
        by_areas = ask(set(asked.values()))
        answers = {number: by_areas[areas] for number, areas in asked.items()}
    return [found[number] for number in range(len(searches))]
