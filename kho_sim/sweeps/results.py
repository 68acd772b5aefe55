"""Reading a sweep, also one that is still running: tidy DataFrames with fixed dtypes.

Integers are Int64, text is pandas' string dtype, truth values are boolean, all with missing values.
Rows are in the order of the varied values (then replicate, run id, twin, boot, sequence), so equal
designs give equal tables, whoever ran them in whatever order. A run that was done twice, because a
kill came between, counts once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from kho_sim.base.errors import InputError, TraceError
from kho_sim.base.notebook import values_html
from kho_sim.base.shortage import ensure_limit
from kho_sim.base.units import natural_key, unit_of
from kho_sim.runs.store import load_run
from kho_sim.sweeps.ledger import FAILED, LOST, OK, SKIPPED, History, read_history
from kho_sim.sweeps.parts import finished_runs, part_names, read_parquet
from kho_sim.sweeps.store import MANIFEST, in_shard, read_design, read_manifest
from kho_sim.sweeps.tables import SCHEMAS, rows_of
from kho_sim.trace.trace import Trace

THREADS_BYTES = 448 << 20
"""Address space with which pyarrow's threads start. With less it crashes now and then."""

PENDING = "pending"
STATES = (OK, FAILED, LOST, SKIPPED, PENDING)

_DTYPES = {
    pa.int64(): pd.Int64Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
    pa.float64(): pd.Float64Dtype(),
    pa.string(): pd.StringDtype(),
    pa.bool_(): pd.BooleanDtype(),
}

Parts = dict[str, list[str]]
"""Name of a part -> the runs that are taken from it."""

_RUN_HEAD = {"state": "string", "replicate": "Int64", "seed": "Int64"}


