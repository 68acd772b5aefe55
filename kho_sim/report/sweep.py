"""A sweep as a table of points, and as text for a terminal.

A point is a combination of varied values, seeds apart; its chains differ in their random numbers
only. Of several chains the table has the worst, because that is what a host can rely on. Left out:
the spread, which the figures show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from kho_sim.base.units import show
from kho_sim.layout import PLAIN, Column, Layout

if TYPE_CHECKING:
    from kho_sim.sweeps import Sweep

SEED = "chain.seed"
COMPLETED = "completed"

WORST = {
    "extended_bytes_min": "min",
    "failures": "max",
    "failures_without_extension": "min",
    "failures_avoided": "min",
    "gigantic_pages_allocated_min": "min",
    "extend_ns_max": "max",
    "memory_regions_max": "max",
}
"""Name of a run's summary -> which of a point's chains counts."""

POINT_COLUMNS = {
    "chains": "runs of the point that came to an end",
    "completed": "those whose chain completed",
    "extended_bytes_min": "smallest extension of any KHO boot of any chain",
    "failures": "early allocations that failed, most of any chain",
    "failures_without_extension": "the same without the extension, fewest of any chain",
    "failures_avoided": "failures that the extension avoided, fewest of any chain",
    "gigantic_pages_allocated_min": "gigantic pages obtained, fewest of any KHO boot",
    "extend_ns_max": "longest extension step",
    "memory_regions_max": "most regions of memblock.memory",
}
"""Columns of the table of points beside the varied values -> what they are."""

_HEADS = {
    "extended_bytes_min": "extended",
    "failures": "failed",
    "failures_without_extension": "without",
    "failures_avoided": "avoided",
    "gigantic_pages_allocated_min": "1G pages",
    "extend_ns_max": "time",
    "memory_regions_max": "regions",
}
MOST_POINTS = 39
EXPLAINED = (
    "One line per point; of its chains (seeds) the worst: the smallest extension of any boot, "
    "early allocations that failed with the extension, those without it, those avoided; time of "
    "the extension step, and regions of memblock.memory."
)


def points_table(sweep: Sweep) -> pd.DataFrame:
    """Return one row per point, in the order of the varied values.

    Columns: the varied places but the seed, by their dotted names; those of ``POINT_COLUMNS``, as
    far as any chain has a value.
    """
    runs = sweep.runs()
    runs = runs[runs["state"] == "ok"]
    keys = [key for key in sweep.keys if key != SEED]
    runs = runs.assign(completed=(runs["outcome"] == COMPLETED).astype("Int64"))
    grouped = runs.groupby(keys or ["state"], sort=True, dropna=False)
    points = grouped.agg(WORST)
    points.insert(0, "chains", grouped.size())
    points.insert(1, "completed", grouped["completed"].sum())
    if not (runs["gigantic_pages_requested_min"] > 0).any():
        points = points.drop(columns="gigantic_pages_allocated_min")
    points = points.dropna(axis="columns", how="all")
    return points.reset_index(drop=not keys)


def sweep_text(sweep: Sweep, layout: Layout = PLAIN) -> str:
    """Return the report of a sweep for a terminal: what was varied, and one line per point."""
    scenario = sweep.manifest.get("scenario") or {}
    points = points_table(sweep)
    states = ", ".join(f"{count} {state}" for state, count in sweep.counts().items())
    head = [f"sweep over {', '.join(sweep.keys)}: {states}"]
    if scenario.get("description"):
        head += layout.wrapped(str(scenario["description"]))
    head += ["", *layout.wrapped(EXPLAINED)]
    if points.empty:
        return "\n".join([*head, "", "no run has ended yet"])
    columns = [_column(name, points[name]) for name in points]
    texts = zip(*(_texts(name, points[name].head(MOST_POINTS)) for name in points), strict=True)
    lines = layout.table(columns, list(texts))
    if len(points) > MOST_POINTS:
        lines.append(f"... {len(points) - MOST_POINTS} more points; --format csv has all")
    return "\n".join([*head, "", *lines])


def sweep_document(sweep: Sweep) -> dict[str, Any]:
    """Return the JSON document of a sweep's report: its manifest, states, and one row per point."""
    rows = points_table(sweep).astype(object)
    rows = rows.where(rows.notna(), None)
    return {
        "schema": "kho-sim/sweep-report",
        "schema_version": 1,
        "provenance": sweep.manifest,
        "states": sweep.counts(),
        "points": rows.to_dict("records"),
    }


def _column(name: str, values: pd.Series) -> Column:
    is_text = not pd.api.types.is_numeric_dtype(values)
    return Column(_HEADS.get(name, name.rpartition(".")[2]), left=is_text, wraps=is_text)


def _texts(name: str, values: pd.Series) -> list[str]:
    return ["-" if pd.isna(value) else show(name, value) for value in values]
