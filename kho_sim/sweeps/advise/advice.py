"""Advice for a scenario: the smallest ``kho_scratch=``, and the block shift to choose.

By simulation alone: what is advised survived with the given seeds, and its neighbours with 4 MiB
less in any area did not. Two grades are asked for. A chain *survives* if it comes to its end with
all its gigantic pages; it is *clean* if no early allocation was refused in it, not even one
for which the kernel has something to fall back on (a smaller hash table, a log buffer that stays
small).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kho_sim.base.errors import InputError, ensure
from kho_sim.base.notebook import text_html
from kho_sim.scenario import Scenario, as_scenario
from kho_sim.sweeps.advise.areas import (
    Areas,
    parse_areas,
    step_bytes_of,
    with_scratch,
    with_strategy,
)
from kho_sim.sweeps.advise.evidence import Chain, Evidence
from kho_sim.sweeps.advise.search import LEAST, Answer, Ask, pad, side_by_side, smallest
from kho_sim.sweeps.advise.text import advice_document, advice_text
from kho_sim.sweeps.design import Point
from kho_sim.sweeps.driver import Progress
from kho_sim.sweeps.engine import open_engine
from kho_sim.sweeps.stop import Stop
from kho_sim.sweeps.sweeping import default_directory, name_of

REPLICATES = 3
MARGIN = 0.25
SHIFTS = tuple(range(21, 37))
SHIFT_TOLERANCE = 0.01
"""A larger block is chosen over a smaller one as long as it recovers all but this part as much."""

NO_EXTENSION = "none"
TOO_LARGE = ("kho_disabled", "preserve_failed")
"""Outcomes of chains whose scratch leaves no room for itself or for preserved memory."""

GRADES: dict[str, Callable[[Chain], bool]] = {
    "survives": lambda chain: chain.survives,
    "clean": lambda chain: chain.is_clean,
}


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The outcome of areas that were tried."""

    areas: Areas
    chain: Chain


@dataclass(frozen=True, slots=True)
class Smallest:
    """The smallest areas of one grade and strategy, and with a margin; None if none were found.

    ``smaller`` are the areas with one step less, each with the chain that shows why not.
    """

    strategy: str
    grade: str
    areas: Areas | None
    total_bytes: int
    padded: Areas | None
    padded_bytes: int
    smaller: tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True)
class ShiftRow:
    """Gain and cost of a block shift, with the advised scratch."""

    shift: int
    chain: Chain


@dataclass(frozen=True, slots=True, repr=False)
class Advice:
    """All of the advice; prints as ``kho-sim advise`` does.

    ``default`` are the chains with the kernel's own sizes, by strategy.
    """

    default: Mapping[str, Chain]
    smallest: tuple[Smallest, ...]
    shift: int | None
    shifts: tuple[ShiftRow, ...]
    tried: tuple[tuple[str, Neighbour], ...]
    """(strategy, areas and what became of them): what the user asked about."""
    margin: float
    replicates: int
    runs: int
    directory: Path

    @property
    def document(self) -> dict[str, Any]:
        """The document that ``kho-sim advise --json`` prints, as plain values."""
        return advice_document(self)

    def __str__(self) -> str:
        return advice_text(self)

    def __repr__(self) -> str:
        areas, shift = self.smallest[0].areas, self.shift
        return f"<Advice: kho_scratch={areas or 'none is enough'}, shift {shift}, {self.runs} runs>"

    def _repr_html_(self) -> str:
        return text_html(str(self))


