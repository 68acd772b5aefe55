"""Common parts of the figures over the block shift: chains of a sweep, and lines with a spread.

A chain counts once: of its KHO boots the figures take the worst, or the sum. The line is the median
over seeds, the band reaches from the smallest to the largest. Places of the scenario that were
varied beside the shift and the seed make lines of their own.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure

from kho_sim.base.errors import InputError
from kho_sim.base.units import format_exact
from kho_sim.plots.sizes import label_shifts
from kho_sim.plots.style import GREY, SERIES, new_figure

if TYPE_CHECKING:
    from kho_sim.sweeps import Sweep

SHIFT = "kernel.extend.shift"
SEED = "chain.seed"
PATCH_SHIFT = 30
"""KHO_EXT_SHIFT of the patch: blocks of 1 GiB."""
SUBTITLE = 147
"""Letters below the title."""
EMPTY_SHARE = 0.3
"""Height of a plot that is a sentence, a full one being 1."""
SIZES = ("machine.memory",)
"""Varied places whose values are bytes."""


class Panel(NamedTuple):
    """One plot: heading, label and unit of y, and what is said if all values are zero."""

    title: str
    label: str
    unit: Callable[[Axis], None]
    if_none: str = ""


def chains_by_shift(sweep: Sweep | pd.DataFrame, facts: dict[str, str]) -> pd.DataFrame:
    """Return one row per chain: ``shift``, ``series`` (text), and each fact over its KHO boots.

    ``facts`` are the rules by which boots become a chain: fact -> 'min', 'max' or 'sum'.
    Raises: InputError if the sweep has no shift, or no KHO boot that knows the facts.
    """
    boots = sweep if isinstance(sweep, pd.DataFrame) else sweep.boots()
    missing = [name for name in ("run_id", SHIFT, *facts) if name not in boots.columns]
    if missing:
        raise InputError(
            f"the sweep's boots have no column {missing[0]}; vary {SHIFT}, as in -x {SHIFT}=21..33"
        )
    kho = boots[boots["kind"] == "kho"]
    if "twin" in kho.columns:
        kho = kho[~kho["twin"].astype(bool)]
    kho = kho.dropna(subset=[SHIFT, *facts])
    if kho.empty:
        raise InputError("no chain of the sweep came to a KHO boot with an extension")
    others = [key for key in _varied(kho) if key not in (SHIFT, SEED)]
    rows = kho.assign(shift=kho[SHIFT].astype(int), series=_series_names(kho, others))
    chains = rows.groupby(["series", "shift", "run_id"], sort=True, as_index=False)
    return chains.agg(facts)


def _varied(frame: pd.DataFrame) -> list[str]:
    return [str(name) for name in frame.columns if "." in str(name) and frame[name].nunique() > 1]


def _series_names(frame: pd.DataFrame, keys: list[str]) -> pd.Series:
    names = pd.Series("", index=frame.index)
    for key in keys:
        values = frame[key].map(format_exact) if key in SIZES else frame[key].astype(str)
        names = names.str.cat(key.rpartition(".")[2] + " " + values, sep=" ").str.strip()
    return names


def draw_panels(
    title: str,
    sweep: Sweep | pd.DataFrame,
    chains: pd.DataFrame,
    panels: Mapping[str, Panel],
) -> Figure:
    """Return one plot per fact, one above the other; a note replaces the plot of an absent fact."""
    empty = [not chains[fact].any() and bool(panel.if_none) for fact, panel in panels.items()]
    ratios = [EMPTY_SHARE if is_empty else 1.0 for is_empty in empty]
    figure = new_figure(1.5 + 1.95 * sum(ratios), title, _subtitle(sweep, chains))
    every = figure.subplots(len(panels), 1, sharex=True, height_ratios=ratios)
    names = sorted(chains["series"].unique(), key=_natural)
    for axes, (fact, panel), is_empty in zip(every, panels.items(), empty, strict=True):
        axes.set_title(panel.title)
        axes.grid(axis="y")
        if is_empty:
            _say(axes, panel.if_none)
            continue
        axes.set_ylabel(panel.label)
        _draw_spread(axes, chains, fact, names)
        axes.set_ylim(0, max(1.0, 1.1 * float(chains[fact].max())))
        panel.unit(axes.yaxis)
    _mark_patch([a for a, is_empty in zip(every, empty, strict=True) if not is_empty], chains)
    label_shifts(every[-1].xaxis, sorted(int(shift) for shift in chains["shift"].unique()))
    every[-1].set_xlabel("block shift (below it the size of a block)")
    if len(names) > 1:
        drawn = [axes for axes in every if axes.lines and axes.get_ylabel()]
        handles = [line for axes in drawn[:1] for line in axes.lines if line.get_gid()]
        figure.legend(handles=handles, loc="outside lower left", ncols=min(len(names), 8))
    return figure


def _subtitle(sweep: Sweep | pd.DataFrame, chains: pd.DataFrame) -> str:
    if isinstance(sweep, pd.DataFrame):
        return _spread_text(chains)
    described = sweep.manifest["scenario"].get("description") or "a scenario without a description"
    spread = _spread_text(chains)
    return f"{textwrap.shorten(described, SUBTITLE - len(spread), placeholder=' ...')} · {spread}"


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a sort key by which 8 GiB comes before 16 GiB."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdigit() else (0, part) for part in parts]


def _say(axes: Axes, text: str) -> None:
    axes.text(0.01, 0.5, text, transform=axes.transAxes, va="center", color=GREY)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _mark_patch(every: Sequence[Axes], chains: pd.DataFrame) -> None:
    """Draw a line at the patch's own choice, if it is among the shifts."""
    if not every or PATCH_SHIFT not in set(chains["shift"]):
        return
    for axes in every:
        axes.axvline(PATCH_SHIFT, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
    every[0].annotate(
        "the patch", (PATCH_SHIFT, 1), xycoords=("data", "axes fraction"), xytext=(0, 2),
        textcoords="offset points", ha="center", va="bottom", color=GREY, fontsize=8,
    )  # fmt: skip


def _draw_spread(axes: Axes, chains: pd.DataFrame, fact: str, names: Sequence[str]) -> None:
    """Draw a fact over the shift: a line and a band for each series.

    Later series are drawn thinner and on top, so that equal ones are seen as such.
    """
    for number, name in enumerate(names):
        values = chains[chains["series"] == name].groupby("shift")[fact]
        middle = values.median().astype(float)
        colour = SERIES[number % len(SERIES)]
        axes.fill_between(
            middle.index, values.min().astype(float), values.max().astype(float),
            color=colour, alpha=0.22, linewidth=0, gid=f"spread-{fact}-{name}",
        )  # fmt: skip
        axes.plot(
            middle.index, middle, color=colour, marker="o",
            markersize=4 + 1.6 * (len(names) - 1 - number),
            linewidth=1.2 + 0.7 * (len(names) - 1 - number), label=name, clip_on=False,
            gid=f"median-{fact}-{name}",
        )  # fmt: skip


def _spread_text(chains: pd.DataFrame) -> str:
    """Return what line and band stand for."""
    count = int(chains.groupby(["series", "shift"])["run_id"].nunique().max())
    if count == 1:
        return "one chain per point"
    return f"line: median of {count} chains a point, band: smallest to largest"
