"""The radix tree that a boot inherited: its levels, and how full each leaf is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from kho_sim.base.errors import TraceError
from kho_sim.base.units import counted
from kho_sim.plots.style import GREY, SERIES, house_style, new_figure, setting
from kho_sim.trace.records import TablePage
from kho_sim.trace.trace import Trace

if TYPE_CHECKING:
    import networkx as nx


LEAST_LEAVES = 12
"""A tree with fewer is drawn as narrow as one with so many."""
LEAVES_COUNTED, LEAVES_APART = 30, 120
"""Up to so many leaves have their number of keys above them, or a gap between them."""
ON_LINE = {"facecolor": "white", "alpha": 0.85, "pad": 0.5, "linewidth": 0}
"""A ground for numbers, as the line of a full leaf may pass through them."""


@house_style
def tree(trace: Trace, boot: int | None = None) -> Figure:
    """Return the incoming radix tree of a boot, by default of the last one that has a tree.

    Raises: TraceError if there is none.
    """
    from kho_sim.graphs import tree_graph

    boots = sorted({row.boot for row in trace[TablePage]})
    if boot is None and not boots:
        raise TraceError("this trace has no radix tree")
    number = boots[-1] if boot is None else boot
    graph = tree_graph(trace, number)
    keys = sum(data["keys"] for _, data in graph.nodes(data=True) if data["level"] == 0)
    size = f"{counted(keys, 'key')} in {counted(len(graph), 'page')}"
    title = f"The radix tree that boot {number} inherited: {size}"
    figure = new_figure(6.2, title, setting(trace))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1.5, 1))
    places = _places(graph)
    _draw_tables(upper, graph, places)
    _draw_leaves(lower, graph, places)
    return figure


def _places(graph: nx.DiGraph) -> dict[str, float]:
    """x of each table: leaves side by side as their keys are, others above the middle of theirs."""
    places: dict[str, float] = {}
    leaves = sorted(_level(graph, 0), key=lambda name: int(graph.nodes[name]["prefix"], 16))
    places.update((name, float(number)) for number, name in enumerate(leaves))
    for level in range(1, graph.graph["root_level"] + 1):
        for name in _level(graph, level):
            below = [places[child] for child in graph.successors(name)]
            places[name] = sum(below) / len(below) if below else 0.0
    return places


def _level(graph: nx.DiGraph, level: int) -> list[str]:
    return [name for name, data in graph.nodes(data=True) if data["level"] == level]


def _draw_tables(axes: Axes, graph: nx.DiGraph, places: dict[str, float]) -> None:
    levels = {name: graph.nodes[name]["level"] for name in graph}
    lines = [
        [(places[above], levels[above]), (places[below], levels[below])]
        for above, below in graph.edges
    ]
    axes.add_collection(LineCollection(lines, colors=GREY, linewidths=0.6, gid="slots", zorder=1))
    root_level = graph.graph["root_level"]
    for level in range(root_level + 1):
        names = _level(graph, level)
        size = max(3.0, min(9.0, 600 / max(len(names), 1)))
        axes.plot(
            [places[name] for name in names], [level] * len(names), linestyle="", marker="s",
            markersize=size, color=SERIES[0], gid=f"level-{level}", zorder=2,
        )  # fmt: skip
    counts = [len(_level(graph, level)) for level in range(root_level + 1)]
    words = {0: "leaves", root_level: "root"}
    axes.set_yticks(
        range(root_level + 1),
        [
            f"level {level}{f' ({words[level]})' if level in words else ''}: {count}"
            for level, count in enumerate(counts)
        ],
    )
    axes.set_ylim(-0.4, root_level + 0.4)
    axes.set_ylabel("level: pages")
    axes.set_title("table pages; a line is a slot in use")
    axes.tick_params(axis="x", length=0, labelbottom=False)
    axes.spines["bottom"].set_visible(False)


def _draw_leaves(axes: Axes, graph: nx.DiGraph, places: dict[str, float]) -> None:
    leaves = _level(graph, 0)
    most = graph.graph["leaf_keys"]
    orders = sorted({graph.nodes[name]["order"] for name in leaves if "order" in graph.nodes[name]})
    width = 0.8 if len(leaves) <= LEAVES_APART else 1.0
    for number, order in enumerate(orders):
        own = [name for name in leaves if graph.nodes[name].get("order") == order]
        axes.bar(
            [places[name] for name in own], [graph.nodes[name]["keys"] for name in own], width,
            color=SERIES[number % len(SERIES)], label=f"order {order}, leaves: {len(own)}",
            gid=f"order-{order}",
        )  # fmt: skip
    axes.axhline(most, color=GREY, linewidth=0.8, linestyle="--")
    axes.set_yscale("symlog", linthresh=1)
    axes.set_ylim(0, most * 3)
    counts = [0, 1, 10, 100, 1000, 10000, most]
    axes.set_yticks(counts, [f"{count:,}" for count in counts])
    axes.minorticks_off()
    axes.set_ylabel("keys (count, logarithmic)")
    axes.set_xlabel("leaves in the order of their keys; the dashed line is a full leaf")
    around = max(0.7, 0.02 * len(leaves), (LEAST_LEAVES - len(leaves)) / 2)
    axes.set_xlim(-around, len(leaves) - 1 + around)
    axes.set_xticks([])
    axes.grid(axis="y")
    if len(leaves) <= LEAVES_COUNTED:
        for name in leaves:
            keys = graph.nodes[name]["keys"]
            axes.annotate(
                f"{keys:,}", (places[name], keys), xytext=(0, 2), textcoords="offset points",
                ha="center", fontsize=7.5, bbox=ON_LINE,
            )  # fmt: skip
    if orders:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(orders), borderaxespad=0)
