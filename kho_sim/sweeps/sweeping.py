"""A sweep: from a scenario and its axes to a stored sweep, resumed if begun before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Executor
from os import PathLike
from pathlib import Path
from typing import Any

from kho_sim.base.errors import InputError
from kho_sim.scenario import Scenario, as_scenario, canonical_key
from kho_sim.sweeps.design import Design, Point, Run, build_design, product
from kho_sim.sweeps.driver import Driver, Progress
from kho_sim.sweeps.engine import open_engine
from kho_sim.sweeps.ledger import FAILED, LOST, read_history
from kho_sim.sweeps.results import Sweep
from kho_sim.sweeps.stop import Stop
from kho_sim.sweeps.store import Store, in_shard
from kho_sim.sweeps.tables import tables_of

RETRIABLE = (FAILED, LOST)


def sweep(
    scenario: Scenario | str | PathLike[str],
    axes: Mapping[str, Iterable[Any]] | Iterable[Point],
    out: str | PathLike[str] | None = None,
    *,
    replicates: int = 1,
    executor: Executor | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
    shard: tuple[int, int] | None = None,
    retry: Collection[str] = (),
    failures_max: int | None = None,
    allocations: bool = False,
) -> Sweep:
    """Run all combinations of ``axes`` (or the given points), and return the stored sweep.

    ``out`` is where it is stored; by default ``default_directory``. Runs that are stored there
    already are not run again; ``retry`` names states (failed, lost) that are. ``workers`` processes
    (0 or 1: this one; None: one per processor), or an ``executor`` of yours, or a Dask
    ``scheduler`` by address or file. ``shard=(i, n)`` does the i-th of n parts, counted from 1.
    Stops after ``failures_max`` failures of this pass. ``progress`` is called with a
    ``driver.Status``. ``allocations`` also keeps every early allocation.

    Raises: ScenarioError and InputError for what cannot be run, EngineError for an engine or a
    store that cannot be used, SweepInterrupted after SIGINT or SIGTERM, with all finished work
    stored.
    """
    design = design_of(scenario, axes, replicates)
    tables = tables_of(design.scenario, allocations)
    if out is None:
        out = default_directory(name_of(scenario), design.scenario, design.keys)
    store = Store(Path(out), design, tables, _shard_name(shard))
    try:
        done, pending = split(design, store, shard, retry)
        if pending:
            _drive(
                store, design, pending, done, progress, failures_max, (executor, workers, scheduler)
            )
    finally:
        store.close()
    return Sweep(store.directory)


def design_of(
    scenario: Scenario | str | PathLike[str],
    axes: Mapping[str, Iterable[Any]] | Iterable[Point],
    replicates: int = 1,
) -> Design:
    """Return the design of a sweep. Raises ScenarioError and InputError."""
    if replicates < 1:
        raise InputError(f"{replicates} replicates are none; accepted: 1 or more")
    base = as_scenario(scenario)
    points = product(axes) if isinstance(axes, Mapping) else list(axes)
    if not points:
        raise InputError("the design has no points: an axis is empty")
    return build_design(base, points, replicates)


def default_directory(name: str, scenario: Scenario, keys: Iterable[str] = ()) -> Path:
    """Return a folder in runs/ that the same sweep, or a larger one, finds again: it is named after
    the scenario (``name`` for people, the rest by a digest) and the places that are varied."""
    text = json.dumps([scenario.digest_key(), sorted({canonical_key(key) for key in keys})])
    return Path("runs") / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def name_of(scenario: Scenario | str | PathLike[str]) -> str:
    """Return what a default folder calls a scenario: its file's name, if it has one."""
    return "scenario" if isinstance(scenario, Scenario) else Path(scenario).stem


def split(
    design: Design, store: Store, shard: tuple[int, int] | None, retry: Collection[str]
) -> tuple[int, list[Run]]:
    """Return how many runs of a shard are done, and which are to be run, in a mixed order."""
    runs = list(design.runs.values())
    if shard is not None:
        runs = [run for run in runs if in_shard(run.run_id, shard)]
    finished = store.finished()
    history = read_history(store.directory)
    settled = {state for state in RETRIABLE if state not in retry}
    pending = [
        run
        for run in runs
        if run.run_id not in finished and history.state(run.run_id) not in settled
    ]
    # Ids are hashes, so their order mixes short runs with long ones.
    return sum(run.run_id in finished for run in runs), pending


def _shard_name(shard: tuple[int, int] | None) -> str:
    if shard is None:
        return ""
    number, of = shard
    if not 1 <= number <= of:
        raise InputError(f"there is no shard {number}/{of}; accepted: 1/{of} to {of}/{of}")
    return f"{number}-of-{of}"


def _drive(
    store: Store,
    design: Design,
    pending: list[Run],
    done: int,
    progress: Progress | None,
    failures_max: int | None,
    where: tuple[Executor | None, int | None, str | None],
) -> None:
    engine = open_engine(*where)
    finished = False
    try:
        with Stop() as stop:
            driver = Driver(store, design, engine, progress, failures_max)
            driver.should_stop = stop.is_asked
            driver.drive(pending, done)
            finished = True
    finally:
        engine.close(kill=not finished)
    stop.obey()
