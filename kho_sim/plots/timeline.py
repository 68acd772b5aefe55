"""The chain on its clock: the blackout of each handover, and how long every phase takes.

A phase may take 47 us or a week, so each is shown twice: on a linear axis from the pause of virtual
machines until they run again, and on a logarithmic one together with all others. After a failure
the blackout lasts until the kernel of the cold boot is up; firmware, which takes a hundred times as
long as all the rest, is drawn white and out of scale. Phases whose rates nobody measured are
hatched, and their part of each blackout is said. A log records moments rather than phases; then the
blackout is drawn as far as it is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from kho_sim.base.errors import TraceError
from kho_sim.base.units import format_ns
from kho_sim.plots.sizes import label_log_times, label_times
from kho_sim.plots.style import (
    BLACK,
    BLUE,
    BROWN,
    GREEN,
    GREY,
    ORANGE,
    PALE,
    PALE_GREEN,
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
from kho_sim.trace.blackout import blackout_parts
from kho_sim.trace.records import CHAIN_ENDS, COLD_BOOT, GOES_ON, Boot, Event, Incident, PhaseTime
from kho_sim.trace.trace import Trace

FIRMWARE = "firmware"
FIRMWARE_SHARE = 0.35
"""The width that it is drawn with, in longest other blackouts."""

PHASES: dict[str, tuple[str, str]] = {
    "serve": (GREEN, "serve"),
    "preserve": (YELLOW, "preserve"),
    "load": (PURPLE, "load"),
    "shutdown": (BROWN, "shutdown"),
    "jump": (BLACK, "jump"),
    FIRMWARE: (GREY, "firmware"),
    "early_boot": (ORANGE, "early boot"),
    "extend": (VERMILION, "extend"),
    "retrieve": (BLUE, "retrieve"),
    "hugetlb": ("#E3B3CC", "huge pages"),
    "deferred": ("#6FA8D6", "deferred struct pages"),
    "cpus": ("#B79F00", "CPUs"),
    "acpi": ("#B8B8B8", "ACPI"),
    "pci": ("#C49C94", "PCI"),
    "initcalls": (SKY, "initcalls"),
    "initramfs": ("#F3C866", "initramfs"),
    "user_space": (PALE_GREEN, "user space"),
    "files": ("#D9D26A", "files"),
    "vms": ("#7CCFB6", "VMs"),
}
"""Phase -> its colour and its words."""

RESTORED = ("retrieve", "initcalls", "init", "user_space", "files", "vms")
"""After the last of these that a boot has, virtual machines run again."""
LEAVING = ("preserve", "load", "shutdown", "jump")
"""Phases of a kernel that is left; virtual machines run while the next one is loaded, and pause
with what comes right behind it."""

OTHER_PHASE = (GREY, "other")
ASSUMED = "assumed"
HATCH = "////"
NAMED_SHARE = 0.06
"""Part of the axis from which on a phase of six letters has its name in its bar."""
PHASE_INCHES = 0.23
BLACKOUT = "blackout"


class Blackout(NamedTuple):
    """From the pause under the last kernel that served, or its death, until ``boot`` is up with
    what files there are; or, if it died on its way (``came_up`` False), until then."""

    boot: int
    start_ns: int
    end_ns: int
    came_up: bool = True

    @property
    def duration_ns(self) -> int:
        return self.end_ns - self.start_ns


def blackouts(trace: Trace) -> list[Blackout]:
    """Return the blackout of each boot but the first that came so far, in order."""
    found: list[Blackout] = []
    for boot in trace[Boot]:
        events = [event for event in trace[Event] if event.boot == boot.boot]
        before = [event for event in trace[Event] if event.boot == boot.boot - 1]
        start_ns = _last_sign(trace, before, boot.boot - 1, found)
        if start_ns is None:
            continue
        death_ns = _death(trace, boot.boot)
        served = any(event.what == "serve" for event in events)
        restored = [event.end_ns for event in events if event.what in RESTORED]
        if death_ns is not None and not served:
            found.append(Blackout(boot.boot, start_ns, death_ns, came_up=False))
        elif restored:
            found.append(Blackout(boot.boot, start_ns, max(restored)))
    return found


def _last_sign(trace: Trace, events: list[Event], boot: int, found: list[Blackout]) -> int | None:
    """Return when ``boot`` was last there for its users: what followed its load, its death, or, if
    it died on its way up, what was the last sign before it."""
    leaving = [event for event in events if event.what in LEAVING]
    if leaving and leaving[-1].what == "jump":
        loads = [place for place, event in enumerate(leaving) if event.what == "load"]
        return leaving[loads[-1] + 1 if loads else -1].start_ns
    if found and found[-1].boot == boot and not found[-1].came_up:
        return found[-1].start_ns
    return _death(trace, boot) if events else None


def _death(trace: Trace, boot: int) -> int | None:
    """Return when a kernel ended by a failure, as far as a trace records it."""
    ends = (COLD_BOOT, CHAIN_ENDS)
    times = (r.time_ns for r in trace[Incident] if r.boot == boot and r.then in ends)
    return next(times, None)


@house_style
def timeline(trace: Trace) -> Figure:
    """Return the phases of each boot: its blackout, linear, and all durations, logarithmic.

    Raises: TraceError if nothing in the trace has a time.
    """
    timed = [event for event in trace[Event] if event.end_ns > event.start_ns]
    gaps = blackouts(trace)
    if not timed and not gaps:
        raise TraceError("this trace has no phase with a duration, and no handover")
    boots = trace[Boot]
    clock = "simulated" if trace.provenance.get("source") == "simulation" else "the log's"
    names = {event.what for event in timed}
    figure = new_figure(
        max(1.9 + 0.42 * len(boots), 1.9 + PHASE_INCHES * (len(names) + 1), 3.6),
        f"The chain in {clock} time{ending(trace)}",
        setting(trace),
    )
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    _draw_blackouts(left, boots, gaps, trace)
    _draw_durations(right, timed, gaps, trace)
    if assumed_phases(trace):
        words = "hatched, and hollow on the right: assumed, for nobody measured it on hardware"
        mark = Patch(facecolor="#C8C8C8", hatch=HATCH, edgecolor="white", label=words)
        figure.legend(handles=[mark], loc="outside lower left")
    left.set_yticks(range(len(boots)), [_row_name(boot, trace) for boot in boots])
    left.set_ylim(len(boots) - 0.4, -0.6)
    return figure


def assumed_phases(trace: Trace) -> set[tuple[int, str]]:
    """Return (boot, phase) of what is mostly from rates that nobody measured."""
    return {(row.boot, row.phase) for row in trace[PhaseTime].where(standing=ASSUMED)}


def _row_name(boot: Boot, trace: Trace) -> str:
    times = [event.start_ns for event in trace[Event] if event.boot == boot.boot]
    began = f"\nat {format_ns(min(times))}" if times else ""
    return f"{boot_name(boot.boot, boot.kind)}{began}"


class _Scale(NamedTuple):
    """Place of a moment of a blackout on the axis: to scale, but for firmware, whose place is as
    wide for all."""

    gap: Blackout
    firmware: Event | None
    width_ns: int

    def __call__(self, time_ns: int) -> int:
        since = time_ns - self.gap.start_ns
        if self.firmware is None or time_ns <= self.firmware.start_ns:
            return since
        shortened = self.firmware.end_ns - self.firmware.start_ns - self.width_ns
        return since - shortened if time_ns >= self.firmware.end_ns else since


def _scales(gaps: list[Blackout], events: Sequence[Event]) -> list[_Scale]:
    firmware = {event.boot: event for event in events if event.what == FIRMWARE}
    spent = [gap.duration_ns - _duration(firmware.get(gap.boot)) for gap in gaps]
    width_ns = round(FIRMWARE_SHARE * max(spent, default=0))
    return [_Scale(gap, firmware.get(gap.boot), width_ns) for gap in gaps]


def _duration(event: Event | None) -> int:
    return event.end_ns - event.start_ns if event else 0


def _draw_blackouts(axes: Axes, boots: Sequence[Boot], gaps: list[Blackout], trace: Trace) -> None:
    axes.set_title("Blackout: from the pause, or a death, until machines run again (linear)")
    rows = {boot.boot: row for row, boot in enumerate(boots)}
    scales = _scales(gaps, trace[Event])
    assumed = assumed_phases(trace)
    longest = max((scale(scale.gap.end_ns) for scale in scales), default=0)
    width = (1.95 if not trace[Incident] else 2.4) * longest
    ends = dict.fromkeys(rows, 0)
    for scale in scales:
        gap, row = scale.gap, rows[scale.gap.boot]
        ends[gap.boot] = scale(gap.end_ns)
        axes.barh(row, ends[gap.boot], 0.5, color=PALE, gid=f"blackout-{gap.boot}")
        for event in trace[Event]:
            inside = gap.start_ns <= event.start_ns and event.end_ns <= gap.end_ns
            if inside and event.end_ns > event.start_ns:
                _draw_phase(axes, row, scale, event, (event.boot, event.what) in assumed)
                _name_phase(axes, row, scale, event, NAMED_SHARE * width)
    _write_durations(axes, rows, gaps, trace, ends)
    if not longest:
        note(axes, "no handover was completed")
        return
    axes.set_xlim(0, width)
    axes.grid(axis="x")
    label_times(axes.xaxis)
    axes.set_xlabel("time, firmware out of scale" if any(s.firmware for s in scales) else "time")


def _draw_phase(axes: Axes, row: int, scale: _Scale, event: Event, assumed: bool) -> None:
    colour, _ = PHASES.get(event.what, OTHER_PHASE)
    left, right = scale(event.start_ns), scale(event.end_ns)
    out_of_scale = event.what == FIRMWARE
    axes.barh(
        row, right - left, 0.5, left=left, color="white" if out_of_scale else colour,
        edgecolor="white" if assumed and not out_of_scale else colour, linewidth=0.8,
        hatch=HATCH if assumed or out_of_scale else None,
        gid=f"{event.what}-{scale.gap.boot}",
    )  # fmt: skip


def _name_phase(axes: Axes, row: int, scale: _Scale, event: Event, least: float) -> None:
    """Write the name of a phase into its bar, if that is wide enough."""
    left, right = scale(event.start_ns), scale(event.end_ns)
    name = PHASES.get(event.what, ("", event.what))[1]
    if right - left >= least * len(name) / 6:
        axes.text(
            (left + right) / 2, row, name, ha="center", va="center", fontsize=7.5, color=BLACK,
            gid="phase-name", bbox={"facecolor": "white", "alpha": 0.75, "pad": 1, "linewidth": 0},
        )  # fmt: skip


def _blackout_text(trace: Trace, gap: Blackout) -> str:
    """Return a blackout with its range, and how much of it is assumed."""
    boot = next(boot for boot in trace[Boot] if boot.boot == gap.boot)
    details = []
    if boot.blackout_range_ns and boot.blackout_ns == gap.duration_ns:
        details.append(f"{' to '.join(map(format_ns, boot.blackout_range_ns))}")
    parts = blackout_parts(trace, boot)
    assumed_ns = sum(row.duration_ns for row in parts if row.standing == ASSUMED)
    if assumed_ns:
        details.append(f"{format_ns(assumed_ns)} assumed")
    return format_ns(gap.duration_ns) + (f" ({'; '.join(details)})" if details else "")


def _write_durations(
    axes: Axes, rows: dict[int, int], gaps: list[Blackout], trace: Trace, ends: dict[int, int]
) -> None:
    """Write behind each bar its duration, and the incidents of that kernel with their times."""
    durations = {gap.boot: gap for gap in gaps}
    for boot, row in rows.items():
        gap = durations.get(boot)
        text = _blackout_text(trace, gap) if gap and gap.came_up else ""
        incidents = [_incident_text(r) for r in trace[Incident] if r.boot == boot]
        if text:
            axes.annotate(
                text, (ends[boot], row), xytext=(5, 0), textcoords="offset points", va="center",
                fontweight="bold", fontsize=8,
            )  # fmt: skip
        if incidents:
            axes.annotate(
                "\n".join(incidents), (ends[boot], row), xytext=(10 + 5 * len(text), 0),
                textcoords="offset points", va="center", color=VERMILION, fontsize=8,
                gid=f"incident-{boot}",
            )  # fmt: skip


def _incident_text(row: Incident) -> str:
    fault = "fault " if row.injected else ""
    then = "" if row.then in (GOES_ON, CHAIN_ENDS) else f", {row.then}"
    return f"\u2715 {fault}{row.kind}{then}, at {format_ns(row.time_ns)}"


def _draw_durations(axes: Axes, timed: list[Event], gaps: list[Blackout], trace: Trace) -> None:
    """One row per phase, one mark per boot, the range of its rates as a line, that of the marks in
    words."""
    axes.set_title("Each phase, one mark per boot (logarithmic)")
    taken = [(event.what, event.end_ns - event.start_ns) for event in timed]
    taken += [(BLACKOUT, gap.duration_ns) for gap in gaps if gap.duration_ns and gap.came_up]
    found = {what for what, _ in taken}
    whats = [what for what in (*PHASES, BLACKOUT) if what in found]
    whats += sorted(found.difference(whats))
    assumed = assumed_phases(trace)
    axes.set_xscale("log")
    for row, what in enumerate(whats):
        durations = [duration for name, duration in taken if name == what]
        colour, _ = PHASES.get(what, OTHER_PHASE)
        ranges = [
            end for one in trace[PhaseTime].where(phase=what) for end in (one.low_ns, one.high_ns)
        ]
        if any(ranges):
            axes.plot(
                [max(min(ranges), 1), max(ranges)], [row, row], color=colour, linewidth=2,
                alpha=0.5, gid=f"range-{what}",
            )  # fmt: skip
        boots = {row.boot for row in trace[PhaseTime].where(phase=what)}
        hollow = bool(boots) and all((boot, what) in assumed for boot in boots)
        axes.plot(
            durations, [row] * len(durations), linestyle="", marker="o", markersize=7,
            color="white" if hollow else colour, markeredgecolor=colour if hollow else "white",
            markeredgewidth=1.6 if hollow else 0.6, gid=f"durations-{what}",
        )  # fmt: skip
        axes.annotate(
            _range_text(durations) + (", assumed" if hollow else ""),
            (max(durations + ranges), row), xytext=(7, 0),
            textcoords="offset points", va="center", fontsize=8,
        )  # fmt: skip
    axes.set_yticks(range(len(whats)), [PHASES.get(what, ("", what))[1] for what in whats])
    # Few phases beside many boots stand at the top, as close as they would alone.
    axes.set_ylim(max(len(whats), len(trace[Boot])) - 0.4, -0.6)
    low, high = axes.get_xlim()
    axes.set_xlim(low / 2, high * (high / low) ** 0.35)
    axes.grid(axis="x")
    label_log_times(axes.xaxis)
    axes.set_xlabel("duration")


def _range_text(durations: list[int]) -> str:
    low, high = format_ns(min(durations)), format_ns(max(durations))
    return low if low == high else f"{low} to {high}"
