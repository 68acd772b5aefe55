"""The work of a worker: a batch of runs, one Parquet part, a receipt.

A batch lasts seconds, so that short runs do not drown in the overhead of being handed around, and
ends early when its time is over; what it did not begin goes back. A run that raises is named in the
receipt and does not disturb the others. Results do not travel: they are in the part.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from kho_sim.base.errors import EngineError
from kho_sim.base.plugins import unpack_plugins
from kho_sim.base.shortage import is_shortage, shortage_text
from kho_sim.chain import run_scenario
from kho_sim.scenario import Scenario, with_values
from kho_sim.sweeps.design import run_id_of
from kho_sim.sweeps.parts import LAST, write_part
from kho_sim.sweeps.tables import rows_of
from kho_sim.trace.trace import Trace

Simulate = Callable[[Scenario], Trace]

TRACEBACK_CHARACTERS_MAX = 4000


@dataclass(frozen=True, slots=True)
class Batch:
    """Runs for one worker: ids and the overrides that make each from the base scenario."""

    part: str
    directory: str
    tables: tuple[str, ...]
    scenario: Scenario
    runs: tuple[tuple[str, Mapping[str, Any]], ...]
    seconds_max: float
    plugins: bytes = b""
    """Plug-ins that the scenario may name, packed; empty in one process."""

    @property
    def run_ids(self) -> tuple[str, ...]:
        return tuple(run_id for run_id, _ in self.runs)


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that raised."""

    run_id: str
    error: str
    message: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome of a batch."""

    part: str
    finished: tuple[str, ...]
    failures: tuple[Failure, ...]
    elapsed_s: float

    @property
    def begun(self) -> int:
        return len(self.finished) + len(self.failures)


@dataclass
class _Rows:
    """Rows of the runs that are done, a record batch each."""

    tables: dict[str, list[pa.RecordBatch]]
    finished: list[str] = field(default_factory=list)

    def add(self, run_id: str, trace: Trace) -> None:
        rows = {table: rows_of(table, run_id, trace) for table in self.tables}
        for table, batches in self.tables.items():
            batches.append(rows[table])
        self.finished.append(run_id)


def run_batch(batch: Batch, simulate: Simulate = run_scenario) -> Receipt:
    """Run a batch until its runs or its time are at an end, and write its part.

    Raises EngineError if the part cannot be written, if this worker has another model, or if it
    cannot find a plug-in.
    """
    if batch.plugins:
        unpack_plugins(batch.plugins)
    began = time.monotonic()
    rows = _Rows({table: [] for table in batch.tables})
    failures = []
    for number, (run_id, overrides) in enumerate(batch.runs):
        if number and time.monotonic() - began >= batch.seconds_max:
            break
        try:
            scenario = with_values(batch.scenario, overrides)
            _ensure_same_model(run_id, scenario)
            rows.add(run_id, simulate(scenario))
        except EngineError:
            raise
        except Exception as error:
            failures.append(_failure(run_id, error))
    _write(batch, rows)
    elapsed_s = time.monotonic() - began
    return Receipt(batch.part, tuple(rows.finished), tuple(failures), elapsed_s)


def _ensure_same_model(run_id: str, scenario: Scenario) -> None:
    if run_id_of(scenario) != run_id:
        raise EngineError(
            f"a worker resolves run {run_id} to something else: it has another version of kho_sim"
        )


def _write(batch: Batch, rows: _Rows) -> None:
    if not rows.finished:
        return
    try:
        for table in sorted(rows.tables, key=LAST.__eq__):
            write_part(Path(batch.directory), table, batch.part, rows.tables[table])
    except OSError as error:
        raise EngineError(f"a worker cannot write to {batch.directory}: {error}") from error


def _failure(run_id: str, error: Exception) -> Failure:
    text = "".join(traceback.format_exception(error))[-TRACEBACK_CHARACTERS_MAX:]
    message = str(error)
    if is_shortage(error):
        message = f"{shortage_text()}; try fewer workers and --retry failed"
    return Failure(run_id, type(error).__name__, message, text)
