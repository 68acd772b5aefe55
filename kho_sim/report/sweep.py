"""A sweep as a table of points, and as text for a terminal.

A point is a combination of varied values, seeds apart; its chains differ in their random numbers
only. Of several chains the table has the worst, because that is what a host can rely on. Left out:
the spread, which the figures show.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from kho_sim.base.units import show
from kho_sim.layout import PLAIN, Cell, Column, Layout, first_of
from kho_sim.trace.headline import COMPLETED, Headline, points_words, run_headline

if TYPE_CHECKING:
    from kho_sim.sweeps import Sweep

SEED = "chain.seed"

WORST = {
    "extended_bytes_min": "min",
    "failures": "max",
    "failures_without_extension": "min",
    "failures_avoided": "min",
    "gigantic_pages_allocated_min": "min",
    "extend_ns_max": "max",
    "blackout_ns_max": "max",
    "memory_regions_max": "max",
}
"""Name of a run's summary -> which of a point's chains counts."""

POINT_COLUMNS = {
    "chains": "runs of the point that came to an end",
    "completed": "those whose chain completed",
    "outcome": "how the worst of them ended, and what it was missing",
    "outcome_without_extension": "the same of their twins without the extension",
    "extended_bytes_min": "smallest extension of any KHO boot of any chain",
    "failures": "early allocations that failed, most of any chain",
    "failures_without_extension": "the same without the extension, fewest of any chain",
    "failures_avoided": "failures that the extension avoided, fewest of any chain",
    "gigantic_pages_allocated_min": "gigantic pages, fewest of any KHO boot, with those handed on",
    "extend_ns_max": "longest extension step",
    "blackout_ns_max": "longest blackout, partly assumed (user space above all)",
    "memory_regions_max": "most regions of memblock.memory",
}
"""Columns of the table of points beside the varied values -> what they are."""

OUTCOMES = ("outcome", "outcome_without_extension")

_HEADS = {
    "chains": Column("chains"),
    "outcome": Column("worst", left=True, wraps=True),
    "extended_bytes_min": Column("extended"),
    "failures": Column("with", "failed"),
    "failures_without_extension": Column("without", "failed"),
    "failures_avoided": Column("avoided", "failed", spare=2),
    "gigantic_pages_allocated_min": Column("1G pages"),
    "extend_ns_max": Column("time", spare=4),
    "blackout_ns_max": Column("blackout", spare=3),
    "memory_regions_max": Column("regions", spare=5),
}
MOST_POINTS = 39
MOST_ENDINGS = 8
NAMED_POINTS = 4
EXPLAINED = {
    "extended_bytes_min": "the smallest extension of any boot",
    "failures": "early allocations that failed with the extension",
    "failures_without_extension": "those that failed without it",
    "failures_avoided": "those avoided",
    "gigantic_pages_allocated_min": "the fewest gigantic pages",
    "extend_ns_max": "longest extension step",
    "blackout_ns_max": "longest blackout (partly assumed: user space)",
    "memory_regions_max": "regions of memblock.memory",
}
"""Columns of the table of points -> what they are, in the sentence above it."""


def points_table(sweep: Sweep) -> pd.DataFrame:
    """Return one row per point, in the order of the varied values.

    Columns: the varied places but the seed, by their dotted names; those of ``POINT_COLUMNS``, as
    far as any chain has a value.
    """
    runs = sweep.runs()
    runs = runs[runs["state"] == "ok"]
    keys = [key for key in sweep.keys if key != SEED]
    runs = runs.assign(completed=(runs["outcome"] == COMPLETED).astype("Int64"))
    # The runs are in the order of their axes, and the points shall be, too.
    grouped = runs.groupby(keys or ["state"], sort=False, dropna=False)
    points = grouped.agg(WORST)
    points.insert(0, "chains", grouped.size())
    points.insert(1, "completed", grouped["completed"].sum())
    for place, (name, twin) in enumerate(zip(OUTCOMES, (False, True), strict=True), start=2):
        texts = [_ending(rows, twin) for _, rows in grouped]
        points.insert(place, name, pd.array(texts, dtype="string"))
    if not (runs["gigantic_pages_requested_min"] > 0).any():
        points = points.drop(columns="gigantic_pages_allocated_min")
    points = points.dropna(axis="columns", how="all")
    return points.reset_index(drop=not keys)


def sweep_text(sweep: Sweep, layout: Layout = PLAIN) -> str:
    """Return the report of a sweep for a terminal: what was varied, one line per point, and how
    those ended that did not complete."""
    scenario = sweep.manifest.get("scenario") or {}
    points = points_table(sweep)
    states = ", ".join(f"{count} {state}" for state, count in sweep.counts().items())
    head = layout.wrapped(f"sweep over {', '.join(sweep.keys)}: {states}", indent=2)
    if scenario.get("description"):
        head += layout.wrapped(str(scenario["description"]))
    if points.empty:
        return "\n".join([*head, "", "no run has ended yet"])
    head += ["", *layout.wrapped(_explained(points))]
    rows, left = first_of(range(len(points)), MOST_POINTS)
    shown = points.iloc[list(rows)]
    kept = ("outcome",) if (points["outcome"] != COMPLETED).any() else ()
    names = [name for name in points if name in kept or name not in ("completed", *OUTCOMES)]
    columns = [_column(name, points[name]) for name in names]
    texts = zip(*(_texts(name, shown) for name in names), strict=True)
    lines = layout.table(columns, list(texts))
    if left:
        lines.append(f"... {left} more points; --format csv has all")
    endings = list(_ending_lines(points, names, layout))
    return "\n".join([*head, "", *lines, *endings])


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


def _explained(points: pd.DataFrame) -> str:
    """Return in one sentence what the columns of the points' results are."""
    facts = ", ".join(EXPLAINED[name] for name in points if name in EXPLAINED)
    return f"One line per point; of its chains (seeds) the worst: how many completed, {facts}."


