"""The questions of advice, in the order in which one answer helps the next question.

First the kernel's own sizes, with and without the extension. Then a block size, from one chain
whose KHO boots are tried with all of them. Then the smallest areas, at that block size: from the
least that early memory alone needs (``idle``) upwards, with one seed, and with each further seed
that what was found fails with. What is found is held to all seeds; so is what has a margin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from kho_sim.kho.extend import has_blocks
from kho_sim.scenario import Scenario, with_values
from kho_sim.sweeps.advise.advice import (
    GRADES,
    NO_EXTENSION,
    Setup,
    Smallest,
    Trial,
    choose_shift,
    one_step_less,
)
from kho_sim.sweeps.advise.areas import Areas, step_bytes_of, with_strategy
from kho_sim.sweeps.advise.evidence import Chain, Evidence, Question, ShiftRow
from kho_sim.sweeps.advise.idle import idle_scenario, least_areas
from kho_sim.sweeps.advise.search import LEAST, Answer, Found, Search, climb, in_rounds, pad

TOO_LARGE = ("kho_disabled", "preserve_failed")
"""Outcomes of chains whose scratch leaves no room for itself or for preserved memory."""

IDLE_BYTES_MAX = 1 << 40
"""On larger machines an early boot takes seconds: there the search begins at the least sizes."""


@dataclass(frozen=True, slots=True)
class Findings:
    """The answers, beside the chains: the block size of the search, and what was found with it."""

    shift: int
    smallest: tuple[Smallest, ...]
    advised: Setup | None
    shift_rows: tuple[ShiftRow, ...]


@dataclass
class Adviser:
    """The questions about one scenario."""

    scenario: Scenario
    evidence: Evidence
    seeds: Sequence[int]
    shifts: Sequence[int]
    margin: float
    shift: int = field(init=False)
    strategy: str = field(init=False)
    _floors: dict[tuple[str, str, int], Areas] = field(default_factory=dict)

    def __post_init__(self) -> None:
        own = self.scenario.kernel.extend
        self.shift = own.shift
        self.strategy = own.strategy if own.strategy != NO_EXTENSION else "blocks"

    def advise(self, tried: Sequence[Areas]) -> Findings:
        """Ask everything."""
        self._ask_default()
        self._choose_shift()
        with_extension = self._with_extension()
        better = choose_shift(with_extension.shift_rows)
        if better not in (None, self.shift):
            before, self.shift = self.shift, better
            again = self._with_extension()
            with_extension = again if again.advised else with_extension
            self.shift = self.shift if again.advised else before
        self._ask_tried(tried)
        plain = self._smallest(NO_EXTENSION)
        found = (*with_extension.smallest, *plain)
        self._ask_smaller(found)
        advised = with_extension.advised or self._best(plain)
        return replace(with_extension, smallest=found, advised=advised)

    def trials(self) -> tuple[Trial, ...]:
        """Return all chains by now."""
        return tuple(
            Trial(Setup(question.areas, question.strategy, question.shift), question.seed, chain)
            for question, chain in self.evidence.trials.items()
            if not question.shifts
        )

    # Before the search

    def _ask_default(self) -> None:
        """Ask what becomes of the kernel's own sizes; with further seeds as long as none failed."""
        alive = [Setup(None, strategy, self.shift) for strategy in (self.strategy, NO_EXTENSION)]
        for seed in self.seeds:
            chains = self._ask([(setup, seed) for setup in alive])
            alive = [
                setup
                for setup, chain in zip(alive, chains, strict=True)
                if chain and chain.survives
            ]

    def _ask_tried(self, tried: Sequence[Areas]) -> None:
        """Ask what becomes of the user's own areas."""
        strategies = (self.strategy, NO_EXTENSION)
        setups = [Setup(areas, strategy, self.shift) for areas in tried for strategy in strategies]
        self._ask([(setup, seed) for setup in setups for seed in self.seeds])

    def _floor(self, strategy: str, grade: str) -> Areas:
        """Return the least areas for a strategy and grade, by early memory alone."""
        idle = idle_scenario(self.scenario)
        if idle.machine.total_bytes > IDLE_BYTES_MAX:
            return self._least
        if (strategy, grade, self.shift) not in self._floors:
            host = with_values(idle, with_strategy(idle, strategy, self.shift))
            found = least_areas(host, grade == "clean") or self._least
            self._floors[strategy, grade, self.shift] = found
        return self._floors[strategy, grade, self.shift]

    def _choose_shift(self) -> None:
        """Choose the block size, by a chain with the finest blocks and hardly any scratch."""
        if not has_blocks(self.strategy):
            return
        before, self.shift = self.shift, min(self.shifts)
        rows = self._survey(
            Setup(self._floor(self.strategy, "survives"), self.strategy, self.shift)
        )
        self.shift = choose_shift(rows) or before

    def _survey(self, setup: Setup) -> tuple[ShiftRow, ...]:
        """Try all block sizes on what the KHO boots of one chain inherit."""
        if setup.strategy == NO_EXTENSION or not has_blocks(setup.strategy):
            return ()
        shifts = tuple(self.shifts)
        question = Question(setup.areas, setup.strategy, setup.shift, self.seeds[0], shifts)
        return tuple(self.evidence.survey(question))

    # The search

    def _with_extension(self) -> Findings:
        found = self._smallest(self.strategy)
        advised = self._best(found)
        rows = self._survey(advised) if advised else ()
        return Findings(self.shift, tuple(found), advised, rows)

    def _smallest(self, strategy: str) -> list[Smallest]:
        """Search for both grades, side by side, with one seed; then for each with more."""
        found = self._search(
            strategy,
            [(grade, self._climb(strategy, grade), self.seeds[:1]) for grade in GRADES],
        )
        return [
            self._with_all_seeds(strategy, grade, areas)
            for grade, areas in zip(GRADES, found, strict=True)
        ]

    def _with_all_seeds(self, strategy: str, grade: str, areas: Areas | None) -> Smallest:
        """Search on with each seed that what was found fails with; what was found stays if there is
        nothing that survives this seed, too."""
        seeds, found = [*self.seeds[:1]], areas
        while areas is not None:
            failing = self._failing(Setup(areas, strategy, self.shift), grade)
            if failing is None or failing in seeds:
                break
            seeds.append(failing)
            (areas,) = self._search(strategy, [(grade, self._climb(strategy, grade), seeds)])
            found = areas or found
        return Smallest(grade, strategy, found, self.evidence.left > self._reserve)

    def _climb(self, strategy: str, grade: str) -> Search[Areas | None]:
        return climb(self._floor(strategy, grade), self._limit)

    def _best(self, found: Sequence[Smallest]) -> Setup | None:
        """Return the setup to advise: clean, and with a margin, if it survives with all seeds."""
        setups = []
        for one in found:
            if one.areas is None:
                continue
            (padded,) = self._search(
                one.strategy, [(one.grade, pad(one.areas, self.margin), self.seeds)]
            )
            for areas in (padded, one.areas):
                if areas is not None:
                    setups.append(Setup(areas, one.strategy, self.shift))
                    if self._failing(setups[-1], one.grade) is None:
                        return setups[-1]
        return self._best_of(setups)

    def _best_of(self, setups: Sequence[Setup]) -> Setup | None:
        """Return the setup that survives with most seeds, the first of equal ones."""
        trials = self.trials()
        survivors = {
            setup: sum(one.chain.survives for one in trials if one.setup == setup)
            for setup in setups
        }
        return max(setups, key=survivors.__getitem__, default=None)

    def _ask_smaller(self, found: Sequence[Smallest]) -> None:
        """Ask what becomes of the areas next to those that were found."""
        self._ask(
            [
                (Setup(less, one.strategy, self.shift), self.seeds[0])
                for one in found
                if one.areas is not None
                for less in one_step_less(one.areas, self._least)
            ]
        )

    # Asking

    def _search(
        self, strategy: str, searches: Sequence[tuple[str, Search[Found], Sequence[int]]]
    ) -> list[Found]:
        """Run searches, each with the grade that it asks for and its seeds; return what each
        found."""

        def ask(asked: Mapping[int, Areas]) -> Mapping[int, Answer | None]:
            answers: dict[int, Answer | None] = dict.fromkeys(asked, Answer.FINE)
            for index in range(len(self.seeds)):
                fine = [
                    number
                    for number, answer in answers.items()
                    if answer is Answer.FINE and index < len(searches[number][2])
                ]
                chains = self._ask_searching(
                    [
                        (Setup(asked[number], strategy, self.shift), searches[number][2][index])
                        for number in fine
                    ]
                )
                for number, chain in zip(fine, chains, strict=True):
                    answers[number] = answer(chain, searches[number][0]) if chain else None
            return answers

        return in_rounds([search for _, search, _ in searches], ask)

    def _failing(self, setup: Setup, grade: str) -> int | None:
        """Return the first seed with which a setup has not the grade; None if it has with all."""
        chains = self._ask([(setup, seed) for seed in self.seeds])
        for seed, chain in zip(self.seeds, chains, strict=True):
            if chain is None or not chain.has(grade):
                return seed
        return None

    def _ask_searching(self, asked: Sequence[tuple[Setup, int]]) -> list[Chain | None]:
        """Ask as long as there is budget left to hold what was found to all seeds."""
        if self.evidence.left <= self._reserve:
            return [None for _ in asked]
        return self._ask(asked)

    def _ask(self, asked: Sequence[tuple[Setup, int]]) -> list[Chain | None]:
        return self.evidence.ask(
            [Question(setup.areas, setup.strategy, setup.shift, seed) for setup, seed in asked]
        )

    @property
    def _reserve(self) -> int:
        return 2 * len(self.seeds)

    @property
    def _least(self) -> Areas:
        return replace(LEAST, step_bytes=step_bytes_of(self.scenario))

    @property
    def _limit(self) -> int:
        return self.scenario.machine.total_bytes // step_bytes_of(self.scenario)


def answer(chain: Chain, grade: str) -> Answer:
    """Return the answer of a chain to its areas."""
    if chain.has(grade):
        return Answer.FINE
    too_large = chain.outcome in TOO_LARGE or chain.killed
    return Answer.LARGE if too_large else Answer.SMALL
