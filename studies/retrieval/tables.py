"""The second study's rows and its tables in Markdown."""

from __future__ import annotations

from typing import Any

import pandas as pd

from kho_sim.base.units import format_size
from kho_sim.layout import markdown
from kho_sim.platform.geometry import PAGES_4K
from kho_sim.sweeps import Sweep
from studies.retrieval.cases import CASES

PLAIN = ("x86_64", PAGES_4K.page_bytes)
"""Platform and bytes of a page that a machine's name leaves out."""
WAYS = (
    ("blocks", "per-key"),
    ("blocks-skip", "per-key"),
    ("blocks", "one-call"),
    ("blocks", "collect-runs"),
    ("blocks-skip", "collect-runs"),
    ("blocks-skip", "skip-at-free"),
    ("blocks-skip", "parallel"),
    ("reserve-early", "two-pass"),
    ("reserve-early", "two-pass-runs"),
)
EXTENSIONS = (
    ("blocks", 30),
    ("blocks-skip", 24),
    ("blocks-skip", 21),
    ("scaled-blocks", None),
    ("bounded-blocks", None),
    ("largest-gaps", 21),
    ("gaps-by-memory", 21),
)
EARLY = (
    ("none", 30),
    ("blocks", 30),
    ("separate-flag", 30),
    ("blocks-skip", 21),
    ("scaled-blocks", None),
    ("reserve-early", 30),
)
BLACKOUTS = (
    ("blocks", "per-key"),
    ("blocks-skip", "per-key"),
    ("blocks", "collect-runs"),
    ("blocks-skip", "collect-runs"),
    ("reserve-early", "two-pass-runs"),
)


def study_table(study: Sweep) -> pd.DataFrame:
    """Return one row per case, extension and retrieval.

    Columns: workload, platform, memory_bytes, page_bytes; those of ``Trace.alternatives``;
    preservations, preserved_bytes, radix_nodes of the boot; instructions (extension and retrieval),
    of_linux (their share of what ``blocks`` and ``per-key`` take), recovered_share (of what could
    be had), blackout_ns, blackout_low_ns, blackout_high_ns (of the boot, with the early boot of
    that way in place of its own).
    """
    names = {
        "description": "workload",
        "machine.platform": "platform",
        "machine.memory": "memory_bytes",
        "kernel.page_size": "page_bytes",
    }
    inherited = ["preservations", "preserved_bytes", "radix_nodes"]
    inherited += ["blackout_ns", "blackout_low_ns", "blackout_high_ns"]
    boots = study.boots()[["run_id", "boot", *names, *inherited]].rename(columns=names)
    tried = study.alternatives().drop(columns=[*study.keys, "replicate"])
    rows = boots.merge(tried, on=["run_id", "boot"])
    rows = rows.drop_duplicates(["run_id", "strategy", "shift", "retrieval"])
    rows["instructions"] = rows["extend_instructions"] + rows["retrieve_instructions"]
    stock = rows[(rows["strategy"] == "blocks") & (rows["retrieval"] == "per-key")]
    own = rows["run_id"].map(stock.set_index("run_id")["instructions"])
    rows["of_linux"] = (rows["instructions"] / own).astype(float)
    rows = _with_blackouts(rows, stock)
    everything = rows[(rows["strategy"] == "reserve-early") & (rows["retrieval"] == "two-pass")]
    free = everything.set_index("run_id")["extended_bytes"]
    kept = rows["preserved_bytes"] + rows["radix_nodes"] * rows["page_bytes"]
    could_be = rows["run_id"].map(free) - kept
    is_all = rows["strategy"] == "reserve-early"
    recovered = rows["extended_bytes"] - kept.where(is_all, 0)
    rows["recovered_share"] = (recovered / could_be).astype(float)
    order = {name: number for number, name in enumerate(CASES)}
    return rows.sort_values(
        ["workload", "platform", "page_bytes", "memory_bytes", "strategy", "shift", "retrieval"],
        key=lambda column: column.map(order) if column.name == "workload" else column,
        ignore_index=True,
    )


