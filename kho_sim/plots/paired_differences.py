"""Two sets of runs, pair by pair: a plot per number that differs, with all its pairs.

A mark is one pair, B less A; the bar is the interval of their mean. Left out: numbers that are the
same in every pair, which are named below.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kho_sim.base.errors import InputError
from kho_sim.base.units import counted, show, unit_of
from kho_sim.plots.sizes import label_counts, label_sizes, label_times
from kho_sim.plots.style import BLACK, BLUE, GREY, house_style, new_figure, note

if TYPE_CHECKING:
    from kho_sim.sweeps.compare import Comparison, Difference

MOST_PLOTS = 16
PLOT_INCHES = 0.78
NAMES_WIDTH = 170
LABELS = {"bytes": label_sizes, "nanoseconds": label_times}


@house_style
def paired_differences(comparison: Comparison, names: Mapping[str, str]) -> Figure:
    """Return the differences of a comparison; ``names`` says in words what 'A' and 'B' are.

    Raises: InputError if there is no pair.
    """
    if not comparison.pairs:
        raise InputError("there is no pair to compare")
    differing = [one for one in comparison.differences if any(one.deltas)]
    shown = differing[:MOST_PLOTS]
    below = _below(comparison, differing)
    height = 1.25 + PLOT_INCHES * max(len(shown), 1) + 0.19 * len(below)
    subtitle = f"{counted(comparison.pairs, 'pair')} · A: {names['A']} · B: {names['B']}"
    figure = new_figure(height, "Paired differences, B less A", subtitle)
    every = figure.subplots(max(len(shown), 1), 1, squeeze=False)[:, 0]
    if not shown:
        note(every[0], "No number differs in any pair.")
    for axes, one in zip(every, shown, strict=False):
        _draw(axes, one)
    # An empty x label keeps the room that the layout gives to it.
    every[-1].set_xlabel("\n".join(["", *below]), fontsize=8, color=GREY, loc="left")
    return figure


def _draw(axes: Axes, one: Difference) -> None:
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.plot(
        one.deltas, [0.0] * len(one.deltas), linestyle="", marker="o", markersize=7, color=BLUE,
        alpha=0.45, markeredgewidth=0, gid=f"pairs-{one.name}",
    )  # fmt: skip
    if one.low is not None and one.high is not None:
        axes.plot(
            [one.low, one.high], [0.5, 0.5], color=BLACK, linewidth=2.5, solid_capstyle="butt",
            gid=f"interval-{one.name}",
        )  # fmt: skip
    axes.plot([one.mean_difference], [0.5], marker="D", markersize=5, color=BLACK, gid="mean")
    axes.set_ylim(-0.7, 1.1)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.08)
    axes.grid(axis="x")
    LABELS.get(unit_of(one.name), label_counts)(axes.xaxis)
    axes.set_title(f"{one.name}   {_words(one)}", fontsize=8.5)


def _words(one: Difference) -> str:
    means = f"mean {show(one.name, one.mean_a)} -> {show(one.name, one.mean_b)}"
    if one.low is None or one.high is None:
        return f"{means}; too few pairs for an interval ({one.pairs})"
    low, high = show(one.name, one.low), show(one.name, one.high)
    return f"{means}; 95 % interval {low} to {high} ({counted(one.pairs, 'pair')})"


def _below(comparison: Comparison, differing: list[Difference]) -> list[str]:
    """Return the lines below the plots: how chains ended, and what is the same."""
    same = [one.name for one in comparison.differences if not any(one.deltas)]
    ends = [f"{counted(count, 'pair')}: {a} -> {b}" for a, b, count in comparison.outcomes]
    lines = [f"Mark: a pair; diamond and bar: their mean and its interval. {'; '.join(ends)}."]
    if len(differing) > MOST_PLOTS:
        lines.append(f"Not drawn: {', '.join(one.name for one in differing[MOST_PLOTS:])}.")
    if same:
        lines.append(f"The same in every pair: {', '.join(same)}.")
    return [part for line in lines for part in textwrap.wrap(line, NAMES_WIDTH)]
