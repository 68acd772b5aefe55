"""A report to send, of a chain or of a sweep: one HTML page with tables and figures inside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from kho_sim.base.errors import InputError
from kho_sim.base.results import SUMMARY
from kho_sim.layout import OF_PAGE, Cell
from kho_sim.report.failures import titles
from kho_sim.report.page import (
    PageFigure,
    PageTable,
    page_figure,
    page_table,
    render,
)
from kho_sim.report.player import player
from kho_sim.report.sweep import POINT_COLUMNS, points_table, sweep_text
from kho_sim.report.text import report_text
from kho_sim.tables import TABLES
from kho_sim.trace.headline import headline
from kho_sim.trace.records import Incident, PreservedFile
from kho_sim.trace.schema import caption_of, columns_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kho_sim.sweeps import Sweep
    from kho_sim.trace.trace import Trace

LONG_TABLES = ("allocations", "regions", "preserved", "tree_pages")
"""Tables that a page has no room for; ``kho-sim report --format csv`` has them."""

SHOWN_IF_EMPTY = ("boots", "failures", "scratch", "segments", "gigantic", "events")
"""Tables that come first, and of which a reader wants to know that they are empty."""

SHOWN_FIGURES = {
    "memory_map": (
        "Physical memory over the chain",
        "One row per boot, addresses along x: what early boot may allocate from, what the kernel "
        "inherited, and where its early allocations went. The table boots has the numbers.",
    ),
    "failures": (
        "Early allocations that fail",
        "By boot and by caller, with the extension and without it, and how many it avoided. "
        "The tables boots and failures have the numbers.",
    ),
    "scratch_use": (
        "Requesters of early memory",
        "Bytes by caller and boot, out of original scratch and from elsewhere.",
    ),
    "timeline": (
        "The chain on its clock",
        "The blackout of each handover, and how long every phase takes; what is hatched or hollow "
        "is assumed, for nobody measured it. The table phases has the numbers and their standing.",
    ),
    "waterfall": (
        "Where the time of an update goes",
        "The longest blackout taken apart: each phase from when it began, with the standing of its "
        "rates, and the blackouts of all updates. The table phases has the numbers.",
    ),
    "lineage": (
        "Lineage of the kernels",
        "Kernels, what they handed over, and what was lost where; branches for the twin and for "
        "each fall-back to a cold boot.",
    ),
}
"""Figures of a chain's page -> heading, and what it shows."""

SWEEP_FIGURES = {
    "outcomes": (
        "How the chains end",
        "At each point, with the extension and without it: shares of its chains, and the words of "
        "the worst one. The table points has the same words.",
    ),
    "recovered": (
        "What the extension gains",
        "Recovered memory, failures avoided, failures left and failures without the extension; "
        "middle: median over seeds, band: smallest to largest. The table points has the numbers.",
    ),
    "extension_cost": (
        "What the extension costs",
        "Time of the extension step (rates derived from the patch's two times), memblock regions "
        "around it, and pages of its second tree.",
    ),
    "blackout_by": (
        "How long it takes",
        "The longest blackout and the longest boot of a kernel, with central rates of the "
        "machine's hardware; parts of them are assumed, above all user space.",
    ),
    "handover_matrix": (
        "From release, to release: what survives an update",
        "One cell a pair of releases; a sweep over kernel.release and kernel.releases[1].release.",
    ),
}


def report_html(trace: Trace) -> str:
    """Return the page of a simulated chain or of a real log."""
    from kho_sim.plots import TRACE_FIGURES

    provenance = trace.provenance
    scenario = provenance.get("scenario") or {}
    named = scenario.get("description") or provenance.get("log") or "A chain of kernels"
    return render(
        title=str(named),
        lead=_headlines(trace),
        text=report_text(trace, OF_PAGE),
        figures=list(_figures(SHOWN_FIGURES, TRACE_FIGURES, trace)),
        player=player(trace, titles(trace)[: 1 if trace.twin is None else 2]),
        tables=list(_tables(trace)),
        origin=_origin(provenance, trace.digest),
        scenario=_scenario_text(scenario),
    )


def sweep_html(sweep: Sweep) -> str:
    """Return the page of a stored sweep: one row per point of the design, and one row per run."""
    from kho_sim.plots import SWEEP_FIGURES as DRAWN

    manifest = sweep.manifest
    scenario = manifest.get("scenario") or {}
    states = ", ".join(f"{count} {state}" for state, count in sweep.counts().items())
    points = page_table(
        "points",
        "Varied values, one row per point; results are the worst of its chains.",
        points_table(sweep),
        POINT_COLUMNS,
    )
    runs = page_table("runs", "Every chain that came to an end.", sweep.runs(), SUMMARY)
    return render(
        title=str(scenario.get("description") or "A sweep"),
        lead=[Cell(f"A sweep over {', '.join(sweep.keys)}: {states}.")],
        text=sweep_text(sweep, OF_PAGE),
        figures=list(_figures(SWEEP_FIGURES, DRAWN, sweep)),
        tables=[points, runs],
        origin=_origin(manifest, manifest.get("fingerprint", "")),
        scenario=_scenario_text(scenario),
    )


def _headlines(trace: Trace) -> list[Cell]:
    """Return the headline of a chain, and of its twin, in their colours."""
    said = headline(trace)
    if trace.twin is None:
        return [Cell(f"{said}.", said.colour)]
    pairs = zip(titles(trace), (said, headline(trace.twin)), strict=True)
    return [Cell(f"{title}: {one}.", one.colour) for title, one in pairs]


def _figures(
    shown: Mapping[str, tuple[str, str]], drawn: Mapping[str, Callable[..., Figure]], what: Any
) -> Iterator[PageFigure]:
    """Yield the figures that there are the facts for."""
    for name, (heading, caption) in shown.items():
        try:
            figure = drawn[name](what)
        except InputError:
            continue
        yield page_figure(name, heading, caption, figure)


def _tables(trace: Trace) -> Iterator[PageTable]:
    """Yield the tables of a chain's page; handed files only if the chain had an incident."""
    for name in dict.fromkeys((*SHOWN_IF_EMPTY, *TABLES)):
        kind = TABLES[name]
        if name in LONG_TABLES or (kind is PreservedFile and not trace[Incident]):
            continue
        frame = trace.table(name)
        if name in SHOWN_IF_EMPTY or not frame.empty:
            meanings = {column.name: column.meaning for column in columns_of(kind)}
            yield page_table(name, caption_of(kind), frame, meanings)


def _origin(provenance: Mapping[str, Any], digest: str) -> dict[str, str]:
    software = provenance.get("software") or {}
    environment = provenance.get("environment") or {}
    known = {
        "software": " ".join(str(software[key]) for key in ("name", "version") if key in software),
        "model version": str(software.get("model_version", provenance.get("model_version", ""))),
        "seed": str(provenance.get("seed", "")),
        "log": str(provenance.get("log", "")),
        "python": str(environment.get("python", "")),
        "digest": digest,
    }
    return {key: value for key, value in known.items() if value}


def _scenario_text(scenario: Mapping[str, Any]) -> str:
    if not scenario:
        return ""
    import json

    return json.dumps(scenario, indent=2, ensure_ascii=False)
