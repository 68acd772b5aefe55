"""Advice for a scenario, as it stands: what was tried, what was found, what is advised.

All that is claimed of areas was simulated: the chains are ``trials``, one for each seed.
Two grades are asked for. A chain *survives* if it comes to its end with all its gigantic pages and
processes; it is *clean* if no early allocation was refused in it, not even one for which the kernel
has something to fall back on (a smaller hash table, a log buffer that stays small, no crash
kernel). Left out: faults of the scenario, and what a chain does after a kernel was lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kho_sim.base.notebook import text_html
from kho_sim.base.units import counted
from kho_sim.sweeps.advise.areas import Areas
from kho_sim.sweeps.advise.document import advice_document
from kho_sim.sweeps.advise.evidence import Chain, ShiftRow
from kho_sim.sweeps.advise.text import advice_text

NO_EXTENSION = "none"
GRADES = ("clean", "survives")
SHIFT_TOLERANCE = 0.01
"""A larger block is chosen over a smaller one as long as it recovers all but this part as much."""


@dataclass(frozen=True, slots=True)
class Setup:
    """A way to set a chain up: its areas (None: the kernel's own sizes) and its extension."""

    areas: Areas | None
    strategy: str
    shift: int


@dataclass(frozen=True, slots=True)
class Trial:
    """One simulated chain."""

    setup: Setup
    seed: int
    chain: Chain


@dataclass(frozen=True, slots=True)
class Smallest:
    """The smallest areas that were found for a grade and strategy; None if none were.

    ``complete``: the search came to its end; if not, the budget ended it.
    """

    grade: str
    strategy: str
    areas: Areas | None
    complete: bool


@dataclass(frozen=True, slots=True, repr=False)
class Advice:
    """All of the advice; prints as ``kho-sim advise`` does.

    ``advised`` is None if no chain survived. ``shift_rows`` are early boots of the advised chain
    with other block sizes; empty for a strategy that has no blocks.
    """

    description: str
    strategy: str
    """The extension strategy; ``none`` stands beside it in all that is asked."""
    has_blocks: bool
    own_shift: int
    """The block shift of the scenario, with which the kernel's own sizes were tried."""
    shift: int
    """The block shift of the search, and of what is advised."""
    seeds: tuple[int, ...]
    advised: Setup | None
    smallest: tuple[Smallest, ...]
    shift_rows: tuple[ShiftRow, ...]
    tried: tuple[Areas, ...]
    """What the user asked about."""
    trials: tuple[Trial, ...]
    margin: float
    chains: int
    chains_max: int
    step_bytes: int
    nodes: int
    directory: Path

    @property
    def document(self) -> dict[str, Any]:
        """The document that ``kho-sim advise --json`` prints, as plain values."""
        return advice_document(self)

    @property
    def survives(self) -> bool:
        """Tell whether the chain survives as advised with any seed."""
        advised = self.trials_of(self.advised) if self.advised else []
        return any(one.chain.survives for one in advised)

    def searched(self, areas: Areas, strategy: str) -> Setup:
        """Return areas with an extension as the search had it."""
        return Setup(areas, strategy, self.shift)

    def trials_of(self, setup: Setup) -> list[Trial]:
        """Return the chains of a setup, by seed."""
        return sorted((one for one in self.trials if one.setup == setup), key=lambda t: t.seed)

    def dead(self, strategy: str) -> list[tuple[Areas, Trial]]:
        """Return the chains of the search that did not survive, with their areas."""
        return [
            (one.setup.areas, one)
            for one in self.trials
            if one.setup.areas is not None
            and (one.setup.strategy, one.setup.shift) == (strategy, self.shift)
            and not one.chain.survives
        ]

    def default(self, strategy: str) -> list[Trial]:
        """Return the chains with the kernel's own sizes, at the scenario's own block size."""
        return self.trials_of(Setup(None, strategy, self.own_shift))

    def __str__(self) -> str:
        return "\n".join(advice_text(self))

    def __repr__(self) -> str:
        areas = self.advised.areas if self.advised else "none is enough"
        chains = counted(len(self.trials), "chain")
        return f"<Advice: kho_scratch={areas}, shift {self.shift}, {chains}>"

    def _repr_html_(self) -> str:
        return text_html(str(self))


def one_step_less(areas: Areas, least: Areas) -> Iterator[Areas]:
    """Yield the areas with a step less in one of them."""
    for index in range(3):
        if areas[index] > least[index]:
            yield areas.with_area(index, areas[index] - 1)


def choose_shift(rows: Sequence[ShiftRow]) -> int | None:
    """Return the largest shift of the cleanest rows that recovers about as much as any of them.

    Large blocks cost less time, fewer tree pages and fewer regions. None if no row survives.
    """
    alive = [row for row in rows if row.survives]
    refused = min((row.refused for row in alive), default=0)
    good = [row for row in alive if row.refused == refused]
    most = max((row.extended_bytes for row in good), default=0)
    enough = (1 - SHIFT_TOLERANCE) * most
    return max((row.shift for row in good if row.extended_bytes >= enough), default=None)
