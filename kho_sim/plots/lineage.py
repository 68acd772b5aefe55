"""The lineage of a chain as a picture: time goes down, the twin stands beside.

Left out: addresses; the memory map has them.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from kho_sim.base.errors import TraceError
from kho_sim.base.units import counted, format_size
from kho_sim.plots.lineage_cells import AREAS, OTHERS, Cell, cells_of, columns_of
from kho_sim.plots.style import (
    BLACK,
    BLUE,
    DARK_ORANGE,
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
from kho_sim.trace.headline import Headline, headline
from kho_sim.trace.records import Boot
from kho_sim.trace.trace import Trace

if TYPE_CHECKING:
    import networkx as nx

KERNEL_WIDTH, OBJECT_WIDTH, BOX_HEIGHT = 1.7, 1.95, 0.5
OBJECTS_X, COLUMN = 3.0, 2.15
INDENT, MOST_INDENTS = 0.45, 3
ROW_INCHES, NARROW_ROW_INCHES, LONG_ROW_INCHES = 1.1, 0.82, 0.58
"""Height of a boot in a chain with incidents, whose words need room, in one without, and in a long
one without, whose labels are one line then: one session leaves the width for it."""
LONG_BOOTS = 12
LINE, MOST_INCIDENTS = 0.12, 3
END_LETTERS = 34
END_COLOURS = {"good": GREEN, "amber": DARK_ORANGE, "bad": VERMILION}
WIDEST_LINE = 14.0
"""Points that the most bytes that went on at once are drawn with."""


@house_style
def lineage(trace: Trace) -> Figure:
    """Return kernels, handovers, and what of their memory went on, was given up, or was lost.

    Raises: TraceError if the trace has no boot.
    """
    from kho_sim.graphs import lineage_graph

    if not trace[Boot]:
        raise TraceError("this trace has no boot")
    graph = lineage_graph(trace)
    boots = len(trace[Boot])
    rows = max(boots, len(trace.twin[Boot]) if trace.twin else 0)
    cells = cells_of(graph, "chain")
    incidents = any(_of_kind(graph, "incident"))
    dense = rows > LONG_BOOTS and not incidents and len(columns_of(cells)) < 2
    pitch = LONG_ROW_INCHES if dense else ROW_INCHES if incidents else NARROW_ROW_INCHES
    figure = new_figure(
        1.5 + pitch * rows, f"Lineage of the kernels{ending(trace)}", setting(trace)
    )
    axes = figure.add_subplot()
    axes.set_axis_off()
    left = OBJECTS_X + INDENT * _falls(graph, "chain")
    columns = {name: left + COLUMN * number for number, name in enumerate(columns_of(cells))}
    twin_x = left + COLUMN * len(columns) + KERNEL_WIDTH / 2
    most = max((size for cell in cells for size in cell.goes_on.values()), default=0)
    _draw_cells(axes, cells, columns, most, dense)
    _draw_spine(axes, graph, "chain", 0.0, headline(trace), dense)
    if trace.twin is not None:
        _draw_spine(axes, graph, "twin", twin_x, headline(trace.twin), dense)
    _write_heads(axes, columns, twin_x if trace.twin is not None else None)
    last = twin_x + KERNEL_WIDTH + INDENT * _falls(graph, "twin")
    axes.set_xlim(-KERNEL_WIDTH / 2 - 0.1, last if trace.twin else twin_x - KERNEL_WIDTH / 2)
    axes.set_ylim(rows + 0.1, -0.75)
    if most:
        words = (
            f"Green lines are as wide as the bytes that go on; the widest is {format_size(most)}."
        )
        words += " Pages are those of the tree." if dense else ""
        figure.text(0.012, 0.01, words, fontsize=8, color=GREY)
    return figure


def _of_kind(graph: nx.MultiDiGraph, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((name, data) for name, data in graph.nodes(data=True) if data["kind"] == kind)


def _nodes(graph: nx.MultiDiGraph, kind: str, chain: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the nodes of a chain: its branch, and what came of its fall-backs."""
    for name, data in _of_kind(graph, kind):
        if data["branch"] == chain or data["branch"].startswith(f"{chain}, "):
            yield name, data


def _falls(graph: nx.MultiDiGraph, chain: str) -> int:
    """Return how far a chain's kernels are indented at most: one step per fall-back."""
    branches = {data["branch"] for _, data in _nodes(graph, "kernel", chain)}
    return min(len(branches - {chain}), MOST_INDENTS)


