"""``kho-sim report``: a stored run, sweep or advice, a scenario or a log as text, HTML, Markdown,
CSV, JSON or trace events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from kho_sim.cli.completing import files, tables
from kho_sim.cli.options import write_text
from kho_sim.cli.sources import is_advice, is_sweep, read_trace
from kho_sim.layout import OF_PAGE, PLAIN, Layout, markdown, of_terminal

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("text", "html", "md", "csv", "json", "perfetto")


class Source(NamedTuple):
    """The subject of a report: its writer for each format, and its tables, the first by
    default."""

    text: Callable[[Layout], str]
    html: Callable[[], str]
    document: Callable[[], dict[str, Any]]
    tables: Mapping[str, Callable[[], pd.DataFrame]]
    timeline: Callable[[], dict[str, Any]] | None = None


@click.command("report")
@click.argument("source", metavar="DIR|LOG|SCENARIO", shell_complete=files)
@click.option(
    "--format", "kind", type=click.Choice(FORMATS), default=None,
    help="html is one page with figures; md and csv are one table; perfetto is the timeline as "
    "trace events (JSON).  [default: by the ending of --out, else text]",
)  # fmt: skip
@click.option(
    "--table",
    shell_complete=tables,
    help="The table of md and csv.  [default: boots; points of a sweep]",
)
@click.option(
    "-o", "--out", metavar="FILE", shell_complete=files, help="A file instead of standard output."
)
def verb(source: str, kind: str | None, table: str | None, out: str | None) -> int:
    """Report on SOURCE: a stored run, sweep or advice, a scenario (which is simulated first), or a
    real log."""
    opened = _open(Path(source))
    layout = of_terminal() if out is None else PLAIN
    text = _written(opened, kind or _kind_of(out), table, layout)
    if out is None:
        click.echo(text, color=True)
    else:
        write_text(Path(out), text)
    return 0


def _kind_of(out: str | None) -> str:
    ending = Path(out or "").suffix.removeprefix(".").lower()
    return {"htm": "html", "markdown": "md"}.get(ending, ending if ending in FORMATS else "text")


def _open(path: Path) -> Source:
    if is_advice(path):
        return _of_advice(path)
    if is_sweep(path):
        return _of_sweep(path)
    from kho_sim.report import report_text
    from kho_sim.report.html import report_html
    from kho_sim.report.perfetto import trace_events
    from kho_sim.tables import TABLES
    from kho_sim.trace.summary import run_document

    trace = read_trace(path)
    return Source(
        text=lambda layout: report_text(trace, layout),
        html=lambda: report_html(trace),
        document=lambda: run_document(trace),
        tables={name: partial(trace.table, name) for name in TABLES},
        timeline=lambda: trace_events(trace),
    )


def _of_advice(path: Path) -> Source:
    from kho_sim.report.advice import advice_html, shifts_table, trials_table
    from kho_sim.sweeps.advise import read_advice
    from kho_sim.sweeps.advise.text import advice_text, lead

    advice = read_advice(path)

    def text(layout: Layout) -> str:
        return "\n".join(advice_text(advice, layout))

    return Source(
        text=text,
        html=lambda: advice_html(advice, lead(advice), text(OF_PAGE)),
        document=lambda: advice.document,
        tables={
            "trials": lambda: trials_table(advice),
            "shifts": lambda: shifts_table(advice),
        },
    )


def _of_sweep(path: Path) -> Source:
    from kho_sim.report.html import sweep_html
    from kho_sim.report.sweep import points_table, sweep_document, sweep_text
    from kho_sim.sweeps import open_sweep

    sweep = open_sweep(path)
    return Source(
        text=lambda layout: sweep_text(sweep, layout),
        html=lambda: sweep_html(sweep),
        document=lambda: sweep_document(sweep),
        tables={
            "points": lambda: points_table(sweep),
            "runs": sweep.runs,
            "boots": sweep.boots,
            "states": sweep.states,
        },
    )


def _written(source: Source, kind: str, table: str | None, layout: Layout) -> str:
    if table is not None and table not in source.tables:
        raise click.BadParameter(f"{table} is no table of this; known: {', '.join(source.tables)}")
    if kind == "html":
        return source.html()
    if kind == "text":
        return source.text(layout)
    if kind == "json":
        return _json(source.document())
    if kind == "perfetto":
        if source.timeline is None:
            raise click.BadParameter("this has no timeline; report a single run or a scenario.")
        return _json(source.timeline())
    frame = source.tables[table or next(iter(source.tables))]()
    if kind == "csv":
        from kho_sim.report.cells import csv_text

        return csv_text(frame).rstrip("\n")
    return markdown([*frame.columns], [*frame.itertuples(index=False)])


def _json(document: dict[str, Any]) -> str:
    import json

    return json.dumps(document, indent=2)
