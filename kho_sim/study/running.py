"""Running the study: one sweep a workload, side by side in a folder; and its one tidy table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from kho_sim.errors import InputError, nearest
from kho_sim.scenario import from_dict
from kho_sim.study.cases import MACHINES, WORKLOADS, Machine, base_of, points_of
from kho_sim.sweeps import open_sweep, sweep
from kho_sim.sweeps.driver import Progress

KEYS = ["memory_bytes", "seed", "strategy", "shift"]
PAGE_BYTES = 4096
INHERITED = ("preservations", "preserved_bytes", "radix_nodes", "scratch_bytes")
"""Facts of the boot itself, the same for all that was tried at it."""


@dataclass(frozen=True, slots=True)
class Study:
    """A stored study: a folder with a sweep for each workload."""

    directory: Path

    @property
    def workloads(self) -> list[str]:
        """The workloads that were begun, in the order of ``WORKLOADS``."""
        return [name for name in WORKLOADS if (self.directory / name).is_dir()]

    def table(self) -> pd.DataFrame:
        """Return one row a case and way to extend scratch, workloads in the study's order.

        Columns: workload; memory_bytes (the machine); seed; strategy; shift; the columns of
        ``Trace.alternatives``; preservations, preserved_bytes, radix_nodes, scratch_bytes of the
        boot; recoverable_bytes (memory outside of
        original scratch that holds neither preserved data nor a page of the tree), and
        recovered_bytes (how much of that early boot was given).
        """
        return pd.concat(
            [_table_of(self.directory, name).sort_values(KEYS) for name in self.workloads],
            ignore_index=True,
        )

    @property
    def incomplete(self) -> int:
        """How many runs failed, were lost, or are still to be done."""
        sweeps = [open_sweep(self.directory / name) for name in self.workloads]
        return sum(
            count for one in sweeps for state, count in one.counts().items() if state != "ok"
        )


def open_study(directory: str | Path) -> Study:
    """Return the study in a folder. Raises InputError if there is none."""
    study = Study(Path(directory))
    if not study.workloads:
        raise InputError(f"{directory} holds no study; kho-sim study -o {directory} makes one")
    return study


def run_study(
    directory: str | Path,
    *,
    machines: tuple[Machine, ...] = MACHINES,
    workloads: Iterable[str] = tuple(WORKLOADS),
    workers: int | None = None,
    progress: Progress | None = None,
) -> Study:
    """Run the cases that are not done yet, and return the study.

    A study that was stopped goes on; one with more machines or workloads runs only what is new.
    Raises as ``sweeps.sweep`` does, and InputError for an unknown workload.
    """
    for name in workloads:
        if name not in WORKLOADS:
            accepted = ", ".join(WORKLOADS)
            close = nearest(name, WORKLOADS)
            told = f"; nearest: {close}" if close else ""
            raise InputError(f"'{name}' is no workload of the study; accepted: {accepted}{told}")
        workload = WORKLOADS[name]
        sweep(
            from_dict(base_of(workload)),
            points_of(workload, machines),
            Path(directory) / name,
            workers=workers,
            progress=progress,
        )
    return Study(Path(directory))


def _table_of(directory: Path, workload: str) -> pd.DataFrame:
    stored = open_sweep(directory / workload)
    boots = stored.boots()[["run_id", "boot", "machine.memory", *INHERITED]]
    tried = stored.alternatives().drop(columns=[*stored.keys, "replicate"])
    rows = tried.merge(boots, on=["run_id", "boot"])
    rows = rows.rename(columns={"machine.memory": "memory_bytes"})
    rows.insert(0, "workload", pd.array([workload] * len(rows), dtype="string"))
    # Reserving early marks all of memory, what must be kept included, which is reserved by then.
    is_all = rows["strategy"] == "reserve-early"
    kept = rows["preserved_bytes"] + rows["radix_nodes"] * PAGE_BYTES
    rows["recovered_bytes"] = rows["extended_bytes"] - kept.where(is_all, 0)
    everything = rows[is_all].set_index("run_id")["recovered_bytes"]
    rows["recoverable_bytes"] = rows["run_id"].map(everything).astype("Int64")
    return rows