def _x_of(data: dict[str, Any], x: float) -> float:
    _, _, number = data["branch"].partition("fall-back ")
    return x + INDENT * min(int(number or 0), MOST_INDENTS)


def _draw_spine(
    axes: Axes, graph: nx.MultiDiGraph, chain: str, x: float, said: Headline, dense: bool
) -> None:
    """Draw a chain's kernels from top to bottom, what each handed over, and its incidents."""
    for name, data in _nodes(graph, "kernel", chain):
        colour = VERMILION if _died(graph, name) else BLUE
        at = _x_of(data, x)
        _box(axes, at, data["boot"], KERNEL_WIDTH, _kernel_text(data), colour, f"kernel-{name}")
        for _, target, relation in graph.out_edges(name, keys=True):
            if relation == "falls back to":
                start, end = (at, data["boot"]), (_x_of(graph.nodes[target], x), data["boot"] + 1)
                _arrow(axes, start, end, VERMILION, f"fall-back-{name}", dashed=True)
                _label(axes, end[0] + 0.07, end[1] - 0.36, "cold boot, through firmware", VERMILION)
    for name, data in _nodes(graph, "handover", chain):
        _draw_handover(axes, graph, name, data, x, dense)
    line_counts = _write_incidents(axes, graph, chain, x)
    for _, data in _nodes(graph, "end", chain):
        at = _end_x(graph, chain, data["boot"], x)
        axes.text(
            at, data["boot"] + 0.3 + LINE * line_counts.get(data["boot"], 0), _end_text(said),
            fontsize=7.5, ha="center", va="top",
            fontweight="bold", color=END_COLOURS[said.colour],
        )  # fmt: skip


def _died(graph: nx.MultiDiGraph, kernel: str) -> bool:
    """Tell whether a cold boot follows a kernel, or an end that it did not live to see."""
    return any(
        relation == "falls back to"
        or graph.nodes[target].get("outcome") in ("boot_failed", "panicked")
        for _, target, relation in graph.out_edges(kernel, keys=True)
    )


def _draw_handover(
    axes: Axes, graph: nx.MultiDiGraph, name: str, data: dict[str, Any], x: float, dense: bool
) -> None:
    source, target = (
        next(iter(graph.predecessors(name))),
        f"{data['branch']}: kernel {data['boot']}",
    )
    above = data["boot"] - 1
    at = _x_of(graph.nodes[target], x)
    joins = not graph.nodes[source]["branch"].startswith(data["branch"])
    if joins:
        axes.plot([KERNEL_WIDTH / 2, x], [above, above], color=GREY, linestyle=":", gid="branch")
    missed = any(key == "missed by" for *_, key in graph.out_edges(name, keys=True))
    colour = VERMILION if missed else GREY
    _arrow(axes, (at, above), (at, data["boot"]), colour, f"arrow-{name}", dashed=joins)
    text = "handed over, not found" if missed else _handover_text(data, dense)
    _label(axes, at + 0.07, data["boot"] - (0.5 if dense else 0.42), text, colour)


def _write_incidents(axes: Axes, graph: nx.MultiDiGraph, chain: str, x: float) -> dict[int, int]:
    """Write the incidents of each kernel below it; return the number of their lines, by boot."""
    texts_by_boot: dict[int, list[str]] = {}
    for _, data in _nodes(graph, "incident", chain):
        fault = "fault " if data["injected"] else ""
        then = "" if data["then"] in ("goes on", "chain ends", "cold boot") else f", {data['then']}"
        texts_by_boot.setdefault(data["boot"], []).append(f"\u2715 {fault}{data['incident']}{then}")
    places = {data["boot"]: _x_of(data, x) for _, data in _nodes(graph, "kernel", chain)}
    for boot, texts in texts_by_boot.items():
        at = places.get(boot, x) - KERNEL_WIDTH / 2
        if len(texts) > MOST_INCIDENTS:
            texts[MOST_INCIDENTS - 1 :] = [f"and {len(texts) - MOST_INCIDENTS + 1} more"]
        for line, text in enumerate(texts):
            _label(axes, at, boot + 0.34 + LINE * line, text, VERMILION)
    return {boot: len(texts) for boot, texts in texts_by_boot.items()}


