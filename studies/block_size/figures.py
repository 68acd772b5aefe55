"""The study's two figures: what blocks of each size recover, and what each strategy costs.

``rows`` is what ``studies.block_size.study_table`` returns.
"""

from __future__ import annotations

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, PercentFormatter, StrMethodFormatter

from kho_sim.base.units import format_size
from kho_sim.plots.sizes import label_log_times
from kho_sim.plots.style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, house_style, new_figure

MACHINE_COLOURS = "viridis_r"
"""Light for small machines, dark for large ones."""
PATCH_SHIFT = 30

PRICES = {
    "recovered_share": "recovered",
    "extend_ns": "time of the extension",
    "ranges": "ranges in memblock",
    "digest_pages": "pages of the digest",
}
STYLES = {
    "blocks": ("o", BLUE),
    "blocks-skip": ("s", ORANGE),
    "largest-gaps": ("^", GREEN),
    "scaled-blocks": ("D", PURPLE),
}
PRICE_WORKLOAD = "fragmented"
SHIFT_TICKS = (16, 21, 24, 27, 30, 33, 36)


@house_style
def recovered(rows: pd.DataFrame) -> Figure:
    """Return the share of recoverable memory that blocks of each size give, workload by workload.

    A cross marks sizes with which the kernel dies in at least one chain.
    """
    blocks = rows[rows["strategy"] == "blocks"]
    figure = new_figure(
        6.6,
        "What blocks of each size recover",
        "the patch's strategy; share of the memory outside of scratch that holds nothing "
        "preserved; mean over chains",
    )
    machines = sorted(map(int, blocks["memory_bytes"].unique()))
    colours = _machine_colours(len(machines))
    workloads = list(dict.fromkeys(rows["workload"]))
    every = figure.subplots(2, 2, sharex=True, sharey=True).flat
    for axes, workload in zip(every, workloads, strict=False):
        axes.set_title(workload)
        for colour, machine in zip(colours, machines, strict=True):
            case = blocks[(blocks["workload"] == workload) & (blocks["memory_bytes"] == machine)]
            _line_of_shares(axes, case, colour, format_size(machine))
        axes.axvline(PATCH_SHIFT, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.grid(axis="y")
        _label_shifts(axes)
    for axes in every[2:]:
        axes.set_xlabel("block size (below it the shift); dotted: the patch's 1 GiB")
    for axes in every[::2]:
        axes.set_ylabel("recovered")
    handles = [line for line in every[0].lines if not line.get_label().startswith("_")]
    figure.legend(handles=handles, loc="outside right center", title="machine")
    return figure


@house_style
def prices(rows: pd.DataFrame) -> Figure:
    """Return gain and price of each strategy, for the fragmented workload on three machines."""
    cases = rows[rows["workload"] == PRICE_WORKLOAD].assign(ranges=_ranges)
    machines = sorted(map(int, cases["memory_bytes"].unique()))
    shown = list(dict.fromkeys([machines[0], machines[len(machines) // 2], machines[-1]]))
    figure = new_figure(
        9.4,
        "Gain and price of each strategy",
        f"workload {PRICE_WORKLOAD}; mean over chains; ranges: both arrays; blocks-skip and "
        "scaled-blocks mark what blocks of that size mark",
    )
    grid = figure.subplots(len(PRICES), len(shown), sharex=True, sharey="row", squeeze=False)
    for column, machine in enumerate(shown):
        here = cases[cases["memory_bytes"] == machine]
        grid[0][column].set_title(format_size(machine))
        for axes, (fact, label) in zip(grid[:, column], PRICES.items(), strict=True):
            _draw_strategies(axes, here, fact)
            _label_shifts(axes)
            axes.grid(axis="y")
            if not column:
                axes.set_ylabel(label)
        grid[-1][column].set_xlabel("block size (below it the shift)")
    for axes in grid[0]:
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    for row in grid[1:]:
        row[0].set_yscale("log")
    label_log_times(grid[1][0].yaxis)
    for row in grid[2:]:
        row[0].yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        row[0].yaxis.set_minor_formatter(NullFormatter())
    grid[-1][0].set_ylim(4, max(16.0, 1.5 * float(cases["digest_pages"].max())))
    handles = [line for line in grid[0][0].lines if not line.get_label().startswith("_")]
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles))
    return figure


def _ranges(rows: pd.DataFrame) -> pd.Series:
    return rows["memory_regions_after"] + rows["reserved_regions_before"]


def _machine_colours(count: int) -> list[tuple[float, float, float, float]]:
    colours = matplotlib.colormaps[MACHINE_COLOURS]
    return [colours(0.12 + 0.88 * number / max(count - 1, 1)) for number in range(count)]


def _line_of_shares(axes: Axes, case: pd.DataFrame, colour: object, label: str) -> None:
    if case.empty:
        return
    shares = case.groupby("shift")["recovered_share"].mean()
    axes.plot(shares.index, shares, color=colour, marker="o", markersize=3, label=label)
    dead = case[case["panic"] != ""]["shift"].unique()
    axes.plot(dead, shares[dead], "x", color=BLACK, markersize=6, zorder=3)


def _draw_strategies(axes: Axes, here: pd.DataFrame, fact: str) -> None:
    for strategy, (marker, colour) in STYLES.items():
        values = here[here["strategy"] == strategy].groupby("shift")[fact].mean().astype(float)
        line = "" if strategy == "scaled-blocks" else "-"
        size = {"blocks": 6, "scaled-blocks": 6}.get(strategy, 3)
        # The patch's line is wide and below the others, which often lie on it: it shows at both
        # sides of them.
        axes.plot(
            values.index, values, color=colour, marker=marker, markersize=size, linestyle=line,
            linewidth=5 if strategy == "blocks" else 1.3, alpha=0.6 if strategy == "blocks" else 1,
            label=strategy, zorder=3 if strategy == "scaled-blocks" else 2,
        )  # fmt: skip
    early = here[here["strategy"] == "reserve-early"][fact].astype(float).mean()
    if early:
        axes.axhline(early, color=GREY, linestyle="--", linewidth=1.0, label="reserve-early")


def _label_shifts(axes: Axes) -> None:
    axes.set_xticks(SHIFT_TICKS, [f"{format_size(1 << s)}\n{s}" for s in SHIFT_TICKS], fontsize=7.5)
