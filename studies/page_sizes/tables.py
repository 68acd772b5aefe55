"""The study's rows, and its table in Markdown."""

from __future__ import annotations

import pandas as pd

from kho_sim.base.units import format_size
from kho_sim.layout import markdown
from kho_sim.sweeps import Sweep
from studies.page_sizes.cases import CASES, SHIFTS

NAMES = {"description": "case", "machine.memory": "memory_bytes"}


def study_table(study: Sweep) -> pd.DataFrame:
    """Return one row per case, machine and what-if.

    Columns: case, memory_bytes, scratch_bytes, those of ``Trace.alternatives``, and
    recovered_share: of the memory outside of original scratch that holds nothing preserved.
    """
    inherited = ["preserved_bytes", "scratch_bytes"]
    boots = study.boots()[["run_id", "boot", *NAMES, *inherited]].rename(columns=NAMES)
    tried = study.alternatives().drop(columns=[*study.keys, "replicate"])
    rows = boots.merge(tried, on=["run_id", "boot"])
    early = rows[rows["strategy"] == "reserve-early"].set_index("run_id")
    free_bytes = early["extended_bytes"] - early["preserved_bytes"]
    share = rows["extended_bytes"] / rows["run_id"].map(free_bytes)
    rows["recovered_share"] = share.astype(float)
    order = {case.name: number for number, case in enumerate(CASES)}
    return rows.sort_values(
        ["case", "memory_bytes", "strategy", "shift"],
        key=lambda column: column.map(order) if column.name == "case" else column,
        ignore_index=True,
    )


def page_sizes_table(rows: pd.DataFrame) -> str:
    """Return a row per case and machine: the share recovered by block size, below it the gigantic
    pages that were got where not all were, and what ``gigantic-blocks`` takes."""
    heads = ["page size, load", "machine", *(format_size(1 << shift) for shift in SHIFTS)]
    heads += ["gigantic-blocks takes", "and recovers"]
    body = []
    for (case, memory), group in rows.groupby(["case", "memory_bytes"], sort=False):
        blocks = group[group["strategy"] == "blocks"].set_index("shift")
        own = group[group["strategy"] == "gigantic-blocks"].iloc[0]
        cells = [_cell(blocks.loc[shift]) for shift in SHIFTS]
        size = format_size(1 << int(own["shift"]))
        body.append([str(case), format_size(int(str(memory))), *cells, size, _cell(own)])
    return markdown(heads, body, right_from=1)


def _cell(row: pd.Series) -> str:
    if row["panic"]:
        return "dies"
    share = f"{row['recovered_share']:.1%}"
    got, asked = row["gigantic_pages_allocated"], row["gigantic_pages_requested"]
    return share if got >= asked else f"{share}, {got} of {asked}"
