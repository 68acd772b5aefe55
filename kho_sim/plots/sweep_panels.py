"""Plots of a sweep's chains, one fact each, one above the other, over any axis.

Numbers along x have lines with bands, names have marks with bars: median over seeds, and smallest
to largest.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis as DrawnAxis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from kho_sim.plots.style import GREY, SERIES, VERMILION, new_figure
from kho_sim.plots.sweep_chains import SHIFT, Axis, Chains

if TYPE_CHECKING:
    from kho_sim.sweeps import Sweep

PATCH_SHIFT = 30
"""KHO_EXT_SHIFT of the patch: blocks of 1 GiB."""
SUBTITLE = 147
"""Letters below the title."""
EMPTY_SHARE = 0.3
"""Height of a plot that is a sentence, a full one being 1."""
LETTER = 0.0062
"""Width of a letter of a tick's label, the plot being 1."""
STYLES = ("-", "--")
LEGEND_LETTERS = 150


class Panel(NamedTuple):
    """One plot: heading, label and unit of y, and what is said if all values are zero."""

    title: str
    label: str
    unit: Callable[[DrawnAxis], None]
    if_none: str = ""


def draw_panels(
    title: str, sweep: Sweep | pd.DataFrame, chains: Chains, panels: Mapping[str, Panel]
) -> Figure:
    """Return one plot per fact (a column of ``chains.rows``); a sentence replaces an empty one."""
    known = {name: panel for name, panel in panels.items() if _is_known(chains, name)}
    empty = [_is_empty(chains, name, panel) for name, panel in known.items()]
    ratios = [EMPTY_SHARE if is_empty else 1.0 for is_empty in empty]
    extra = 0.35 if _is_turned(chains.axis) else 0.0
    figure = new_figure(1.6 + extra + 1.95 * sum(ratios), title, subtitle(sweep, chains.spread))
    every = figure.subplots(len(known), 1, sharex=True, height_ratios=ratios, squeeze=False)[:, 0]
    for axes, (fact, panel), is_empty in zip(every, known.items(), empty, strict=True):
        axes.set_title(panel.title)
        axes.grid(axis="y")
        if is_empty:
            axes.spines["bottom"].set_visible(axes is every[-1])
            axes.tick_params(axis="x", length=0)
            _say(axes, panel.if_none or "none of the chains has a value")
            continue
        axes.set_ylabel(panel.label)
        _draw_fact(axes, chains, fact)
        axes.set_ylim(0, max(1.0, 1.1 * float(chains.rows[fact].max())))
        _mark_unknown(axes, chains, fact)
        panel.unit(axes.yaxis)
    drawn = [axes for axes, is_empty in zip(every, empty, strict=True) if not is_empty]
    _mark_patch(drawn, chains.axis)
    label_axis(every[-1], chains.axis)
    if len(chains.series) > 1 and drawn:
        handles = [line for line in drawn[0].lines if str(line.get_gid()).startswith("median-")]
        columns = max(1, min(7, LEGEND_LETTERS // max(map(len, chains.series))))
        figure.legend(handles=handles, loc="outside lower left", ncols=columns)
    return figure


def subtitle(sweep: Sweep | pd.DataFrame, spread: str) -> str:
    """Return the scenario's words, shortened, and what the spread stands for."""
    if isinstance(sweep, pd.DataFrame):
        return spread
    described = sweep.manifest["scenario"].get("description") or "a scenario without a description"
    return f"{textwrap.shorten(described, SUBTITLE - len(spread), placeholder=' ...')} · {spread}"


def label_axis(axes: Axes, axis: Axis) -> None:
    """Put the names of the values below a plot, as many as do not touch, and the place's name."""
    places = [float(value) for value in axis.values] if axis.is_number else range(len(axis.values))
    if axis.is_logarithmic:
        axes.set_xscale("log", base=2)
    elif not axis.is_number:
        axes.set_xlim(-0.5, len(axis.values) - 0.5)
    shown = _not_touching(axes, axis, list(places))
    axes.xaxis.set_major_locator(FixedLocator([places[index] for index in shown]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    turned: dict[str, Any] = {"rotation": 25, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(
        [places[index] for index in shown], [axis.names[index] for index in shown],
        fontsize=7.5, **(turned if _is_turned(axis) else {}),
    )  # fmt: skip
    axes.set_xlabel(axis.label)


def _is_turned(axis: Axis) -> bool:
    letters = max(_letters(name) for name in axis.names) + 2
    return not axis.is_number and letters * LETTER * len(axis.names) > 1


def _letters(name: str) -> int:
    return max(map(len, name.split("\n")))


def _not_touching(axes: Axes, axis: Axis, places: Sequence[float]) -> list[int]:
    """Return the indexes of the labels that have room; the first and the last come first."""
    transform = axes.transData + axes.transAxes.inverted()
    xs = [float(transform.transform((place, 0))[0]) for place in places]
    kept: list[int] = []
    count = len(places)
    for index in dict.fromkeys([0, count - 1, *range(count)]):
        widths = {other: _room(axis, index, other) for other in kept}
        if all(abs(xs[index] - xs[other]) >= width for other, width in widths.items()):
            kept.append(index)
    return sorted(kept)


def _room(axis: Axis, one: int, other: int) -> float:
    if _is_turned(axis):
        return 0.014
    return LETTER * ((_letters(axis.names[one]) + _letters(axis.names[other])) / 2 + 1.5)


def _is_known(chains: Chains, fact: str) -> bool:
    return fact in chains.rows and bool(chains.rows[fact].notna().any())


def _is_empty(chains: Chains, fact: str, panel: Panel) -> bool:
    return bool(panel.if_none) and not (chains.rows[fact].fillna(0) != 0).any()


def _say(axes: Axes, text: str) -> None:
    axes.text(0.01, 0.5, text, transform=axes.transAxes, va="center", color=GREY)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _mark_patch(every: Sequence[Axes], axis: Axis) -> None:
    """Draw a line at the patch's own choice, if it is among the shifts."""
    if not every or axis.key != SHIFT or PATCH_SHIFT not in axis.values or not axis.is_number:
        return
    for axes in every:
        axes.axvline(PATCH_SHIFT, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
    every[0].annotate(
        "the patch", (PATCH_SHIFT, 1), xycoords=("data", "axes fraction"), xytext=(0, 2),
        textcoords="offset points", ha="center", va="bottom", color=GREY, fontsize=8,
    )  # fmt: skip


def _mark_unknown(axes: Axes, chains: Chains, fact: str) -> None:
    """Put a cross on the axis where no chain has a value, as those that ended before a KHO boot."""
    known = chains.rows.groupby("place")[fact].count()
    places = known.index[known == 0]
    if len(places):
        axes.plot(
            places, [0.0] * len(places), linestyle="", marker="x", markersize=6, color=VERMILION,
            clip_on=False, gid="unknown",
        )  # fmt: skip
        axes.annotate(
            "x: no value, no chain came so far", (1, 1), xycoords="axes fraction", xytext=(0, 2),
            textcoords="offset points", ha="right", va="bottom", fontsize=8, color=VERMILION,
        )  # fmt: skip


def _draw_fact(axes: Axes, chains: Chains, fact: str) -> None:
    """Draw a fact for each series; later ones are thinner and on top, so that equal ones are seen
    as such."""
    count = len(chains.series)
    for number, name in enumerate(chains.series):
        rows = chains.rows[chains.rows["series"] == name].dropna(subset=[fact])
        values = rows.groupby("place")[fact]
        spread = pd.DataFrame(
            {"low": values.min(), "middle": values.median(), "high": values.max()}
        ).astype(float)
        look: dict[str, Any] = {
            "color": SERIES[number % len(SERIES)], "label": name or fact,
            "gid": f"median-{fact}-{name}",
        }  # fmt: skip
        if chains.axis.is_number:
            _draw_line(axes, spread, number, count, look)
        else:
            _draw_marks(axes, spread, number, count, look)


def _draw_line(
    axes: Axes, spread: pd.DataFrame, number: int, count: int, look: Mapping[str, Any]
) -> None:
    thicker = min(count - 1 - number, 6)
    axes.fill_between(
        spread.index, spread["low"], spread["high"], color=look["color"], alpha=0.22, linewidth=0,
        gid=look["gid"].replace("median-", "spread-", 1),
    )  # fmt: skip
    axes.plot(
        spread.index, spread["middle"], marker="o", markersize=4 + 1.3 * thicker,
        linewidth=1.2 + 0.6 * thicker, linestyle=STYLES[number // len(SERIES) % len(STYLES)],
        clip_on=False, **look,
    )  # fmt: skip


def _draw_marks(
    axes: Axes, spread: pd.DataFrame, number: int, count: int, look: Mapping[str, Any]
) -> None:
    """Draw marks beside each other, so that none hides another, each with its whole spread."""
    places = spread.index + (number - (count - 1) / 2) * 0.7 / count
    axes.vlines(
        places, spread["low"], spread["high"], color=look["color"], linewidth=3.5, alpha=0.4,
        gid=look["gid"].replace("median-", "spread-", 1),
    )  # fmt: skip
    marker = "os"[number // len(SERIES) % 2]
    axes.plot(
        places, spread["middle"], linestyle="", marker=marker, markersize=7, clip_on=False, **look
    )