@dataclass(frozen=True, repr=False)
class Sweep:
    """A stored sweep. Every table is read anew when it is asked for."""

    directory: Path

    def __repr__(self) -> str:
        values = ", ".join(f"{name}: {value}" for name, value in self._values() if value)
        return f"<Sweep {str(self.directory)!r}: {values}>"

    def _repr_html_(self) -> str:
        return values_html(f"Sweep {self.directory}", self._values())

    def runs(self) -> pd.DataFrame:
        """One row per run that has come to an end.

        Columns: run_id; state (ok, failed, lost, skipped); a column for each varied place, by its
        dotted name; replicate; seed; outcome, outcome_boot, outcome_message; the names of
        ``kho_sim.base.results.SUMMARY``. Of runs that are not ok all results are missing.
        """
        design, parts = self.design(), self._parts()
        states = self._states_table(parts)[["run_id", "state"]]
        ended = states[states["state"] != PENDING]
        results = self._table("runs", parts)
        rows = ended.merge(design, on="run_id").merge(results, on="run_id", how="left")
        return _finish(rows, self.keys)

    def boots(self) -> pd.DataFrame:
        """One row per boot of the runs that are ok, the twins' among them (column twin).

        Columns: run_id; the varied places; replicate; seed; ``kho_sim.sweeps.tables.BOOTS``.
        """
        rows = self.design().merge(self._table("boots"), on="run_id")
        return _finish(rows, self.keys, "twin", "boot")

    def allocations(self) -> pd.DataFrame:
        """One row per early allocation. Raises TraceError if the sweep did not keep them.

        Columns: run_id; the varied places; replicate; seed; ``kho_sim.sweeps.tables.ALLOCATIONS``.
        """
        if "allocations" not in self.manifest["tables"]:
            raise TraceError(f"{self.directory} was swept without allocations")
        rows = self.design().merge(self._table("allocations"), on="run_id")
        return _finish(rows, self.keys, "twin", "boot", "sequence")

    def alternatives(self) -> pd.DataFrame:
        """One row per what-if and KHO boot. Raises TraceError if the scenario has no ``what_if``.

        Columns: run_id; the varied places; replicate; seed; ``kho_sim.sweeps.tables.ALTERNATIVES``.
        """
        if "alternatives" not in self.manifest["tables"]:
            raise TraceError(f"{self.directory} was swept without what_if in its scenario")
        rows = self.design().merge(self._table("alternatives"), on="run_id")
        return _finish(rows, self.keys, "boot", "strategy", "shift", "retrieval")

    def states(self) -> pd.DataFrame:
        """One row per run of the design: run_id, state, attempts, seed, error, message.

        States: ok; failed (the simulation raised); lost (its worker died, also alone); skipped
        (left out after too many failures); pending.
        """
        return self._states_table(self._parts())

    def _states_table(self, parts: Parts) -> pd.DataFrame:
        rows = list(self._states(parts))
        columns = ["run_id", "state", "attempts", "seed", "error", "message"]
        frame = pd.DataFrame(rows, columns=columns)
        text = dict.fromkeys(("run_id", "state", "error", "message"), "string")
        return frame.astype({**text, "attempts": "Int64", "seed": "Int64"})

    def design(self) -> pd.DataFrame:
        """One row per run of the design: run_id, the varied places, replicate, seed."""
        return _finish(_frame(read_design(self.directory)), self.keys)

    def counts(self, shard: tuple[int, int] | None = None) -> dict[str, int]:
        """Return how many runs, of a shard or of all, are in each state, if any."""
        counts = Counter(
            row[1]
            for row in self._states(self._parts())
            if shard is None or in_shard(row[0], shard)
        )
        return {state: counts[state] for state in STATES if counts[state]}

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest: base scenario, keys, tables, versions. Raises InputError."""
        return read_manifest(self.directory)

    @property
    def keys(self) -> list[str]:
        """The dotted names of the places that are varied."""
        return list(self.manifest["keys"])

    def _values(self) -> Iterator[tuple[str, str]]:
        """Yield what a prompt shows; of a damaged sweep, that it is damaged."""
        try:
            manifest, counts = self.manifest, self.counts()
        except InputError as error:
            yield "not readable", str(error)
            return
        yield "scenario", str((manifest.get("scenario") or {}).get("description", ""))
        yield "varied", ", ".join(manifest["keys"])
        yield "runs", ", ".join(f"{count} {state}" for state, count in counts.items())

    def _states(self, parts: Parts) -> Iterator[tuple[str, str, int, int, str, str]]:
        design = read_design(self.directory)
        finished = {run_id for ids in parts.values() for run_id in ids}
        history = read_history(self.directory)
        ids, seeds = (design.column(name).to_pylist() for name in ("run_id", "seed"))
        for run_id, seed in sorted(zip(ids, seeds, strict=True)):
            yield _state_row(run_id, seed, run_id in finished, history)

    def _parts(self) -> Parts:
        """Return each readable part with the runs that are taken from it, each from one part."""
        tables = tuple(self.manifest["tables"])
        seen: set[str] = set()
        parts = {}
        for name in part_names(self.directory):
            ids = [i for i in finished_runs(self.directory, name, tables) if i not in seen]
            seen.update(ids)
            if ids:
                parts[name] = ids
        return parts

    def _table(self, table: str, parts: Parts | None = None) -> pd.DataFrame:
        schema = SCHEMAS[table]
        empty = schema.empty_table()
        pieces = [empty]
        for name, ids in (self._parts() if parts is None else parts).items():
            path = self.directory / table / name
            rows = read_parquet(path)
            try:
                kept = rows.filter(pa.compute.is_in(rows["run_id"], pa.array(ids)))
                # A part of an earlier version may lack a column that came later.
                whole = pa.concat_tables([empty, kept], promote_options="default")
                pieces.append(whole.select(schema.names))
            except (KeyError, ValueError, pa.ArrowException) as error:
                raise InputError(f"{path} is damaged: {error}; without it, sweep again") from error
        return _frame(pa.concat_tables(pieces))


def open_sweep(directory: str | PathLike[str]) -> Sweep:
    """Return the sweep that is stored in a directory. Raises InputError if there is none."""
    sweep = Sweep(Path(directory))
    read_manifest(sweep.directory)
    return sweep


def open_stored(directory: str | PathLike[str]) -> Sweep | Trace:
    """Return the sweep in a directory, or the trace of a single run. Raises InputError."""
    if (Path(directory) / MANIFEST).exists():
        return open_sweep(directory)
    return load_run(directory)


def stored_runs(directory: str | PathLike[str]) -> pd.DataFrame:
    """Return the runs in a directory as ``Sweep.runs()`` does; a single run is a table of one."""
    stored = open_stored(directory)
    return stored.runs() if isinstance(stored, Sweep) else _runs_of_trace(stored)


def _runs_of_trace(trace: Trace) -> pd.DataFrame:
    """Return a single run as a table like that of ``Sweep.runs()``, with no varied places."""
    rows = _frame(pa.Table.from_batches([rows_of("runs", "", trace)]))
    seed = trace.provenance.get("seed")
    for position, (name, value) in enumerate({"state": OK, "replicate": 0, "seed": seed}.items()):
        rows.insert(position + 1, name, pd.array([value], dtype=_RUN_HEAD[name]))
    return rows


def _state_row(
    run_id: str, seed: int, finished: bool, history: History
) -> tuple[str, str, int, int, str, str]:
    attempts = history.attempts[run_id]
    if finished:
        return run_id, OK, attempts + 1, seed, "", ""
    line = history.last.get(run_id, {})
    error, message = line.get("error", ""), line.get("message", "")
    return run_id, history.state(run_id) or PENDING, attempts, seed, error, message


def _in_order(column: pd.Series) -> pd.Series:
    """Return what a column is sorted by: texts by the numbers in them."""
    if column.dtype != pd.StringDtype():
        return column
    texts = sorted(column.dropna().unique(), key=natural_key)
    return column.map({text: place for place, text in enumerate(texts)})


def _frame(table: pa.Table) -> pd.DataFrame:
    ensure_limit(THREADS_BYTES)
    frame: pd.DataFrame = table.to_pandas(types_mapper=_DTYPES.get, use_threads=False)
    return frame


def _finish(frame: pd.DataFrame, keys: list[str], *last: str) -> pd.DataFrame:
    """Sort a table by the varied values, the run, and what is last; and say its units."""
    order = [*keys, "replicate", "run_id", *last]
    frame = frame.sort_values(order, kind="stable", ignore_index=True, key=_in_order)
    frame.attrs["units"] = {name: unit for name in frame.columns if (unit := unit_of(name))}
    return frame
