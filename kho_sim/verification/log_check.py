"""The three comparisons of one log, and of many at once in worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from kho_sim.base.errors import EngineError, InputError
from kho_sim.base.pool import close_pool, open_pool, processors, result_of
from kho_sim.chain import run_scenario
from kho_sim.chain.build import build_machine
from kho_sim.logs.importing import scenario_from_trace
from kho_sim.logs.reader import read_boot_log
from kho_sim.scenario import Scenario, from_dict
from kho_sim.trace.records import Boot, Outcome
from kho_sim.trace.trace import Trace
from kho_sim.verification.comparison import Comparison
from kho_sim.verification.facts import Facts, check_facts, check_outcome
from kho_sim.verification.handovers import ending_of_recorder
from kho_sim.verification.placements import Placements, check_placements
from kho_sim.verification.steps import check_steps

WORKER_BYTES = 192 << 20
"""Address space that a worker takes for a log of ordinary length."""


@dataclass(frozen=True, kw_only=True)
class BootCheck:
    """The comparisons of one boot."""

    boot: int
    kind: str
    placements: Placements
    steps: dict[str, Comparison]
    facts: dict[str, Comparison]


@dataclass(frozen=True, kw_only=True)
class LogCheck:
    """The comparisons of one log. ``notes`` name what the log does not show.

    ``predicted`` is None where no chain could be simulated.
    """

    log: str
    predicted: Outcome | None
    observed: Outcome
    outcome: Comparison | None
    boots: tuple[BootCheck, ...]
    notes: tuple[str, ...] = ()

    def differences(self) -> Iterator[Difference]:
        """Yield all that is not exact, facts within their tolerance included."""
        if self.outcome is not None and not self.outcome.exact:
            yield Difference(self.log, self.observed.boot, "outcome", "outcome", self.outcome)
        for boot in self.boots:
            for miss in boot.placements.misses:
                found = Comparison(predicted=miss.predicted, observed=miss.observed, exact=False)
                yield Difference(self.log, boot.boot, "placements", miss.what, found)
            for of, values in (("steps", boot.steps), ("facts", boot.facts)):
                for name, value in values.items():
                    if not value.exact:
                        yield Difference(self.log, boot.boot, of, name, value)


class Difference(NamedTuple):
    """One thing that is not equal; ``of``: 'outcome', 'placements', 'steps' or 'facts'."""

    log: str
    boot: int
    of: str
    name: str
    comparison: Comparison

    @property
    def follows_placement(self) -> bool:
        """Tell whether the fact depends on the page allocator, so that it has a tolerance."""
        return self.comparison.close is not None


class Refused(NamedTuple):
    """A log that cannot be checked, and why."""

    path: str
    message: str


def check_logs(paths: Sequence[str], workers: int | None = None) -> Iterator[LogCheck | Refused]:
    """Check each log, in their order; one that cannot be read does not keep the others from it.

    ``workers`` processes; None: one per processor. What is no regular file, as a pipe, is read in
    this process, which alone may have it open. Raises: EngineError if they do not start, or if one
    dies.
    """
    files = [path for path in paths if Path(path).is_file()]
    workers = min(workers or processors(), len(files))
    if workers <= 1:
        yield from map(_check_or_refuse, paths)
        return
    pool = open_pool(workers, [__name__], WORKER_BYTES)
    finished = False
    try:
        checks = iter([pool.submit(_check_or_refuse, path) for path in files])
        for path in paths:
            yield result_of(pool, next(checks)) if path in files else _check_or_refuse(path)
        finished = True
    except BrokenExecutor as error:
        raise EngineError(
            "a worker process died, as one does that takes too much memory; fewer workers take less"
        ) from error
    finally:
        close_pool(pool, kill=not finished)


def _check_or_refuse(path: str) -> LogCheck | Refused:
    try:
        return check_log(path)
    except InputError as error:
        return Refused(path, str(error))


def check_log(path: str | PathLike[str]) -> LogCheck:
    """Read a log and compare all that it shows. Raises: TraceError, ScenarioError (no machine)."""
    return check_trace(read_boot_log(path))


def check_trace(trace: Trace) -> LogCheck:
    """Compare all that the trace of a log shows with the model.

    A log that does not begin with a first kernel gets no blind comparison; one that does not say
    what was handed on gets it for the first kernel only.
    """
    imported = scenario_from_trace(trace)
    chain = {**imported.scenario.get("chain", {}), "twin": False}
    scenario = from_dict({**imported.scenario, "chain": chain}, str(trace.provenance["log"]))
    predicted, facts, notes = _simulate_blindly(trace, scenario)
    kernels = [scenario.kernel.at(boot.boot) for boot in trace[Boot]]
    placed = check_placements(trace, build_machine(scenario), kernels)
    steps = check_steps(trace, scenario)
    name = str(trace.provenance["log"])
    incomplete = [f"{name}: {note}" for note in (*trace.provenance["incomplete"], *notes)]
    return LogCheck(
        log=name,
        predicted=predicted,
        observed=trace.outcome,
        outcome=check_outcome(trace.outcome, predicted) if predicted else None,
        boots=tuple(
            BootCheck(boot=boot.boot, kind=boot.kind, placements=p, steps=s, facts=f)
            for boot, p, s, f in zip(trace[Boot], placed, steps, facts, strict=True)
        ),
        notes=(*imported.notes, *incomplete),
    )


def _simulate_blindly(
    trace: Trace, scenario: Scenario
) -> tuple[Outcome | None, list[Facts], list[str]]:
    nothing: list[Facts] = [{} for _ in trace[Boot]]
    if trace[Boot][0].kind != "cold":
        return None, nothing, ["the log does not begin with a first kernel: no chain is simulated"]
    simulated = run_scenario(scenario)
    facts = check_facts(trace, simulated, scenario)
    if not scenario.workload:
        return None, [facts[0], *nothing[1:]], ["without a workload only the first kernel is blind"]
    return ending_of_recorder(simulated), facts, []
