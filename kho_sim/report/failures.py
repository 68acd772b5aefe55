"""The report's lines about failed early allocations: who asked for how much, why it did not fit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from kho_sim.base.units import counted, format_size
from kho_sim.layout import Layout
from kho_sim.releases import strategy_in
from kho_sim.trace.headline import boots_text
from kho_sim.trace.records import Boot, FailedAllocation
from kho_sim.trace.summary import failures
from kho_sim.trace.trace import Trace

INDENT = 4


@dataclass
class Group:
    """Failures of one requester that asked for the same size, here or in the twin."""

    what: str
    size_bytes: int
    counts: dict[int, int] = field(default_factory=dict)
    """Boot -> failures there."""
    reasons: dict[str, int] = field(default_factory=dict)
    """Reason -> the first boot with it."""

    def add(self, row: FailedAllocation) -> None:
        """Count one more row."""
        self.counts[row.boot] = self.counts.get(row.boot, 0) + row.count
        if row.why:
            self.reasons.setdefault(row.why, row.boot)

    def lines(self, layout: Layout, max_lines: int = 5) -> list[str]:
        """Return what was asked for in which boots, then the reason, wrapped and cut to fit."""
        each = " in each" if len(self.counts) > 1 and len(set(self.counts.values())) == 1 else ""
        count = next(iter(self.counts.values())) if each else sum(self.counts.values())
        head = f"  {boots_text(self.counts)}: {self.what}, {count} x {format_size(self.size_bytes)}"
        lines = layout.wrapped(head + each, indent=INDENT, max_lines=min(max_lines, 2))
        room = min(max_lines - len(lines), 3)
        if self.reasons and room:
            reason, boot = next(iter(self.reasons.items()))
            if len(self.reasons) > 1:
                reason += f" (boot {boot}; the figures differ elsewhere)"
            lines += layout.wrapped(reason, indent=INDENT, first=INDENT, max_lines=room)
        return lines


def failure_lines(trace: Trace, max_lines: int, layout: Layout) -> list[str]:
    """Return the count with and without the extension, then the groups, as many as fit."""
    lines = layout.wrapped(_counts_text(trace), max_lines=2)
    for extended, title in zip((True, False), titles(trace), strict=True):
        groups = grouped(row for row in failures(trace) if row.extended == extended)
        if groups and len(lines) + 2 <= max_lines:
            lines += [f"{title}:"] if trace.twin else []
            lines += _fitting(groups, max_lines - len(lines), layout)
    return lines


def _fitting(groups: list[Group], max_lines: int, layout: Layout) -> list[str]:
    """Return as many groups as fit, the last line kept for saying how many did not; the last group
    has what is left, if only for its first line."""
    lines: list[str] = []
    for number, group in enumerate(groups[:-1]):
        more = group.lines(layout)
        if len(lines) + len(more) + 1 > max_lines:
            left = counted(len(groups) - number, "more kind")
            return [*lines, f"  ... {left} of request"]
        lines += more
    return lines + groups[-1].lines(layout, max_lines - len(lines))


def titles(trace: Trace) -> tuple[str, str]:
    """Return what the chain and its twin are called: the second has no extension, ever."""
    if _strategy(trace) == "none":
        return "This chain", "Its twin"
    return "With the extension", "Without the extension"


def _strategy(trace: Trace) -> str:
    scenario = trace.provenance.get("scenario")
    if not scenario:
        return ""
    kernel = scenario["kernel"]
    return strategy_in(kernel["release"], kernel["extend"]["strategy"])


def grouped(rows: Iterable[FailedAllocation]) -> list[Group]:
    """Return the groups in the order in which each first failed."""
    groups: dict[tuple[str, int], Group] = {}
    for row in rows:
        key = (row.what, row.size_bytes)
        groups.setdefault(key, Group(row.what, row.size_bytes)).add(row)
    return list(groups.values())


def _counts_text(trace: Trace) -> str:
    counts = {True: 0, False: 0}
    for row in failures(trace):
        counts[row.extended] += row.count
    avoided = sum(boot.failures_avoided or 0 for boot in trace[Boot])
    text = f"Early allocations that failed: {counts[True]}"
    if trace.twin is None:
        return f"{text}; {avoided} avoided by the extension" if avoided else text
    here, twin = titles(trace)
    avoided_text = f" ({avoided} avoided)" if avoided else ""
    return f"{text} {_lower(here)}{avoided_text}, {counts[False]} {_lower(twin)}"


def _lower(title: str) -> str:
    return "in " + title.lower() if title.split()[0] in ("This", "Its") else title.lower()
