"""Chains that were simulated for advice: asked for one by one, kept in a sweep.

What was simulated once, in this or in an earlier call, is looked up. The budget counts what is
asked, looked up or not, so that a call that was stopped ends as if it had not been.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kho_sim.base.errors import EngineError
from kho_sim.scenario import Scenario, with_values
from kho_sim.sweeps.advise.areas import Areas, with_scratch, with_strategy
from kho_sim.sweeps.design import SEED_KEY, Point, build_design, run_id_of
from kho_sim.sweeps.driver import Driver, Progress, Status
from kho_sim.sweeps.engine import Engine
from kho_sim.sweeps.parts import part_names, read_parquet
from kho_sim.sweeps.stop import Stop
from kho_sim.sweeps.store import DESIGN, MANIFEST, Store, read_design, read_manifest
from kho_sim.sweeps.tables import ALWAYS

SURVEY_KEY = "what_if"
TABLES = (*ALWAYS, "alternatives")


@dataclass(frozen=True, slots=True)
class Question:
    """One chain: its areas (None: the kernel's own sizes), its extension, its seed.

    ``shifts``: block shifts that each of its KHO boots is to be tried with, too.
    """

    areas: Areas | None
    strategy: str
    shift: int
    seed: int
    shifts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ShiftRow:
    """A block shift, on what the KHO boots of one chain inherit; of several boots the worst.

    ``survives``: early boot comes up, with all gigantic pages of the first kernel. ``refused``:
    early allocations that failed, beyond those of the first kernel.
    """

    shift: int
    survives: bool
    refused: int
    extended_bytes: int
    extend_ns: int
    digest_pages: int
    memory_regions: int


@dataclass(frozen=True, slots=True)
class Chain:
    """The results of one simulated chain, as far as advice needs them.

    ``refused``: early allocations of a KHO boot that failed, beyond those of the cold one.
    ``gigantic_missing``: gigantic pages that a KHO boot did not obtain and the cold one did.
    ``killed``: processes that the OOM killer ended.
    """

    run_id: str
    outcome: str
    boot: int
    message: str
    scratch_bytes: int
    refused: int
    gigantic_missing: int
    extended_bytes: int
    killed: int = 0

    @property
    def survives(self) -> bool:
        """Tell whether the chain came to its end, with all of its processes, and with as many
        gigantic pages in each boot as in the first."""
        return self.outcome == "completed" and not (self.gigantic_missing or self.killed)

    @property
    def is_clean(self) -> bool:
        """Tell whether the chain survived, and no KHO boot was refused an early allocation that
        the cold one got."""
        return self.survives and not self.refused

    def has(self, grade: str) -> bool:
        """Return whether it is of a grade, ``survives`` or ``clean``."""
        return self.is_clean if grade == "clean" else self.survives


class Evidence:
    """Chains of one scenario, simulated when they are asked for, so many at most."""

    def __init__(
        self,
        scenario: Scenario,
        directory: Path,
        engine: Engine,
        stop: Stop,
        chains_max: int,
        progress: Progress | None = None,
    ):
        """Go on with what is stored there. Raises EngineError if that is another sweep.

        Faults are left out, and a kernel that dies ends its chain: it is scratch that is asked
        about. So are the twin, which would be simulated twice, and the scenario's own what-ifs.
        """
        left_out = {"chain.twin": False, "faults": [], "chain.on_failure": "stop", SURVEY_KEY: None}
        self._scenario = with_values(scenario, left_out)
        self._engine, self._stop, self._progress = engine, stop, progress
        self._chains_max, self._began = chains_max, time.monotonic()
        self._points = _stored_points(directory)
        self._design = build_design(self._scenario, self._points)
        self._store = Store(directory, self._design, TABLES)
        self._asked: dict[Question, str] = {}
        self._chains: dict[str, Chain] = {}
        self._surveys: dict[str, list[ShiftRow]] = {}
        self._read: set[str] = set()
        self._read_parts()

    @property
    def trials(self) -> dict[Question, Chain]:
        """All chains that were asked for, in that order."""
        return {question: self._chains[run_id] for question, run_id in self._asked.items()}

    @property
    def left(self) -> int:
        """The number of chains that can still be asked for."""
        return self._chains_max - len(self._asked)

    def close(self) -> None:
        """Let the next process have the directory."""
        self._store.close()

    def ask(self, questions: Sequence[Question]) -> list[Chain | None]:
        """Return the chain of each question; None where there was no budget for it."""
        new = [one for one in dict.fromkeys(questions) if one not in self._asked][: self.left]
        points = {one: self._point(one) for one in new}
        self._asked |= {
            one: run_id_of(with_values(self._scenario, point)) for one, point in points.items()
        }
        runs = {self._asked[one]: point for one, point in points.items()}
        runs = {run_id: point for run_id, point in runs.items() if run_id not in self._chains}
        if runs:
            self._simulate(runs)
        ids = [self._asked.get(one) for one in questions]
        return [None if run_id is None else self._chains[run_id] for run_id in ids]

    def survey(self, question: Question) -> list[ShiftRow]:
        """Return a row for each of a question's ``shifts``; none without budget, or if no KHO boot
        was reached."""
        (chain,) = self.ask([question])
        return [] if chain is None else self._surveys.get(chain.run_id, [])

    def _point(self, question: Question) -> Point:
        tried = [{"strategy": question.strategy, "shifts": list(question.shifts)}]
        return {
            **with_scratch(self._scenario, question.areas),
            **with_strategy(self._scenario, question.strategy, question.shift),
            SEED_KEY: question.seed,
            SURVEY_KEY: tried if question.shifts else None,
        }

    def _simulate(self, new: Mapping[str, Point]) -> None:
        self._points += new.values()
        self._design = build_design(self._scenario, self._points)
        self._store.take(self._design)
        driver = Driver(self._store, self._design, self._engine, self._tell)
        driver.should_stop = self._stop.is_asked
        driver.drive([self._design.runs[run_id] for run_id in new], 0)
        self._stop.obey()
        self._read_parts()
        if missing := new.keys() - self._chains.keys():
            raise EngineError(
                f"{len(missing)} runs failed; the ledger in {self._store.directory} has the reasons"
            )

    def _tell(self, status: Status) -> None:
        """Report on all of the budget, of which the sweep knows only what was asked last."""
        if self._progress is None or not status.ok:
            return
        ok = len(self._asked) - status.runs + status.ok
        elapsed_s = time.monotonic() - self._began
        self._progress(
            replace(
                status,
                runs=self._chains_max,
                ok=ok,
                elapsed_s=elapsed_s,
                left_s=elapsed_s / max(ok, 1) * (self._chains_max - ok),
            )
        )

    def _read_parts(self) -> None:
        for name in part_names(self._store.directory):
            if name not in self._read and self._store.finished_in(name):
                self._chains |= _chains_of(self._store.directory, name)
                self._surveys |= _surveys_of(self._store.directory, name)
            self._read.add(name)


def _stored_points(directory: Path) -> list[Point]:
    """Return the points that a stored design was made of: its varied places are all there is."""
    if not ((directory / MANIFEST).exists() and (directory / DESIGN).exists()):
        return []
    keys = read_manifest(directory)["keys"]
    rows = read_design(directory).to_pylist()
    return [{key: row[key] for key in keys} for row in rows]


def _chains_of(directory: Path, part: str) -> dict[str, Chain]:
    runs = read_parquet(directory / "runs" / part).to_pylist()
    boots: dict[str, list[dict[str, Any]]] = {run["run_id"]: [] for run in runs}
    for boot in read_parquet(directory / "boots" / part).to_pylist():
        boots[boot["run_id"]].append(boot)
    return {run["run_id"]: _chain(run, boots[run["run_id"]]) for run in runs}


def _chain(run: dict[str, Any], boots: list[dict[str, Any]]) -> Chain:
    cold, *warm = boots
    own = cold["gigantic_pages_allocated"] or 0
    return Chain(
        run_id=run["run_id"],
        outcome=run["outcome"],
        boot=run["outcome_boot"],
        message=run["outcome_message"],
        scratch_bytes=cold["scratch_bytes"] or 0,
        refused=max([0, *(_more(boot, cold, "failures") for boot in warm)]),
        gigantic_missing=max(
            [0, *(own - (boot["gigantic_pages_allocated"] or 0) for boot in warm)]
        ),
        extended_bytes=run["extended_bytes_min"] or 0,
        killed=run["processes_killed"] or 0,
    )


def _surveys_of(directory: Path, part: str) -> dict[str, list[ShiftRow]]:
    tried: dict[str, dict[int, list[dict[str, Any]]]] = {}
    for row in read_parquet(directory / "alternatives" / part).to_pylist():
        tried.setdefault(row["run_id"], {}).setdefault(row["shift"], []).append(row)
    boots = read_parquet(directory / "boots" / part).to_pylist()
    cold = {boot["run_id"]: boot for boot in boots if boot["boot"] == 0}
    return {
        run_id: [_shift_row(shift, rows, cold[run_id]) for shift, rows in by_shift.items()]
        for run_id, by_shift in tried.items()
    }


def _shift_row(shift: int, rows: list[dict[str, Any]], cold: dict[str, Any]) -> ShiftRow:
    own = cold["gigantic_pages_allocated"] or 0
    return ShiftRow(
        shift=shift,
        survives=all(not row["panic"] and row["gigantic_pages_allocated"] >= own for row in rows),
        refused=max(0, *(_more(row, cold, "failures") for row in rows)),
        extended_bytes=min(row["extended_bytes"] for row in rows),
        extend_ns=max(row["extend_ns"] for row in rows),
        digest_pages=max(row["digest_pages"] for row in rows),
        memory_regions=max(row["memory_regions_after"] for row in rows),
    )


def _more(boot: dict[str, Any], cold: dict[str, Any], fact: str) -> int:
    return int((boot[fact] or 0) - (cold[fact] or 0))