def _ending(rows: pd.DataFrame, twin: bool) -> str | None:
    """Return in words how the chains of a point ended; None if there was no twin."""
    plain = rows.astype(object).where(rows.notna(), None).to_dict("records")
    said: list[Headline | None] = [run_headline(row, twin) for row in plain]
    known = [one for one in said if one is not None]
    return points_words(known) if known else None


def _ending_lines(points: pd.DataFrame, names: list[str], layout: Layout) -> Iterator[str]:
    """Yield the endings that are not plainly completed, each with its points."""
    keys = [name for name in names if name not in POINT_COLUMNS]
    for column, title in zip(OUTCOMES, ("", "Without the extension:"), strict=True):
        if column not in points:
            continue
        bad = points[points[column].notna() & (points[column] != COMPLETED)]
        ends = list(bad.groupby(column, sort=False))
        if ends:
            yield ""
            yield title or "What did not simply complete:"
        shown, left = first_of(ends, MOST_ENDINGS)
        for words, rows in shown:
            where = _named(rows, keys) if len(rows) < len(points) else "every point"
            yield from layout.wrapped(f"  {where}: {words}", indent=4, max_lines=4)
        if left:
            yield f"  ... {left} more endings; --format csv has all"


def _named(rows: pd.DataFrame, keys: list[str]) -> str:
    """Return the values of points, as 'image 60MiB, 80MiB' or '8GiB blocks, 16GiB none'."""
    texts = []
    for row in rows.to_dict("records"):
        texts.append(" ".join(_text(key, row[key]) for key in keys))
    shown, left = first_of(texts, NAMED_POINTS)
    more = f", {left} more" if left else ""
    name = f"{_short(keys[0])} " if len(keys) == 1 else ""
    return name + ", ".join(shown) + more


def _short(key: str) -> str:
    return key.rpartition(".")[2]


def _column(name: str, values: pd.Series) -> Column:
    if name in _HEADS:
        return _HEADS[name]
    is_text = not pd.api.types.is_numeric_dtype(values)
    return Column(_short(name), left=is_text, wraps=is_text)


def _texts(name: str, points: pd.DataFrame) -> list[str | Cell]:
    if name == "chains":
        pairs = zip(points["completed"], points["chains"], strict=True)
        return [Cell(f"{done}/{all_}", "" if done == all_ else "bad") for done, all_ in pairs]
    if name == "outcome":
        return [_outcome_cell(words) for words in points[name]]
    return [_text(name, value) for value in points[name]]


def _outcome_cell(words: str) -> Cell:
    """Return the first words of how a point ended, without the reason."""
    kind = words.partition(":")[0].partition(",")[0]
    short = f"{kind}, lacks" if words.startswith(f"{COMPLETED},") else kind
    return Cell(short, "" if words == COMPLETED else "amber" if COMPLETED in kind else "bad")


def _text(name: str, value: Any) -> str:
    if pd.isna(value):
        return "-"
    return show(name, value) if value != "" else "(empty)"
