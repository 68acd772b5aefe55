"""The cost of a sweep before it starts: number of runs, duration, size on disk.

The time of a run comes from the user, or from what the same store measured, or from a pilot: a few
runs of the design, simulated here and thrown away. Runs of very different length make it a rough
guess.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from kho_sim.chain import run_scenario
from kho_sim.scenario import with_values
from kho_sim.sweeps.design import Design, Run
from kho_sim.sweeps.ledger import History, read_history
from kho_sim.sweeps.parts import finished_runs, parquet_bytes, part_names
from kho_sim.sweeps.store import MANIFEST, in_shard, read_manifest
from kho_sim.sweeps.tables import rows_of

PILOT_RUNS = 3
"""The first, the middle and the last run by id, which is any three: ids are hashes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a sweep. ``seconds`` is for all that is to run, with ``workers`` at work."""

    runs: int
    done: int
    to_run: int
    workers: int
    run_seconds: float
    seconds: float
    run_bytes: int
    size_bytes: int


def plan_sweep(
    design: Design,
    out: Path | None,
    tables: tuple[str, ...],
    *,
    workers: int,
    shard: tuple[int, int] | None = None,
    run_seconds: float | None = None,
) -> Plan:
    """Return what is to be done for a design, given what is stored in ``out`` already."""
    runs = list(design.runs.values())
    if shard is not None:
        runs = [run for run in runs if in_shard(run.run_id, shard)]
    finished, history = _stored(out)
    to_run = [run for run in runs if run.run_id not in finished]
    pilot_seconds, run_bytes = _pilot(design, to_run, tables)
    if run_seconds is None:
        measured = history.seconds_ok / history.runs_ok if history.runs_ok else None
        run_seconds = measured or pilot_seconds
    return Plan(
        runs=len(runs),
        done=len(runs) - len(to_run),
        to_run=len(to_run),
        workers=workers,
        run_seconds=run_seconds,
        seconds=len(to_run) * run_seconds / max(workers, 1),
        run_bytes=run_bytes,
        size_bytes=len(to_run) * run_bytes,
    )


def _stored(out: Path | None) -> tuple[set[str], History]:
    if out is None or not (out / MANIFEST).exists():
        return set(), History()
    tables = tuple(read_manifest(out)["tables"])
    finished = {run for name in part_names(out) for run in finished_runs(out, name, tables)}
    return finished, read_history(out)


def _pilot(design: Design, runs: Sequence[Run], tables: tuple[str, ...]) -> tuple[float, int]:
    """Return the seconds and the stored bytes of a run."""
    if not runs:
        return 0.0, 0
    chosen = [runs[index] for index in sorted({0, len(runs) // 2, len(runs) - 1})][:PILOT_RUNS]
    began = time.monotonic()
    traces = [run_scenario(with_values(design.scenario, run.overrides)) for run in chosen]
    seconds = (time.monotonic() - began) / len(chosen)
    size_bytes = 0
    for table in tables:
        batches = [rows_of(table, run.run_id, t) for run, t in zip(chosen, traces, strict=True)]
        size_bytes += len(parquet_bytes(pa.Table.from_batches(batches)))
    return seconds, size_bytes // len(chosen)
