"""Where the time of an update goes: its phases one below the other, each from when it began.

Of a chain the longest blackout is taken apart, from the pause of virtual machines until they run
again; below it are the blackouts of all updates. Thin lines are what low and high rates give. A
chain without an update has the boot of its last kernel instead.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kho_sim.base.errors import TraceError
from kho_sim.base.units import format_ns
from kho_sim.plots.sizes import label_times
from kho_sim.plots.style import (
    BLACK,
    GREY,
    PALE,
    VERMILION,
    boot_name,
    ending,
    house_style,
    new_figure,
    rows_height,
    rows_named,
    setting,
)
from kho_sim.plots.timeline import OTHER_PHASE, PHASES
from kho_sim.trace.blackout import blackout_parts
from kho_sim.trace.records import Boot, Event, PhaseTime
from kho_sim.trace.trace import Trace

LEAST_INCHES = 0.2


@house_style
def waterfall(trace: Trace) -> Figure:
    """Return the phases of the longest blackout, and the blackouts of the chain.

    Raises: TraceError if the trace has no times of phases, as that of a log.
    """
    if not trace[PhaseTime]:
        raise TraceError("this trace has no times of phases: only a simulation has")
    ended = [boot for boot in trace[Boot] if blackout_parts(trace, boot)]
    longest = max(ended, key=lambda boot: boot.blackout_ns or 0, default=None)
    last = trace[PhaseTime][-1].boot
    rows = blackout_parts(trace, longest) if longest else list(trace[PhaseTime].where(boot=last))
    heights = [
        rows_height(len(rows), 0.26, LEAST_INCHES),
        rows_height(len(ended), 0.3, LEAST_INCHES) if len(ended) > 1 else 0,
    ]
    figure = new_figure(
        1.7 + sum(heights) + 0.7 * bool(heights[1]),
        f"Where the time of an update goes{ending(trace)}",
        setting(trace),
    )
    grid = figure.subplots(
        1 + bool(heights[1]), 1, height_ratios=[one for one in heights if one], squeeze=False
    )
    upper = grid[0, 0]
    upper.set_title(_title(longest, last))
    _draw_phases(upper, trace, rows)
    if heights[1]:
        _draw_blackouts(grid[1, 0], ended)
    return figure


def _title(longest: Boot | None, last: int) -> str:
    if longest is None or longest.blackout_ns is None:
        return f"Kernel of boot {last} (no update came to its end)"
    low, high = map(format_ns, longest.blackout_range_ns or (longest.blackout_ns,) * 2)
    blackout = format_ns(longest.blackout_ns)
    return f"Blackout before boot {longest.boot}: {blackout}, {low} to {high}"


def _draw_phases(axes: Axes, trace: Trace, rows: Sequence[PhaseTime]) -> None:
    events = {(event.boot, event.what): event for event in trace[Event]}
    # A phase of no time at all did not take place, as the extension of a kernel without one.
    timed = [(row, events.get((row.boot, row.phase))) for row in rows if row.high_ns]
    found = sorted(((row, event) for row, event in timed if event), key=lambda one: one[1].start_ns)
    if not found:
        raise TraceError("this trace has no phases on its clock")
    begin = min(event.start_ns for _, event in found)
    right = max(event.end_ns for _, event in found) - begin
    for place, (row, event) in enumerate(found):
        colour, _ = PHASES.get(row.phase, OTHER_PHASE)
        left = event.start_ns - begin
        axes.barh(
            place, row.duration_ns, 0.62, left=left, color=colour, gid=f"waterfall-{row.phase}"
        )
        axes.plot((left + row.low_ns, left + row.high_ns), (place, place), color=GREY, linewidth=1)
        text = f"{format_ns(row.duration_ns)}, {row.standing}"
        colour = VERMILION if row.standing == "assumed" else BLACK
        axes.annotate(
            text, (left + max(row.high_ns, row.duration_ns), place), xytext=(5, 0),
            textcoords="offset points", va="center", fontsize=8, color=colour,
        )  # fmt: skip
        right = max(right, left + row.high_ns)
    axes.set_yticks(range(len(found)), [PHASES.get(r.phase, ("", r.phase))[1] for r, _ in found])
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.set_xlim(0, 1.28 * right)
    axes.grid(axis="x")
    label_times(axes.xaxis)
    axes.set_xlabel("time since the pause of virtual machines; lines: low to high rates")


def _draw_blackouts(axes: Axes, ended: Sequence[Boot]) -> None:
    axes.set_title("Blackouts of all updates")
    for place, boot in enumerate(ended):
        low, high = boot.blackout_range_ns or (boot.blackout_ns or 0,) * 2
        axes.barh(place, boot.blackout_ns or 0, 0.62, color=PALE, gid=f"blackout-{boot.boot}")
        axes.plot((low, high), (place, place), color=GREY, linewidth=1)
    named = rows_named(len(ended), LEAST_INCHES)
    axes.set_yticks(list(named), [boot_name(ended[row].boot, ended[row].kind) for row in named])
    axes.set_ylim(len(ended) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.grid(axis="x")
    label_times(axes.xaxis)
    axes.set_xlabel("blackout; lines: low to high rates")