def _with_blackouts(rows: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    """Put the early boot of each way in the place of the boot's own, as they follow one another."""
    own = own.set_index("run_id")
    for end in ("", "low_", "high_"):
        early = rows[f"early_{end}ns"]
        rows[f"blackout_{end}ns"] += early - rows["run_id"].map(own[f"early_{end}ns"])
    return rows


def blackout_table(rows: pd.DataFrame) -> str:
    """Return the blackout of the last update, central and from low to high, for a few ways."""
    heads = ["workload", "machine", "Linux + patch"]
    heads += [f"{extension}, {retrieval}" for extension, retrieval in BLACKOUTS[1:]]
    body = []
    for (workload, *machine), case in _cases(rows):
        ways = {
            (row.strategy, row.retrieval): row for row in case[case["shift"] == 30].itertuples()
        }
        cells = [workload, _machine(*machine)]
        cells += [_blackout(ways[way]) for way in BLACKOUTS]
        body.append(cells)
    return markdown(heads, body, right_from=2)


def _blackout(row: Any) -> str:
    if row.panic:
        return "dies"
    times = (row.blackout_ns, row.blackout_low_ns, row.blackout_high_ns)
    central, low, high = (f"{time / 1e9:.2f}" for time in times)
    return f"{central} s ({low} to {high})"


def cost_table(rows: pd.DataFrame) -> str:
    """Return instructions of extension and retrieval together, a row a case, as shares of Linux."""
    heads = ["workload", "machine", "keys", "runs", "Linux + patch"]
    heads += [f"{extension}, {retrieval}" for extension, retrieval in WAYS[1:]]
    body = []
    for (workload, *machine), case in _cases(rows):
        ways = {
            (row.strategy, row.retrieval): row
            for row in case[case["shift"] == 30].itertuples()
            if not row.panic
        }
        stock = ways.get(WAYS[0])
        if stock is None:
            continue
        runs = stock.reserved_regions_after - stock.reserved_regions_before
        cells = [workload, _machine(*machine), f"{stock.preservations:,}", f"{runs:,}"]
        cells.append(f"{stock.instructions / 1e6:,.1f} M")
        cells += [f"{ways[way].of_linux:.1%}" if way in ways else "dies" for way in WAYS[1:]]
        body.append(cells)
    return markdown(heads, body, right_from=2)


def recovered_table(rows: pd.DataFrame) -> str:
    """Return what each extension recovers of what could be had, and regions that it leaves."""
    heads = ["workload", "machine"]
    heads += [name if shift is None else f"{name} 2^{shift}" for name, shift in EXTENSIONS]
    body = []
    for (workload, *machine), case in _cases(rows):
        cells = [workload, _machine(*machine)]
        for name, shift in EXTENSIONS:
            one = _first_of(case, name, shift)
            cells.append(f"{one['recovered_share']:.1%} ({int(one['memory_regions_after']):,})")
        body.append(cells)
    return markdown(heads, body, right_from=2)


def early_table(rows: pd.DataFrame) -> str:
    """Return what became of early requests with each extension: gigantic pages of those that were
    asked for, and requests that failed."""
    heads = ["workload", "machine"]
    heads += [name if shift in (None, 30) else f"{name} 2^{shift}" for name, shift in EARLY]
    body = []
    for (workload, *machine), case in _cases(rows):
        cells = [workload, _machine(*machine)]
        cells += [_outcome(_first_of(case, name, shift)) for name, shift in EARLY]
        body.append(cells)
    return markdown(heads, body, right_from=2)


def _outcome(row: pd.Series[Any]) -> str:
    if row["panic"]:
        return "dies"
    asked = int(row["gigantic_pages_requested"])
    got = f"{int(row['gigantic_pages_allocated'])} of {asked}, " if asked else ""
    return f"{got}{int(row['failures'])} failed"


def _first_of(case: pd.DataFrame, strategy: str, shift: int | None) -> pd.Series[Any]:
    """Return the row of an extension with the first of its retrievals."""
    rows = case[case["strategy"] == strategy]
    rows = rows if shift is None else rows[rows["shift"] == shift]
    return rows.iloc[0]


def _cases(rows: pd.DataFrame) -> pd.api.typing.DataFrameGroupBy:
    return rows.groupby(["workload", "platform", "page_bytes", "memory_bytes"], sort=False)


def _machine(platform: str, page_bytes: int, memory_bytes: int) -> str:
    size = format_size(int(memory_bytes))
    if (platform, page_bytes) == PLAIN:
        return size
    return f"{size} {platform}, {format_size(int(page_bytes))}"
