"""Running the study: one sweep over workloads, machines and seeds; and its one tidy table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from kho_sim.base.errors import InputError, nearest
from kho_sim.platform.geometry import PAGES_4K
from kho_sim.scenario import from_dict
from kho_sim.sweeps import Sweep, sweep
from kho_sim.sweeps.driver import Progress
from studies.block_size.cases import MACHINES, WORKLOADS, Machine, base_scenario, points_of

NAMES = {"description": "workload", "machine.memory": "memory_bytes"}
INHERITED = ("preservations", "preserved_bytes", "radix_nodes", "scratch_bytes")
"""Facts of the boot itself, the same for all that was tried at it."""


def run_study(
    directory: str | Path,
    *,
    machines: tuple[Machine, ...] = MACHINES,
    workloads: Iterable[str] = tuple(WORKLOADS),
    workers: int | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Run the cases that are not done yet, and return them as the sweep that they are.

    A study that was stopped goes on; one with more machines or workloads runs only what is new.
    Raises as ``sweeps.sweep`` does, and InputError for an unknown workload.
    """
    chosen = [WORKLOADS[_known(name)] for name in workloads]
    return sweep(
        from_dict(base_scenario()),
        points_of(chosen, machines),
        directory,
        workers=workers,
        progress=progress,
    )


def study_table(study: Sweep) -> pd.DataFrame:
    """Return one row per case and what-if, workloads in the order of ``WORKLOADS``.

    Columns: workload; memory_bytes (the machine); seed; the columns of ``Trace.alternatives``;
    preservations, preserved_bytes, radix_nodes, scratch_bytes of the boot; recoverable_bytes
    (memory outside of original scratch that holds neither preserved data nor a page of the tree),
    recovered_bytes (how much of that early boot was given), and recovered_share of the two.
    """
    boots = study.boots()[["run_id", "boot", *NAMES, *INHERITED]].rename(columns=NAMES)
    tried = study.alternatives().drop(columns=[*study.keys, "replicate"])
    rows = boots.merge(tried, on=["run_id", "boot"])
    # Reserving early marks all of memory, what must be kept included, which is reserved by then.
    is_all = rows["strategy"] == "reserve-early"
    kept = rows["preserved_bytes"] + rows["radix_nodes"] * PAGES_4K.page_bytes
    rows["recovered_bytes"] = rows["extended_bytes"] - kept.where(is_all, 0)
    everything = rows[is_all].set_index("run_id")["recovered_bytes"]
    rows["recoverable_bytes"] = rows["run_id"].map(everything).astype("Int64")
    rows["recovered_share"] = (rows["recovered_bytes"] / rows["recoverable_bytes"]).astype(float)
    order = {name: number for number, name in enumerate(WORKLOADS)}
    return rows.sort_values(
        ["workload", "memory_bytes", "seed", "strategy", "shift"],
        key=lambda column: column.map(order) if column.name == "workload" else column,
        ignore_index=True,
    )


def _known(name: str) -> str:
    if name not in WORKLOADS:
        close = nearest(name, WORKLOADS)
        hint = f"; nearest: {close}" if close else ""
        accepted = ", ".join(WORKLOADS)
        raise InputError(f"'{name}' is no workload of the study; accepted: {accepted}{hint}")
    return name
