"""A report to send: one HTML page with tables and figures inside, readable without scripts.

Everything that comes from a scenario or a log is escaped. Tables sort on a click; figures are
inline SVG. Long tables are cut, with a line that says by how much.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kho_sim.errors import InputError
from kho_sim.frames import TABLES
from kho_sim.report.text import report_text

if TYPE_CHECKING:
    import pandas as pd

    from kho_sim.trace.trace import Trace

TEMPLATE = Path(__file__).parent / "templates" / "page.html"
SHOWN_TABLES = ("boots", "failures", "scratch", "segments", "gigantic", "events")
TABLES_OF_FAULTS = ("incidents", "fates", "files")
"""Shown as well where something struck."""
SHOWN_FIGURES = ("memory_map", "failures", "scratch_use", "timeline", "lineage")
MOST_ROWS = 500


def report_html(trace: Trace) -> str:
    """Return the page of a simulated chain or of a real log."""
    from jinja2 import Environment

    template = Environment(autoescape=True).from_string(TEMPLATE.read_text(encoding="utf-8"))
    text = report_text(trace)
    shown = [*SHOWN_TABLES, *(TABLES_OF_FAULTS if trace.incident_records else ())]
    return template.render(
        title=_title(trace),
        summary=text,
        figures=list(_figures(trace)),
        tables=[_table(name, TABLES[name](trace)) for name in shown],
        footer=f"digest {trace.digest}",
    )


def _title(trace: Trace) -> str:
    scenario = trace.provenance.get("scenario") or {}
    named = scenario.get("description") or trace.provenance.get("log") or "a chain of kernels"
    return f"kho_sim: {named}"


def _figures(trace: Trace) -> Any:
    """Yield the figures that the trace has the facts for."""
    from kho_sim.plots import TRACE_FIGURES

    for name in SHOWN_FIGURES:
        try:
            figure = TRACE_FIGURES[name](trace)
        except InputError:
            continue
        page = io.StringIO()
        figure.savefig(page, format="svg", metadata={"Date": None})
        svg = page.getvalue()
        yield {"name": name, "svg": svg[svg.index("<svg") :]}


def _table(name: str, frame: pd.DataFrame) -> dict[str, Any]:
    shown = frame.head(MOST_ROWS)
    columns = [
        {"name": column, "kind": "number" if _is_number(frame[column]) else "text"}
        for column in frame.columns
    ]
    rows = [[_cell(value) for value in row] for row in shown.itertuples(index=False)]
    left_out = len(frame) - len(shown)
    return {"name": name, "columns": columns, "rows": rows, "left_out": left_out}


def _is_number(column: pd.Series) -> bool:
    return column.dtype.kind in "iuf" or str(column.dtype) == "Int64"


def _item(item: Any) -> str:
    """Return an address, or a pair such as (start, size), in hexadecimal."""
    if isinstance(item, (tuple, list)):
        return "+".join(_item(part) for part in item)
    return hex(item) if isinstance(item, int) else str(item)


def _cell(value: Any) -> str:
    """Return a cell as text: long sequences are cut, missing values empty."""
    if isinstance(value, (tuple, list)):
        shown = ", ".join(_item(item) for item in value[:4])
        return f"{shown}, ... {len(value) - 4} more" if len(value) > 4 else shown
    text = str(value)
    return "" if text in ("<NA>", "nan", "None") else text
