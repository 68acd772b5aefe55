"""The blackout against what a sweep varies: memory, the size of folios, threads, a set of rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from kho_sim.base.errors import InputError
from kho_sim.base.units import format_exact
from kho_sim.plots.sizes import label_times
from kho_sim.plots.style import SERIES, house_style, new_figure

if TYPE_CHECKING:
    from kho_sim.sweeps import Sweep

SEED = "chain.seed"
BYTES = ("memory", "size", "folio")
"""Last words of places whose values are bytes."""


@house_style
def blackout_by(sweep: Sweep | pd.DataFrame) -> Figure:
    """Return the longest blackout of each chain over the first place that was varied, one line for
    each value of the second; medians over what else was varied.

    ``sweep`` is a stored sweep or its table of boots. Raises: InputError if nothing was varied, or
    no update came to its end.
    """
    boots = sweep if isinstance(sweep, pd.DataFrame) else sweep.boots()
    if "blackout_ns" not in boots:
        raise InputError("the sweep's boots have no column blackout_ns; run it again")
    known = boots[~boots["twin"].astype(bool)].dropna(subset=["blackout_ns"])
    varied = [name for name in known if "." in name and known[name].nunique() > 1 and name != SEED]
    if known.empty or not varied:
        raise InputError("a blackout needs an update, and something that is varied beside seeds")
    first, *others = varied
    chains = known.groupby([*varied, "run_id"], as_index=False)["blackout_ns"].max()
    figure = new_figure(3.6, f"The longest blackout of a chain, by {first}", ", ".join(varied[1:]))
    axes = figure.subplots()
    places = sorted(chains[first].unique())
    groups = chains.groupby(others[0]) if others else [("", chains)]
    for number, (name, group) in enumerate(groups):
        middle = group.groupby(first)["blackout_ns"].median().reindex(places)
        label = _text(others[0], name) if others else None
        axes.plot(
            range(len(places)), middle.astype(float), marker="o", label=label,
            color=SERIES[number % len(SERIES)], gid=f"blackout-{label or 'all'}",
        )  # fmt: skip
    axes.set_xticks(range(len(places)), [_text(first, place) for place in places])
    axes.set_xlabel(first)
    axes.set_ylabel("blackout")
    axes.set_ylim(bottom=0)
    axes.grid(axis="y")
    label_times(axes.yaxis)
    if others:
        axes.legend(title=others[0])
    return figure


def _text(name: str, value: object) -> str:
    is_size = name.rpartition(".")[2] in BYTES and not isinstance(value, str)
    return format_exact(int(value)) if is_size else str(value)  # type: ignore[call-overload]
