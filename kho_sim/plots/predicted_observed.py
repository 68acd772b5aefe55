"""The simulator against real kernels: how much is exact, and how far off the rest is.

Drawn from the JSON document of ``kho-sim verify``. Left out: which log or boot a difference is of;
the document has that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, PercentFormatter

from kho_sim.base.errors import InputError
from kho_sim.base.units import counted
from kho_sim.plots.style import BLUE, GREY, SKY, VERMILION, house_style, new_figure

SCHEMA = "kho-sim/verify"
EXACT, CLOSE, OTHER = "exact", "not exact, within its tolerance", "outside its tolerance"
COLOURS = {EXACT: BLUE, CLOSE: SKY, OTHER: VERMILION}
MOST_TICKS = 4
"""Of the differences, whose labels have decimals where all are small."""

Counts = Mapping[str, Mapping[str, int]]


@house_style
def predicted_observed(document: Mapping[str, Any]) -> Figure:
    """Return the share of exact values by name, and the relative differences of the blind facts.

    ``document`` is what ``kho-sim verify --json`` prints, parsed. Raises: InputError if it is not.
    """
    if document.get("schema") != SCHEMA:
        raise InputError(f"this is no document of kho-sim verify: schema is not {SCHEMA}")
    totals = document["totals"]
    steps: Counts = {"early allocations": totals["placements"], **totals["steps"]}
    facts: Counts = {"outcome": totals.get("outcomes", {}), **totals["facts"]}
    steps, facts = _compared(steps), _compared(facts)
    rows = max(len(steps), len(facts))
    figure = new_figure(
        1.9 + 0.27 * rows,
        "Predicted and observed",
        f"{counted(totals['logs'], 'log')} of real kernels, {counted(totals['boots'], 'boot')}",
    )
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1))
    _draw_shares(left, steps, rows, "one step at a time, from the logged state")
    _draw_shares(middle, facts, rows, "blind: the whole chain simulated")
    _draw_differences(right, list(facts), rows, document)
    used = {bar.get_gid() for axes in (left, middle) for bar in axes.patches}
    figure.legend(
        handles=[Patch(facecolor=COLOURS[name], label=name) for name in COLOURS if name in used],
        loc="outside lower left",
        ncols=len(COLOURS),
        handlelength=1.2,
    )
    return figure


def _compared(counts: Counts) -> Counts:
    return {name: count for name, count in counts.items() if count.get("compared")}


def _draw_shares(axes: Axes, counts: Counts, rows: int, title: str) -> None:
    axes.set_title(title)
    for row, name in enumerate(counts):
        of, exact = counts[name]["compared"], counts[name]["exact"]
        close = counts[name].get("close", exact)
        start = 0.0
        for what, number in ((EXACT, exact), (CLOSE, close - exact), (OTHER, of - close)):
            if number:
                axes.barh(row, number / of, 0.66, left=start, color=COLOURS[what], gid=what)
            start += number / of
        axes.annotate(
            f"{exact:,} of {of:,}", (1, row), xytext=(4, 0), textcoords="offset points",
            va="center", fontsize=7.5, color=GREY,
        )  # fmt: skip
    axes.set_yticks(range(len(counts)), [name.replace("_", " ") for name in counts], fontsize=7.5)
    axes.set_ylim(rows - 0.4, -0.6)
    axes.set_xlim(0, 1.28)
    axes.set_xticks([0, 0.5, 1])
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xlabel("share of what was compared (%)")


def _draw_differences(axes: Axes, names: list[str], rows: int, document: Mapping[str, Any]) -> None:
    axes.set_title("blind: how far off, one mark per boot")
    axes.axvline(0, color=GREY, linewidth=0.8)
    for row, name in enumerate(names):
        found = [
            _difference(boot["facts"][name])
            for log in document["logs"]
            for boot in log["boots"]
            if name in boot["facts"]
        ]
        known = [value for value in found if value is not None]
        axes.plot(
            known, [row] * len(known), linestyle="", marker="o", markersize=5, alpha=0.55,
            color=BLUE, markeredgewidth=0, gid=f"difference-{name}",
        )  # fmt: skip
    axes.set_yticks(range(len(names)), [""] * len(names))
    axes.set_ylim(rows - 0.4, -0.6)
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, -0.02), max(high, 0.02))
    axes.xaxis.set_major_locator(MaxNLocator(MOST_TICKS))
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(axis="both")
    axes.set_xlabel("(predicted - observed) / observed (%)")


def _difference(fact: Mapping[str, Any]) -> float | None:
    """Return the relative difference of a number or of a list's length; None if there is none."""
    predicted, observed = _number(fact.get("predicted")), _number(fact.get("observed"))
    if predicted is None or observed is None:
        return None
    if not observed:
        return 0.0 if not predicted else None
    return (predicted - observed) / observed


def _number(value: Any) -> float | None:
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, Mapping):
        return sum(value.values())
    return len(value) if isinstance(value, list) else None
