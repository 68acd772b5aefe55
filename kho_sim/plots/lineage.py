"""The lineage of a chain as a picture: time goes down, the twin stands beside.

Left out: addresses; the memory map has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from kho_sim.errors import TraceError
from kho_sim.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    PALE,
    VERMILION,
    boot_name,
    ending,
    house_style,
    new_figure,
    setting,
)
from kho_sim.trace.trace import Trace
from kho_sim.units import format_size

if TYPE_CHECKING:
    import networkx as nx

KERNEL_WIDTH, OBJECT_WIDTH, BOX_HEIGHT = 1.7, 1.9, 0.44
OBJECTS_X, COLUMN = 3.0, 2.15
WIDEST_LINE = 9.0


@house_style
def lineage(trace: Trace) -> Figure:
    """Return kernels, handovers, and what of their memory went on, was given up, or was lost.

    Raises: TraceError if the trace has no boot.
    """
    from kho_sim.lineages import lineage as lineage_graph

    if not trace.boot_records:
        raise TraceError("this trace has no boot")
    graph = lineage_graph(trace)
    boots = len(trace.boot_records)
    figure = new_figure(1.5 + 0.95 * boots, f"Who came from whom{ending(trace)}", setting(trace))
    axes = figure.add_subplot()
    axes.set_axis_off()
    orders = sorted({data["order"] for _, data in _nodes(graph, "object", "chain")})
    columns = {order: OBJECTS_X + COLUMN * number for number, order in enumerate(orders)}
    twin_x = OBJECTS_X + COLUMN * len(orders) + KERNEL_WIDTH / 2
    _draw_objects(axes, graph, columns)
    _draw_spine(axes, graph, "chain", 0.0)
    if trace.twin is not None:
        _draw_spine(axes, graph, "twin", twin_x)
    _write_heads(axes, columns, twin_x if trace.twin is not None else None)
    axes.set_xlim(-KERNEL_WIDTH / 2 - 0.1, twin_x + KERNEL_WIDTH)
    axes.set_ylim(boots - 0.1, -0.75)
    return figure


def _nodes(graph: nx.MultiDiGraph, kind: str, branch: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, data in graph.nodes(data=True):
        if data["kind"] == kind and data["branch"] == branch:
            yield name, data


def _draw_spine(axes: Axes, graph: nx.MultiDiGraph, branch: str, x: float) -> None:
    """Draw a branch's kernels from top to bottom, an arrow with its facts for each handover."""
    for name, data in _nodes(graph, "kernel", branch):
        died = any(
            graph.nodes[end].get("outcome") == "boot_failed" for end in graph.successors(name)
        )
        colour = VERMILION if died else BLUE
        _box(axes, x, data["boot"], KERNEL_WIDTH, _kernel_text(data), colour, f"kernel-{name}")
    for name, data in _nodes(graph, "handover", branch):
        source = next(iter(graph.predecessors(name)))
        joins = graph.nodes[source]["branch"] != branch
        above = data["boot"] - 1
        if joins:
            axes.plot(
                [KERNEL_WIDTH / 2, x], [above, above], color=GREY, linestyle=":", gid="branch"
            )
        axes.annotate(
            "", (x, data["boot"] - BOX_HEIGHT / 2), (x, above), gid=f"arrow-{name}", zorder=0,
            arrowprops={"arrowstyle": "-|>", "color": GREY, "linestyle": ":" if joins else "-"},
        )  # fmt: skip
        axes.text(
            x + 0.07, data["boot"] - 0.5, _handover_text(data), fontsize=7, color=GREY, va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )  # fmt: skip
    for _, data in _nodes(graph, "end", branch):
        good = data["outcome"] == "completed"
        axes.text(
            x, data["boot"] + 0.3, _end_text(data), fontsize=7.5, ha="center", va="top",
            fontweight="bold", color=GREEN if good else VERMILION,
        )  # fmt: skip


def _draw_objects(axes: Axes, graph: nx.MultiDiGraph, columns: dict[int, float]) -> None:
    """Draw what handovers hold, an order a column; lines are as wide as the share that goes on."""
    for name, data in _nodes(graph, "object", "chain"):
        x, y = columns[data["order"]], data["boot"] - 0.5
        text = _object_text(data)
        _box(axes, x, y, OBJECT_WIDTH, text, BLACK, f"object-{name}", PALE)
        for _, target, edge in graph.out_edges(name, data=True):
            if edge["relation"] == "goes on":
                end = columns[graph.nodes[target]["order"]], y + 1
                _flow(axes, (x, y), end, edge["bytes"] / data["bytes"], format_size(edge["bytes"]))
            else:
                fate = f"{edge['relation']}:\n{format_size(edge['bytes'])}"
                left = x - OBJECT_WIDTH / 2
                axes.text(left, y + 0.5, fate, fontsize=7, color=VERMILION, va="center")


def _flow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], share: float, text: str
) -> None:
    top, bottom = start[1] + BOX_HEIGHT / 2, end[1] - BOX_HEIGHT / 2
    axes.plot(
        [start[0], end[0]], [top, bottom], color=GREEN, alpha=0.55, zorder=0,
        linewidth=max(WIDEST_LINE * share, 0.8), solid_capstyle="butt", gid="flow",
    )  # fmt: skip
    if start[0] == end[0]:
        axes.text(start[0] + 0.12, (top + bottom) / 2, text, fontsize=7, color=GREEN, va="center")


def _box(
    axes: Axes, x: float, y: float, width: float, text: str, colour: str, gid: str, fill: str = ""
) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - BOX_HEIGHT / 2),
            width,
            BOX_HEIGHT,
            facecolor=fill or "white",
            boxstyle="round,pad=0,rounding_size=0.06",
            edgecolor=colour,
            linewidth=1.1,
            gid=gid,
        )
    )
    axes.text(x, y, text, ha="center", va="center", fontsize=7.5, linespacing=1.15)


def _kernel_text(data: dict[str, Any]) -> str:
    told = []
    if data.get("extended_bytes") is not None:
        told.append(f"extends {format_size(data['extended_bytes'])}")
    if data.get("failures") is not None:
        told.append(f"{data['failures']} failed")
    return "\n".join([boot_name(data["boot"], data["boot_kind"]), ", ".join(told)]).rstrip()


def _object_text(data: dict[str, Any]) -> str:
    runs = "1 run" if data["runs"] == 1 else f"{data['runs']:,} runs"
    return f"{data['keys']:,} keys, {format_size(data['bytes'])}\nin {runs}"


def _handover_text(data: dict[str, Any]) -> str:
    if "preservations" not in data:
        return "handover"
    return f"{data['preservations']:,} keys, tree of {data['radix_nodes']} pages"


def _end_text(data: dict[str, Any]) -> str:
    message = f"\n{data['message']}" if data["message"] else ""
    return f"{data['outcome']}{message}"


def _write_heads(axes: Axes, columns: dict[int, float], twin_x: float | None) -> None:
    heads = {0.0: "kernels", **{x: f"preserved, order {order}" for order, x in columns.items()}}
    if twin_x is not None:
        heads[twin_x] = "twin without the extension"
    for x, head in heads.items():
        axes.text(x, -0.55, head, ha="center", fontweight="bold", fontsize=8.5)
