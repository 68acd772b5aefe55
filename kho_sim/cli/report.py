"""``kho-sim report``: a stored run, a scenario or a log as text, HTML, Markdown, CSV or JSON."""

from __future__ import annotations

from pathlib import Path

import click

from kho_sim.cli.sources import read_trace

FORMATS = ("text", "html", "md", "csv", "json")


@click.command("report", short_help="Report on a stored run, a scenario or a log.")
@click.argument("source", metavar="DIR|LOG|SCENARIO")
@click.option(
    "--format", "kind", type=click.Choice(FORMATS), default="text", show_default=True,
    help="html is one page with figures; md and csv are one table.",
)  # fmt: skip
@click.option("--table", default="boots", show_default=True, help="The table of md and csv.")
@click.option("-o", "--out", metavar="FILE", help="A file instead of standard output.")
def verb(source: str, kind: str, table: str, out: str | None) -> int:
    """Report on SOURCE: a stored run, a scenario (which is simulated first), or a real log."""
    text = _written(source, kind, table)
    if out is None:
        click.echo(text)
    else:
        Path(out).write_text(text + "\n", encoding="utf-8")
        click.echo(out, err=True)
    return 0


def _written(source: str, kind: str, table: str) -> str:
    from kho_sim.frames import TABLES

    if table not in TABLES:
        raise click.BadParameter(f"{table} is no table; known: {', '.join(TABLES)}")
    trace = read_trace(Path(source))
    if kind == "html":
        from kho_sim.report.html import report_html

        return report_html(trace)
    if kind == "json":
        import json

        from kho_sim.trace.summary import run_document

        return json.dumps(run_document(trace), indent=2)
    if kind == "text":
        from kho_sim.report import report_text

        return report_text(trace)
    frame = TABLES[table](trace)
    return frame.to_csv(index=False).rstrip("\n") if kind == "csv" else _markdown(frame)


def _markdown(frame: object) -> str:
    import pandas as pd

    assert isinstance(frame, pd.DataFrame)
    lines = ["| " + " | ".join(frame.columns) + " |", "|" + " --- |" * len(frame.columns)]
    for row in frame.itertuples(index=False):
        cells = [str(value).replace("|", "\\|").replace("\n", " ") for value in row]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
