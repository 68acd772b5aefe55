"""The second study's figure: what extension and retrieval cost together, way by way.

``rows`` is what ``studies.retrieval.tables.study_table`` returns.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator

from kho_sim.base.units import format_size
from kho_sim.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    house_style,
    new_figure,
)
from studies.retrieval.tables import PLAIN, WAYS

STYLES = {
    ("blocks", "per-key"): ("o", BLACK, "Linux + patch"),
    ("blocks-skip", "per-key"): ("s", ORANGE, "blocks-skip, per-key"),
    ("blocks", "one-call"): ("^", SKY, "blocks, one-call"),
    ("reserve-early", "two-pass"): ("v", PURPLE, "reserve-early, two-pass"),
    ("blocks", "collect-runs"): ("D", BLUE, "blocks, collect-runs"),
    ("reserve-early", "two-pass-runs"): ("P", VERMILION, "reserve-early, two-pass-runs"),
    ("blocks-skip", "collect-runs"): ("s", GREEN, "blocks-skip, collect-runs"),
    ("blocks-skip", "parallel"): ("x", GREY, "blocks-skip, parallel"),
}
"""Marker, colour and label of a way, in the order of the legend: that of their lines, top-down."""
SHIFT = 30
COLUMNS = 4


@house_style
def cost(rows: pd.DataFrame) -> Figure:
    """Return instructions over memory for each workload and way, on x86_64 with 4 KiB pages."""
    platform, page_bytes = PLAIN
    is_plain = (rows["platform"] == platform) & (rows["page_bytes"] == page_bytes)
    plain = rows[is_plain & (rows["shift"] == SHIFT) & (rows["panic"] == "")]
    workloads = list(dict.fromkeys(plain["workload"]))
    machines = sorted(map(int, plain["memory_bytes"].unique()))
    height = -(-(len(workloads) + 1) // COLUMNS)
    figure = new_figure(
        1.2 + 2.7 * height,
        "What extension and retrieval cost together",
        f"instructions of the last boot, by fitted rates; {platform}, pages of "
        f"{format_size(page_bytes)}, blocks of 1 GiB; all ways on the same inherited memory",
    )
    grid = figure.subplots(height, COLUMNS, sharex=True, sharey=True, squeeze=False)
    every = list(grid.flat)
    for number, (axes, workload) in enumerate(zip(every, workloads, strict=False)):
        _draw(axes, plain[plain["workload"] == workload], workload)
        _label(axes, machines)
        axes.tick_params(labelbottom=number + COLUMNS >= len(workloads))
        if number % COLUMNS == 0:
            axes.set_ylabel("instructions (M: million)")
        if number + COLUMNS >= len(workloads):
            axes.set_xlabel("memory")
    for axes in every[len(workloads) :]:
        axes.set_axis_off()
    handles, labels = every[0].get_legend_handles_labels()
    every[-1].legend(handles, labels, loc="center", frameon=False, fontsize=8)
    return figure


def _draw(axes: Axes, case: pd.DataFrame, workload: str) -> None:
    axes.set_title(workload)
    for (strategy, retrieval), (marker, colour, label) in STYLES.items():
        way = case[(case["strategy"] == strategy) & (case["retrieval"] == retrieval)]
        way = way.sort_values("memory_bytes")
        # Linux's line is wide and pale below the others, which often lie on it
        is_linux = (strategy, retrieval) == WAYS[0]
        axes.plot(
            way["memory_bytes"],
            way["instructions"].astype(float),
            color=colour,
            marker=marker,
            markersize=6 if is_linux else 4,
            linewidth=4 if is_linux else 1.2,
            alpha=0.45 if is_linux else 1,
            label=label,
        )


def _label(axes: Axes, machines: list[int]) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(machines[::2], list(map(format_size, machines[::2])), fontsize=7.5)
    axes.yaxis.set_major_locator(LogLocator(base=100, numticks=12))
    axes.yaxis.set_major_formatter(EngFormatter())
    axes.minorticks_off()
    axes.grid(axis="y")
