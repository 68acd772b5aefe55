"""The terminal report of a chain: how it ended, what each kernel got, and what did not fit.

Under 40 lines for any trace, simulated or read from a log. Left out: single
allocations and regions, which are in the tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kho_sim.base.command_line.remarks import UNKNOWN
from kho_sim.base.units import counted, format_size
from kho_sim.base.words import PAGE_SIZES, PLATFORMS, USABLE_MEMORY
from kho_sim.kho.extend import has_blocks
from kho_sim.layout import PLAIN, Layout, first_of
from kho_sim.releases import strategy_in
from kho_sim.report.boots import boot_lines
from kho_sim.report.failures import failure_lines, titles
from kho_sim.report.incidents import incident_lines
from kho_sim.report.times import time_lines
from kho_sim.report.what_if import what_if_lines
from kho_sim.trace.headline import Headline, headline
from kho_sim.trace.records import Boot
from kho_sim.trace.trace import Trace

MAX_LINES = 39
MAX_NOTES = 2
MAX_AREAS = 4
LEAST_FOR_FAILURES = 5


def report_text(trace: Trace, layout: Layout = PLAIN) -> str:
    """Return the report, without a line end."""
    lines = [*_outcome_lines(trace, layout), "", *_setting_lines(trace, layout), ""]
    if trace[Boot]:
        lines += [*boot_lines(trace, layout), ""]
    ending = ["", _origin_line(trace)]
    times = time_lines(trace, layout)
    if times and len(lines) + len(times) + len(ending) + LEAST_FOR_FAILURES < MAX_LINES:
        lines += [*times, ""]
    room = MAX_LINES - len(lines) - len(ending)
    incidents = incident_lines(trace, room - LEAST_FOR_FAILURES, layout)
    lines += [*incidents, ""] if incidents else []
    lines += what_if_lines(trace, MAX_LINES - len(lines) - len(ending), layout)
    lines += failure_lines(trace, MAX_LINES - len(lines) - len(ending), layout)
    return "\n".join(lines + ending)


def _outcome_lines(trace: Trace, layout: Layout) -> list[str]:
    chains = [("", trace)]
    if trace.twin is not None:
        here, twin = titles(trace)
        width = max(len(here), len(twin)) + 2
        chains = [(here.ljust(width), trace), (twin.ljust(width), trace.twin)]
    lines = []
    for title, chain in chains:
        said = headline(chain)
        first, *others = layout.wrapped(f"{title}{said}", indent=len(title), max_lines=3)
        lines += [first[: len(title)] + _painted(first[len(title) :], said, layout), *others]
    return lines


def _painted(line: str, said: Headline, layout: Layout) -> str:
    """Return the first line of a headline with its verdict, or what of it fits, in its colour."""
    verdict, colon, rest = line.partition(":") if said.verdict in line else (line, "", "")
    return layout.paint(verdict, said.colour) + colon + rest


def _setting_lines(trace: Trace, layout: Layout) -> list[str]:
    """Machine, kernel and scratch: from the scenario, or the log's name and its notes."""
    scenario = trace.provenance.get("scenario")
    lines = []
    if scenario:
        lines += layout.wrapped(scenario["description"], max_lines=2)
        lines += layout.labelled("Machine", _machine_text(scenario["machine"]))
        lines += layout.labelled("Kernel", _kernel_text(scenario["kernel"]))
        lines += _note_lines(trace.provenance.get("notes", ()), layout)
    elif "log" in trace.provenance:
        lines += layout.labelled("Log", str(trace.provenance["log"]), max_lines=1)
        for note in trace.provenance.get("incomplete", ())[:3]:
            lines += layout.labelled("Note", note, max_lines=1)
    areas = trace[Boot][0].scratch_areas if trace[Boot] else None
    if areas:
        total = format_size(sum(size for _, size in areas))
        parts = [f"{format_size(size)} at {start:#x}" for start, size in areas if size]
        shown, left = first_of(parts, MAX_AREAS)
        more = f", ... {left} more" if left else ""
        lines += layout.labelled("Scratch", f"{total}: {', '.join(shown)}{more}")
    return lines


def _note_lines(notes: Sequence[str], layout: Layout) -> list[str]:
    """Notes on what the model leaves out, a few lines of them; unknown words come last."""
    ordered = sorted(notes, key=lambda note: f": {UNKNOWN}: " in note)
    lines = []
    shown, left = first_of(ordered, MAX_NOTES)
    for note in shown:
        lines += layout.labelled("Note", note)
    if left:
        lines += layout.labelled("Note", f"{left} more; kho-sim explain lists them all")
    return lines


def _machine_text(machine: dict[str, Any]) -> str:
    ranges = machine.get("memory_map", ())
    usable = [part for part in ranges if part["kind"] in USABLE_MEMORY]
    memory = machine.get("memory") or sum(part["end"] - part["start"] for part in usable)
    cpus, nodes = counted(machine["cpus"], "CPU"), counted(machine["nodes"], "node")
    where = machine.get("firmware") or "memory map of a real machine"
    platform = machine.get("platform", PLATFORMS[0])
    where = where if platform == PLATFORMS[0] else f"{platform}, {where}"
    return f"{format_size(memory)}, {cpus}, {nodes}, {where}"


def _kernel_text(kernel: dict[str, Any]) -> str:
    strategy = strategy_in(kernel["release"], kernel["extend"]["strategy"])
    shift = kernel["extend"]["shift"]
    blocks = f" of {format_size(1 << shift)}" if has_blocks(strategy) else ""
    differs = ", differing by boot" if kernel["releases"] else ""
    line = f", {kernel['command_line']}" if kernel["command_line"] else ""
    usual = PAGE_SIZES[PLATFORMS[0]][0]
    page_bytes = kernel.get("page_size", usual)
    pages = "" if page_bytes == usual else f", pages of {format_size(page_bytes)}"
    return f"{kernel['release']}{differs}{pages}, extension {strategy}{blocks}{line}"


def _origin_line(trace: Trace) -> str:
    software = trace.provenance.get("software")
    digest = f"digest {trace.digest[:16]}"
    if not software:
        return digest
    return (
        f"{software['name']} {software['version']}, model {software['model_version']}, "
        f"seed {trace.provenance['seed']}, {digest}"
    )
