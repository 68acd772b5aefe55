"""What the figures over the block shift have in common: chains of a sweep, and lines with a spread.

A chain counts once: of its KHO boots the figures take the worst, or the sum. The line is the median
over seeds, the band reaches from the smallest to the largest. Places of the scenario that were
varied beside the shift and the seed make lines of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kho_sim.errors import InputError
from kho_sim.plots.sizes import label_shifts
from kho_sim.plots.style import SERIES
from kho_sim.units import format_exact

if TYPE_CHECKING:
    from kho_sim.sweeps import Sweep

SHIFT = "kernel.extend.shift"
SEED = "chain.seed"
SIZES = ("machine.memory",)
"""Varied places whose values are bytes."""


def chains_by_shift(sweep: Sweep | pd.DataFrame, facts: dict[str, str]) -> pd.DataFrame:
    """Return one row a chain: ``shift``, ``series`` (text), and each fact over its KHO boots.

    ``facts`` says how boots become a chain: fact -> 'min', 'max' or 'sum'.
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
    figure: Figure, chains: pd.DataFrame, panels: dict[str, tuple[str, str]]
) -> list[Axes]:
    """Draw a plot a fact, one above the other; ``panels`` has the title and y label of each."""
    every = list(figure.subplots(len(panels), 1, sharex=True))
    for axes, (fact, (title, label)) in zip(every, panels.items(), strict=True):
        axes.set_title(title)
        axes.set_ylabel(label)
        _draw_spread(axes, chains, fact)
        axes.set_ylim(0, max(1.0, 1.1 * float(chains[fact].max())))
        axes.grid(axis="y")
    label_shifts(every[-1].xaxis, sorted(int(shift) for shift in chains["shift"].unique()))
    every[-1].set_xlabel("block shift (below it the size of a block)")
    if chains["series"].nunique() > 1:
        handles = [line for line in every[0].lines if line.get_label()]
        figure.legend(handles=handles, loc="outside lower left", ncols=len(handles))
    return every


def _draw_spread(axes: Axes, chains: pd.DataFrame, fact: str) -> None:
    """Draw a fact over the shift: a line and a band for each series."""
    for number, name in enumerate(sorted(chains["series"].unique())):
        values = chains[chains["series"] == name].groupby("shift")[fact]
        middle = values.median().astype(float)
        colour = SERIES[number % len(SERIES)]
        axes.fill_between(
            middle.index, values.min().astype(float), values.max().astype(float),
            color=colour, alpha=0.22, linewidth=0, gid=f"spread-{fact}-{name}",
        )  # fmt: skip
        axes.plot(
            middle.index, middle, color=colour, marker="o", markersize=5 - number % 3,
            linewidth=1.5, label=name, gid=f"median-{fact}-{name}",
        )  # fmt: skip


def spread_text(chains: pd.DataFrame) -> str:
    """Return what line and band stand for, for below the title."""
    count = int(chains.groupby(["series", "shift"])["run_id"].nunique().max())
    if count == 1:
        return "one chain a point"
    return f"line: median of {count} chains a point, band: smallest to largest"
