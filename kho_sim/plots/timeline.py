"""The chain on its clock: the blackout of each handover, and how long every phase takes.

A phase may take 47 us or a week, so each is shown twice: on a linear axis from the jump until files
are restored, which is what virtual machines notice, and on a logarithmic one together with all
others. A log tells moments rather than phases; then the blackout is drawn as far as it is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kho_sim.errors import TraceError
from kho_sim.plots.sizes import label_log_times, label_times
from kho_sim.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PALE,
    PURPLE,
    SKY,
    VERMILION,
    YELLOW,
    boot_name,
    ending,
    house_style,
    new_figure,
    note,
    setting,
)
from kho_sim.trace.records import Boot, Event
from kho_sim.trace.trace import Trace
from kho_sim.units import format_ns

PHASES: dict[str, tuple[str, str]] = {
    "serve": (GREEN, "serve"),
    "preserve": (YELLOW, "preserve"),
    "load": (PURPLE, "load"),
    "jump": (BLACK, "jump"),
    "early_boot": (ORANGE, "early boot"),
    "extend": (VERMILION, "extend"),
    "retrieve": (BLUE, "retrieve"),
    "initcalls": (SKY, "initcalls"),
}
"""Phase -> its colour and its words."""

RESTORED = ("retrieve", "initcalls", "init")
"""After the last of these that a boot has, files are there again."""

OTHER_PHASE = (GREY, "other")
BLACKOUT = "blackout"


class Blackout(NamedTuple):
    """From the jump out of the previous kernel until this one's files are restored."""

    boot: int
    start_ns: int
    end_ns: int

    @property
    def duration_ns(self) -> int:
        return self.end_ns - self.start_ns


def blackouts(trace: Trace) -> list[Blackout]:
    """Return the blackout of each KHO boot that came so far, in order."""
    found = []
    for boot in trace.boot_records:
        jumps = [e for e in trace.event_records if e.boot == boot.boot - 1 and e.what == "jump"]
        restored = [
            e.end_ns for e in trace.event_records if e.boot == boot.boot and e.what in RESTORED
        ]
        if jumps and restored:
            found.append(Blackout(boot.boot, jumps[-1].start_ns, max(restored)))
    return found


@house_style
def timeline(trace: Trace) -> Figure:
    """Return the phases of each boot: its blackout, linear, and all durations, logarithmic.

    Raises: TraceError if nothing in the trace has a time.
    """
    timed = [event for event in trace.event_records if event.end_ns > event.start_ns]
    gaps = blackouts(trace)
    if not timed and not gaps:
        raise TraceError("this trace has no phase with a duration, and no handover")
    boots = trace.boot_records
    clock = "simulated" if trace.provenance.get("source") == "simulation" else "the log's"
    figure = new_figure(
        max(1.7 + 0.42 * len(boots), 3.6),
        f"The chain in {clock} time{ending(trace)}",
        setting(trace),
    )
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    _draw_blackouts(left, boots, gaps, trace.event_records)
    _draw_durations(right, timed, gaps)
    left.set_yticks(range(len(boots)), [_row_name(boot, trace) for boot in boots])
    left.set_ylim(len(boots) - 0.4, -0.6)
    return figure


def _row_name(boot: Boot, trace: Trace) -> str:
    times = [event.start_ns for event in trace.event_records if event.boot == boot.boot]
    began = f"\nat {format_ns(min(times))}" if times else ""
    return f"{boot_name(boot.boot, boot.kind)}{began}"


def _draw_blackouts(
    axes: Axes, boots: Sequence[Boot], gaps: list[Blackout], events: Sequence[Event]
) -> None:
    axes.set_title("Blackout: from the jump until files are restored (linear)")
    if not gaps:
        note(axes, "no handover was completed")
        return
    rows = {boot.boot: row for row, boot in enumerate(boots)}
    for gap in gaps:
        row = rows[gap.boot]
        axes.barh(row, gap.duration_ns, 0.5, color=PALE, gid=f"blackout-{gap.boot}")
        for event in events:
            inside = gap.start_ns <= event.start_ns and event.end_ns <= gap.end_ns
            if inside and event.end_ns > event.start_ns:
                colour, _ = PHASES.get(event.what, OTHER_PHASE)
                axes.barh(
                    row, event.end_ns - event.start_ns, 0.5, left=event.start_ns - gap.start_ns,
                    color=colour, edgecolor=colour, linewidth=0.8, gid=f"{event.what}-{gap.boot}",
                )  # fmt: skip
        axes.annotate(
            format_ns(gap.duration_ns), (gap.duration_ns, row), xytext=(5, 0),
            textcoords="offset points", va="center", fontweight="bold",
        )  # fmt: skip
    axes.set_xlim(0, 1.18 * max(gap.duration_ns for gap in gaps))
    axes.grid(axis="x")
    label_times(axes.xaxis)
    axes.set_xlabel("time since the jump")


def _draw_durations(axes: Axes, timed: list[Event], gaps: list[Blackout]) -> None:
    """A row a phase, a mark a boot, the range in words."""
    axes.set_title("How long each phase takes, a mark a boot (logarithmic)")
    taken = [(event.what, event.end_ns - event.start_ns) for event in timed]
    taken += [(BLACKOUT, gap.duration_ns) for gap in gaps if gap.duration_ns]
    found = {what for what, _ in taken}
    whats = [what for what in (*PHASES, BLACKOUT) if what in found]
    whats += sorted(found.difference(whats))
    axes.set_xscale("log")
    for row, what in enumerate(whats):
        durations = [duration for name, duration in taken if name == what]
        colour, _ = PHASES.get(what, OTHER_PHASE)
        axes.plot(
            durations, [row] * len(durations), linestyle="", marker="o", markersize=7, color=colour,
            markeredgecolor="white", markeredgewidth=0.6, gid=f"durations-{what}",
        )  # fmt: skip
        axes.annotate(
            _range_text(durations), (max(durations), row), xytext=(7, 0),
            textcoords="offset points", va="center", fontsize=8,
        )  # fmt: skip
    axes.set_yticks(range(len(whats)), [PHASES.get(what, ("", what))[1] for what in whats])
    axes.set_ylim(len(whats) - 0.4, -0.6)
    low, high = axes.get_xlim()
    axes.set_xlim(low / 2, high * (high / low) ** 0.35)
    axes.grid(axis="x")
    label_log_times(axes.xaxis)
    axes.set_xlabel("duration")


def _range_text(durations: list[int]) -> str:
    low, high = format_ns(min(durations)), format_ns(max(durations))
    return low if low == high else f"{low} to {high}"
