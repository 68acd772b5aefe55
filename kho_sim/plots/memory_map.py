"""The physical memory map over the chain: one row per boot, addresses along x.

Each row has three lanes: what the memory is to early boot, what the kernel inherited, and where its
early allocations went. Left out: what the running kernel does later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from kho_sim.base.errors import TraceError
from kho_sim.base.extent import Extent, intersected, total_size
from kho_sim.base.units import format_size
from kho_sim.plots.address_axis import LEAST_WIDTH, AddressAxis, bars
from kho_sim.plots.memory_facts import BootMemory, machine_memory, memory_of_boots, nodes_of
from kho_sim.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    PALE,
    SKY,
    VERMILION,
    boot_name,
    ending,
    house_style,
    new_figure,
    rows_height,
    rows_named,
    setting,
)
from kho_sim.trace.trace import Trace

KEPT_OFF = "#8C8C8C"

LOOK: dict[str, tuple[str, str]] = {
    "free": (PALE, "cold boot: any memory"),
    "kept_off": (KEPT_OFF, "KHO boot: kept off"),
    "extended": (SKY, "KHO boot: extended"),
    "scratch": (BLUE, "original scratch"),
    "inherited": (VERMILION, "inherited, preserved"),
    "gigantic": (GREEN, "gigantic pages"),
    "early": (BLACK, "other early allocations"),
}
"""Kind of mark -> its colour and its words in the key; drawn in this order."""

LANES = {"memory": (0.50, 0.40), "inherited": (0.29, 0.16), "early": (0.08, 0.16)}
"""Lane -> bottom and height in a row of height 1."""

LANE_OF = {"inherited": "inherited", "gigantic": "early", "early": "early"}
COLUMN_POINTS = 56
ROW_LEAST_INCHES = 0.36
LANES_NAMED_MAX = 6
"""With more rows than this the key names the lanes, for which the rows are too low."""

UNKNOWN = "-"

Column = Callable[[BootMemory], str]


@house_style
def memory_map(trace: Trace, window: tuple[int, int] | None = None) -> Figure:
    """Return the physical memory of each boot: what early boot may use, what it inherited, what it
    took.

    ``window`` shows only the addresses [start, end). Marks narrower than a fixed width are drawn
    that wide; the figure names that width.
    Raises: TraceError if the trace has no memblock regions, or none in the window.
    """
    memory = machine_memory(trace)
    if window is not None:
        memory = intersected(memory, [window])
        if not memory:
            raise TraceError(f"there is no memory in {window[0]:#x}-{window[1]:#x}")
    axis = AddressAxis.over(memory)
    boots = memory_of_boots(trace)
    height = 2.1 + rows_height(len(boots), 0.72, ROW_LEAST_INCHES)
    figure = new_figure(height, f"Physical memory over the chain{ending(trace)}", setting(trace))
    axes = figure.add_subplot()
    axis.decorate(axes)
    axes.set_ylim(len(boots), 0)
    for row, facts in enumerate(boots):
        _draw_row(axes, axis, memory, row, facts)
    _name_rows(axes, boots)
    _draw_nodes(axes, axis, nodes_of(trace))
    _write_columns(axes, boots)
    _draw_key(figure, axis, boots)
    return figure


def _draw_row(
    axes: Axes, axis: AddressAxis, memory: list[Extent], row: int, facts: BootMemory
) -> None:
    if row:
        axes.axhline(row, color="#D0D0D0", linewidth=0.6)
    if not facts.known:
        axes.text(0.01, row + 0.72, "regions not recorded", color=GREY, va="center", fontsize=8)
    for mark, (colour, _) in LOOK.items():
        bottom, height = LANES[LANE_OF.get(mark, "memory")]
        # y grows downwards: a lane's bottom is measured from the lower edge of its row.
        top = row + 1 - bottom - height
        extents = intersected(getattr(facts, mark), memory)
        least = 0.0 if mark in ("free", "extended") else LEAST_WIDTH
        spans = axis.spans(extents, least)
        bars(axes, spans, top, height, f"{mark}-{facts.boot.boot}", colour)


def _name_rows(axes: Axes, boots: list[BootMemory]) -> None:
    names, places = [], []
    for row in range(len(boots) if len(boots) <= LANES_NAMED_MAX else 0):
        for lane, (bottom, height) in LANES.items():
            names.append(lane)
            places.append(row + 1 - bottom - height / 2)
    axes.set_yticks(places, names, fontsize=7)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    for row in rows_named(len(boots), ROW_LEAST_INCHES):
        facts = boots[row]
        axes.annotate(
            boot_name(facts.boot.boot, facts.boot.kind),
            (0, row + 0.5),
            xycoords=("axes fraction", "data"),
            xytext=(-50, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontweight="bold",
            gid="row",
        )


def _draw_nodes(axes: Axes, axis: AddressAxis, nodes: dict[int, list[Extent]]) -> None:
    """Name the nodes above the plot, and draw a line between two of them."""
    if len(nodes) < 2:
        return
    for number, (nid, extents) in enumerate(nodes.items()):
        for extent in extents:
            left, right = axis.x([extent.start, extent.end])
            axes.plot(
                [left, right],
                [1.015, 1.015],
                transform=axes.get_xaxis_transform(),
                color=GREY if number % 2 else BLACK,
                linewidth=3,
                solid_capstyle="butt",
                clip_on=False,
                gid=f"node-{nid}",
            )
        widest = max(extents, key=lambda extent: extent.size)
        middle = sum(axis.x([widest.start, widest.end])) / 2
        axes.annotate(
            f"node {nid}",
            (middle, 1.02),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=8.5,
        )
    for nid in list(nodes)[1:]:
        axes.axvline(float(axis.x(nodes[nid][0].start)), color=BLACK, linewidth=0.8, linestyle=":")


def _write_columns(axes: Axes, boots: list[BootMemory]) -> None:
    """Numbers right of the rows, so that nobody has to measure bars."""
    for number, (head, value) in enumerate(COLUMNS.items()):
        named = rows_named(len(boots), ROW_LEAST_INCHES)
        texts = [(0.0, head), *((row + 0.5, value(boots[row])) for row in named)]
        for y, text in texts:
            axes.annotate(
                text,
                (1, y),
                xycoords=("axes fraction", "data"),
                xytext=(COLUMN_POINTS * (number + 1), 0 if y else 4),
                textcoords="offset points",
                ha="right",
                va="center" if y else "bottom",
                fontsize=8,
                color=BLACK if y else GREY,
                annotation_clip=False,
            )


def _size(extents: Iterable[tuple[int, int]], known: bool = True) -> str:
    return format_size(total_size(extents)) if known else UNKNOWN


def _count(number: int | None) -> str:
    return UNKNOWN if number is None else f"{number:,}"


def _inherited(facts: BootMemory) -> bool:
    """Tell whether the trace records what a KHO boot inherited and may allocate from."""
    return facts.known and facts.boot.kind != "cold"


COLUMNS: dict[str, Column] = {
    "original\nscratch": lambda facts: _size(facts.scratch, facts.boot.scratch_areas is not None),
    "extended": lambda facts: _size(facts.extended, _inherited(facts)),
    "kept off": lambda facts: _size(facts.kept_off, _inherited(facts)),
    "inherited": lambda facts: _size(facts.inherited, bool(facts.inherited)),
    "early\nfailures": lambda facts: _count(facts.boot.failures),
}
"""Heads and values of the columns right of the map."""


def _draw_key(figure: Figure, axis: AddressAxis, boots: list[BootMemory]) -> None:
    used = [mark for mark in LOOK if any(getattr(facts, mark) for facts in boots)]
    handles = [Patch(facecolor=LOOK[mark][0], label=LOOK[mark][1]) for mark in used]
    least = round(LEAST_WIDTH * axis.bytes_per_x)
    unit = 1 << (least.bit_length() - 1) // 10 * 10
    least_text = format_size(round(least / unit) * unit)
    lanes = f" Lanes of a row: {', '.join(LANES)}." if len(boots) > LANES_NAMED_MAX else ""
    holes = " Strokes on the axis: holes, cut short." if len(axis.pieces) > 1 else ""
    figure.legend(
        handles=handles,
        loc="outside lower left",
        ncols=len(handles),
        columnspacing=1.3,
        handlelength=1.2,
        title=f"Marks of less than {least_text} are drawn that wide.{lanes}{holes}",
        title_fontsize=8,
        alignment="left",
    )
