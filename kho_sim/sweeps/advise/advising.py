"""Advice: from a scenario to the smallest scratch and the block size to choose."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from kho_sim.base.errors import InputError, Problem, ScenarioError
from kho_sim.chain.build import build_plan
from kho_sim.kho.extend import has_blocks
from kho_sim.scenario import Scenario, scenario_of
from kho_sim.scenario.ways import broken_shifts
from kho_sim.sweeps.advise.advice import Advice
from kho_sim.sweeps.advise.adviser import Adviser
from kho_sim.sweeps.advise.areas import Areas, parse_areas, step_bytes_of
from kho_sim.sweeps.advise.evidence import Evidence
from kho_sim.sweeps.advise.record import mark_unfinished, write_advice
from kho_sim.sweeps.design import SEED_BITS
from kho_sim.sweeps.driver import Progress
from kho_sim.sweeps.engine import open_engine
from kho_sim.sweeps.stop import Stop
from kho_sim.sweeps.sweeping import default_directory, name_of

CHAINS = 80
CHAINS_LEAST = 8
"""Fewer are hardly enough for the kernel's own sizes and a block size."""

REPLICATES = 3
MARGIN = 0.25
SHIFTS = tuple(range(21, 37))


def advise(
    scenario: Scenario | str | PathLike[str],
    out: str | PathLike[str] | None = None,
    *,
    tries: Sequence[Areas | str] = (),
    shifts: Sequence[int] = SHIFTS,
    margin: float = MARGIN,
    replicates: int = REPLICATES,
    chains: int = CHAINS,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> Advice:
    """Search, and return the advice; the chains behind it are a sweep, with the advice beside it.

    ``out`` is where it is stored, by default ``default_directory``. ``tries`` are areas of the
    user's to be tried, too, as in '8M,16M,16M'. At most ``chains`` are simulated; what is advised
    is held to ``replicates`` seeds, those that follow the scenario's own. ``progress`` is told how
    much of the budget is used. Raises ScenarioError for a scenario that cannot be read and for a
    chain without an update, InputError for too small a budget or blocks smaller than a page,
    ValueError for areas that are none, EngineError for a store or an engine that cannot be used,
    SweepInterrupted after a signal; then the same call goes on from there.
    """
    name = f"advise-{name_of(scenario)}"
    with scenario_of(scenario) as whole:
        _check_update(whole)
    scenario = whole
    step = step_bytes_of(scenario)
    tried = [parse_areas(one, step) if isinstance(one, str) else one for one in tries]
    for _, text in broken_shifts([((), one) for one in shifts], scenario.kernel.page_size):
        raise InputError(f"shifts: {text}")
    if chains < CHAINS_LEAST:
        raise InputError(f"{chains} chains are too few; accepted: {CHAINS_LEAST} or more")
    seeds = [(scenario.chain.seed + number) % (1 << SEED_BITS) for number in range(replicates)]
    directory = default_directory(name, scenario) if out is None else Path(out)
    engine = open_engine(None, workers, scheduler)
    finished = False
    try:
        with Stop() as stop:
            evidence = Evidence(scenario, directory, engine, stop, chains, progress)
            try:
                mark_unfinished(directory)
                adviser = Adviser(scenario, evidence, seeds, sorted(shifts), margin)
                found = adviser.advise(tried)
                advice = Advice(
                    description=scenario.description,
                    strategy=adviser.strategy,
                    has_blocks=has_blocks(adviser.strategy),
                    own_shift=scenario.kernel.extend.shift,
                    shift=found.shift,
                    seeds=tuple(seeds),
                    advised=found.advised,
                    smallest=found.smallest,
                    shift_rows=found.shift_rows,
                    tried=tuple(tried),
                    trials=adviser.trials(),
                    margin=margin,
                    chains=len(evidence.trials),
                    chains_max=chains,
                    step_bytes=step,
                    nodes=scenario.machine.nodes,
                    directory=directory,
                )
                write_advice(advice)
            finally:
                evidence.close()
        finished = True
        return advice
    finally:
        engine.close(kill=not finished)


def _check_update(scenario: Scenario) -> None:
    """Raise ScenarioError for a chain in which no kernel hands anything over, whatever its
    scratch."""
    if scenario.chain.boots == 1:
        message = "the chain has one kernel, so no update needs scratch; advice needs 2 or more"
        raise ScenarioError([Problem("", 0, 0, "chain.boots", message)])
    first = build_plan(scenario).kernels[0]
    if not first.kho:
        message = (
            f"KHO is off in the first kernel ({first.release.name}), so nothing is handed over "
            "whatever its scratch; advice needs kho=on"
        )
        raise ScenarioError([Problem("", 0, 0, "kernel.command_line", message)])
