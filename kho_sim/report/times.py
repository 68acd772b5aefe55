"""The report's lines on time: the longest blackout with its range, and what it is made of."""

from __future__ import annotations

from kho_sim.base.units import format_ns
from kho_sim.layout import Layout
from kho_sim.trace.blackout import blackout_parts, longest_blackout
from kho_sim.trace.trace import Trace

MOST_PARTS = 4


def time_lines(trace: Trace, layout: Layout) -> list[str]:
    """Return two lines at most; none for a chain without a blackout, as of a log."""
    boot = longest_blackout(trace)
    if boot is None or boot.blackout_ns is None:
        return []
    low, high = map(format_ns, boot.blackout_range_ns or (boot.blackout_ns,) * 2)
    text = f"{format_ns(boot.blackout_ns)} ({low} to {high}) before boot {boot.boot}"
    parts = sorted(blackout_parts(trace, boot), key=lambda row: -row.duration_ns)
    named = [f"{row.phase} {format_ns(row.duration_ns)} ({row.standing})" for row in parts]
    named[MOST_PARTS:] = [f"{len(named) - MOST_PARTS} more"] if len(named) > MOST_PARTS else []
    said = ": ".join([text, *filter(None, [", ".join(named)])])
    return layout.labelled("Blackout", said, max_lines=3)