def _end_x(graph: nx.MultiDiGraph, chain: str, boot: int, x: float) -> float:
    kernels = (data for _, data in _nodes(graph, "kernel", chain) if data["boot"] == boot)
    return next((_x_of(data, x) for data in kernels), x)


def _draw_cells(
    axes: Axes, cells: list[Cell], columns: dict[str, float], most: int, dense: bool
) -> None:
    """Draw what handovers hold; lines are as wide as the bytes that go on, ``most`` the widest."""
    for cell in cells:
        x, y = columns[cell.column], cell.boot - 0.5 if cell.handed else cell.boot + 0.5
        edge = VERMILION if "lost" in cell.ends else BLACK
        fill = PALE if cell.handed else "white"
        _box(axes, x, y, OBJECT_WIDTH, cell.text, edge, f"object-{cell.boot}-{cell.column}", fill)
        for column, size_bytes in cell.goes_on.items():
            end = columns[column], y + 1
            _flow(axes, (x, y), end, size_bytes / max(most, 1), format_size(size_bytes))
        for line, (relation, amount) in enumerate(cell.ends.items()):
            if relation != "kept by":
                colour = GREY if relation == "given up" else VERMILION
                gap = " " if dense else "\n"
                text = f"{_file_outcome(cell, relation)}:{gap}{amount}"
                place = x - OBJECT_WIDTH / 2, y + (0.5 if dense else 0.45) + 0.3 * line
                axes.text(*place, text, fontsize=7, color=colour, va="center")


def _file_outcome(cell: Cell, relation: str) -> str:
    if not cell.handed:
        return "lost, never handed on"
    return "closed" if relation == "given up" and not cell.column.startswith("order ") else relation


def _arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, gid: str,
    dashed: bool = False,
) -> None:  # fmt: skip
    """Draw an arrow from one box to the top of another, which lies straight or aslant below."""
    style = {"arrowstyle": "-|>", "color": colour, "linestyle": ":" if dashed else "-"}
    target = end[0], end[1] - BOX_HEIGHT / 2
    axes.annotate("", target, start, gid=gid, zorder=0, arrowprops=style)


def _label(axes: Axes, x: float, y: float, text: str, colour: str) -> None:
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
    axes.text(x, y, text, fontsize=7, color=colour, va="center", bbox=box)


def _flow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], share: float, text: str
) -> None:
    top, bottom = start[1] + BOX_HEIGHT / 2, end[1] - BOX_HEIGHT / 2
    axes.plot(
        [start[0], end[0]], [top, bottom], color=GREEN, alpha=0.55, zorder=0,
        linewidth=max(WIDEST_LINE * share, 0.8), solid_capstyle="butt", gid="flow",
    )  # fmt: skip
    if start[0] == end[0]:
        axes.text(start[0] + 0.2, (top + bottom) / 2, text, fontsize=7, color=GREEN, va="center")


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
    axes.text(x, y, text, ha="center", va="center", fontsize=7, linespacing=1.15)


def _kernel_text(data: dict[str, Any]) -> str:
    name = boot_name(data["boot"], data["boot_kind"])
    if data.get("failures") is not None:
        name += f", {data['failures']} failed"
    if data.get("extended_bytes") is None:
        return name
    return f"{name}\nextends {format_size(data['extended_bytes'])}"


def _handover_text(data: dict[str, Any], dense: bool) -> str:
    if "preservations" not in data:
        return "handover"
    keys, pages = counted(data["preservations"], "key"), counted(data["radix_nodes"], "page")
    return f"{keys}, {pages}" if dense else f"{keys},\ntree of {pages}"


def _end_text(said: Headline) -> str:
    # A number stays with its unit.
    verdict = re.sub(r"(?<=\d) (?=\w?i?B\b)", "\N{NO-BREAK SPACE}", said.verdict)
    words = [verdict, *([said.message] if said.message else [])]
    return "\n".join(line for text in words for line in textwrap.wrap(text, END_LETTERS))


def _write_heads(axes: Axes, columns: dict[str, float], twin_x: float | None) -> None:
    heads = {0.0: "kernels"}
    for name, x in columns.items():
        known = name.startswith("order ") or name in (OTHERS, AREAS)
        heads[x] = f"preserved, {name}" if known else f'session "{name}"'
    if twin_x is not None:
        heads[twin_x] = "twin without the extension"
    for x, head in heads.items():
        axes.text(x, -0.55, head, ha="center", fontweight="bold", fontsize=8.5)