def advise(
    scenario: Scenario | str | Path,
    out: str | Path | None = None,
    *,
    tries: Sequence[Areas | str] = (),
    shifts: Sequence[int] = SHIFTS,
    margin: float = MARGIN,
    replicates: int = REPLICATES,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> Advice:
    """Search, and return the advice; the runs behind it are a sweep.

    ``out`` is where it is stored, by default ``default_directory``. ``tries`` are areas of the
    user's to be tried, too, as in '8M,16M,16M'. Raises ScenarioError for a scenario that cannot be
    read, InputError for a chain of one kernel, ValueError for areas that are none, EngineError for
    a store or an engine that cannot be used, SweepInterrupted after a signal; then the same call
    goes on from there.
    """
    name, scenario = f"advise-{name_of(scenario)}", as_scenario(scenario)
    step = step_bytes_of(scenario)
    areas = [parse_areas(one, step) if isinstance(one, str) else one for one in tries]
    if scenario.chain.boots == 1:
        raise InputError(
            "chain.boots: the chain has one kernel, so no update needs scratch; "
            "advice needs chain.boots: 2 or more"
        )
    directory = default_directory(name, scenario) if out is None else Path(out)
    engine = open_engine(None, workers, scheduler)
    finished = False
    try:
        with Stop() as stop:
            evidence = Evidence(scenario, directory, engine, stop, progress)
            try:
                adviser = _Adviser(scenario, evidence, margin, replicates)
                advice = adviser.advise(directory, tuple(areas), tuple(shifts))
            finally:
                evidence.close()
        finished = True
        return advice
    finally:
        engine.close(kill=not finished)


class _Adviser:
    """The questions of one scenario."""

    def __init__(self, scenario: Scenario, evidence: Evidence, margin: float, replicates: int):
        self._scenario = scenario
        self._evidence = evidence
        self._margin = margin
        self._replicates = replicates
        self._nodes = scenario.machine.nodes
        own = scenario.kernel.extend
        self._shift = own.shift
        self._strategy = own.strategy if own.strategy != NO_EXTENSION else "blocks"

    def advise(self, out: Path, tries: tuple[Areas, ...], shifts: tuple[int, ...]) -> Advice:
        """Ask everything, in the order in which one answer helps the next question."""
        strategies = (self._strategy, NO_EXTENSION)
        points = [self._point(None, strategy) for strategy in strategies]
        chains = self._evidence.ask(points, self._replicates)
        self._shift = choose_shift(self._shift_rows(None, shifts, 1)) or self._shift
        found = tuple(self._smallest(s, grade) for s in strategies for grade in GRADES)
        best = found[0].padded or found[0].areas
        rows = self._shift_rows(best, shifts, self._replicates) if best else ()
        return Advice(
            default=dict(zip(strategies, chains, strict=True)),
            smallest=found,
            shift=choose_shift(rows),
            shifts=rows,
            tried=tuple((s, one) for s in strategies for one in self._tried(s, tries)),
            margin=self._margin,
            replicates=self._replicates,
            runs=self._evidence.count,
            directory=out,
        )

    def _smallest(self, strategy: str, grade: str) -> Smallest:
        """Search with one seed, and with more of them only if what was found fails with these."""
        areas = padded = None
        for replicates in range(1, self._replicates + 1):
            areas = smallest(
                self._asker(strategy, grade, replicates), self._limit(), self._nodes, self._least()
            )
            if areas is None:
                return Smallest(strategy, grade, None, 0, None, 0, ())
            ask = self._asker(strategy, grade, self._replicates)
            if ask([areas])[areas] is Answer.FINE:
                (padded,) = side_by_side([pad(areas, self._margin)], ask)
                break
        ensure(areas is not None, "a search over all replicates ended with nothing")
        assert areas is not None
        return Smallest(
            strategy=strategy,
            grade=grade,
            areas=areas,
            total_bytes=areas.total_bytes(self._nodes),
            padded=padded,
            padded_bytes=padded.total_bytes(self._nodes) if padded else 0,
            smaller=tuple(self._tried(strategy, _one_step_less(areas))),
        )

    def _asker(self, strategy: str, grade: str, replicates: int) -> Ask:
        def ask(areas: Iterable[Areas]) -> dict[Areas, Answer]:
            tried = self._tried(strategy, areas, replicates)
            return {one.areas: answer(one.chain, grade) for one in tried}

        return ask

    def _tried(
        self, strategy: str, areas: Iterable[Areas], replicates: int | None = None
    ) -> list[Neighbour]:
        listed = sorted(areas)
        points = [self._point(one, strategy) for one in listed]
        chains = self._evidence.ask(points, replicates or self._replicates)
        return [Neighbour(one, chain) for one, chain in zip(listed, chains, strict=True)]

    def _shift_rows(
        self, areas: Areas | None, shifts: tuple[int, ...], replicates: int
    ) -> tuple[ShiftRow, ...]:
        points = [self._point(areas, self._strategy, shift) for shift in shifts]
        chains = self._evidence.ask(points, replicates)
        return tuple(ShiftRow(s, chain) for s, chain in zip(shifts, chains, strict=True))

    def _point(self, areas: Areas | None, strategy: str, shift: int | None = None) -> Point:
        how = with_strategy(self._scenario, strategy, self._shift if shift is None else shift)
        return {**with_scratch(self._scenario, areas), **how}

    def _least(self) -> Areas:
        return replace(LEAST, step_bytes=step_bytes_of(self._scenario))

    def _limit(self) -> int:
        return self._scenario.machine.total_bytes // step_bytes_of(self._scenario)


def answer(chain: Chain, grade: str) -> Answer:
    """Return the answer of a chain to its areas."""
    if GRADES[grade](chain):
        return Answer.FINE
    return Answer.LARGE if chain.outcome in TOO_LARGE else Answer.SMALL


def choose_shift(rows: Sequence[ShiftRow]) -> int | None:
    """Return the largest shift of the cleanest chains that recovers about as much as any of them.

    Large blocks cost less time, fewer tree pages and fewer regions. None if no chain survives.
    """
    alive = [row for row in rows if row.chain.survives]
    refused = min((row.chain.refused for row in alive), default=0)
    good = [row for row in alive if row.chain.refused == refused]
    most = max((row.chain.extended_bytes for row in good), default=0)
    enough = (1 - SHIFT_TOLERANCE) * most
    return max((row.shift for row in good if row.chain.extended_bytes >= enough), default=None)


def _one_step_less(areas: Areas) -> list[Areas]:
    return [
        areas.with_area(index, areas[index] - 1)
        for index in range(3)
        if areas[index] > LEAST[index]
    ]
