"""Parts of an HTML page to send: figures inside, tables that sort, nothing fetched from anywhere.

The page reads without scripts; they make the heads of tables buttons, and play a chain on a map
that D3 (``vendor/``) zooms. All text that comes from a scenario or a log is escaped by the
template.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from kho_sim.base.units import SECOND_NS, format_size, show
from kho_sim.layout import Cell, first_of
from kho_sim.report.dark import with_dark
from kho_sim.report.glossary import anchor, glossary, line_for, term_for
from kho_sim.report.player import Player

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEMPLATES = Path(__file__).parent / "templates"
VENDOR = Path(__file__).parent / "vendor"
MOST_ROWS = 500
ROWS_OPEN = 25
"""A table with more rows is folded."""
ITEMS_SHOWN = 4
WIDE = ("command_line", "scratch_areas", "preservations_by_order", "busy_blocks")
"""Columns that stand last, because they would push the others out of sight; not on paper."""
MOMENTS = ("start_ns", "end_ns")
"""Columns on the chain's clock, where a microsecond after a week matters."""
ADDRESSES = ("start", "end", "address", "min_address", "max_address")
"""Columns that are addresses, shown in hexadecimal."""
COLUMNS = re.compile(r"\S {2,}\S.* {2,}\S")
"""A line with more gaps than the one behind a label."""


@dataclass(frozen=True)
class PageFigure:
    """A picture, its heading, and what it shows, for those who cannot see it as well."""

    name: str
    heading: str
    caption: str
    source: str
    """The picture as a data address."""


@dataclass(frozen=True)
class PageTable:
    """A table with cells as text, and the values that they sort by."""

    name: str
    caption: str
    columns: Sequence[Mapping[str, str]]
    rows: Sequence[Sequence[Mapping[str, str]]]
    left_out: int
    meanings: Mapping[str, str]

    @property
    def folded(self) -> bool:
        """Tell whether the table is so long that a reader opens it first."""
        return len(self.rows) > ROWS_OPEN


def render(
    title: str,
    lead: Sequence[Cell],
    text: str,
    figures: Sequence[PageFigure],
    tables: Sequence[PageTable],
    origin: Mapping[str, str],
    scenario: str = "",
    player: Player | None = None,
) -> str:
    """Return the page. ``lead`` are sentences in colours of ``layout.COLOURS``, ``text`` is the
    report in the layout of a page, ``origin`` what is in the footer."""
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html").render(
        title=title, lead=lead, text=_blocks(text), figures=figures, tables=tables, origin=origin,
        scenario=scenario, player=player,
        style=(TEMPLATES / "page.css").read_text(encoding="utf-8"),
        scripts=_scripts(player), glossary=glossary(), anchor=anchor,
    )  # fmt: skip


def _blocks(text: str) -> list[tuple[str, str]]:
    """Return the parts of a text, each with its class: "columns", which stay below each other, or
    "prose", whose lines go on where the reader's screen ends."""
    parts = [part for part in re.split(r"\n\n+", text) if part.strip()]
    return [("columns" if COLUMNS.search(part) else "prose", part) for part in parts]


def _scripts(player: Player | None) -> list[str]:
    files = [TEMPLATES / "page.js"]
    if player:
        files += [VENDOR / "d3.min.js", TEMPLATES / "play_map.js", TEMPLATES / "play.js"]
    return [file.read_text(encoding="utf-8") for file in files]


def page_figure(name: str, heading: str, caption: str, figure: Figure) -> PageFigure:
    """Return a figure as it stands on a page: an SVG picture."""
    from kho_sim.plots import picture

    coded = base64.b64encode(with_dark(picture(figure, "svg").decode()).encode()).decode()
    return PageFigure(name, heading, caption, f"data:image/svg+xml;base64,{coded}")


def page_table(
    name: str, caption: str, frame: pd.DataFrame, meanings: Mapping[str, str]
) -> PageTable:
    """Return a DataFrame as it stands on a page; long ones are cut, empty columns left out.

    Sizes, times and addresses are written for people, and sort by their exact value.
    """
    names = [name for name in frame.columns if frame.empty or not _is_empty(frame[name])]
    frame = frame[sorted(names, key=WIDE.__contains__)]
    shown = frame.head(MOST_ROWS)
    kinds = {name: _kind(name, frame[name]) for name in frame.columns}
    columns = [
        {"name": column, "kind": kind, "term": line_for(column), "anchor": anchor(term_for(column))}
        for column, kind in kinds.items()
    ]
    rows = [
        [_cell(column, value) for column, value in zip(kinds, row, strict=True)]
        for row in shown.itertuples(index=False)
    ]
    known = {column: meanings[column] for column in kinds if column in meanings}
    return PageTable(name, caption, columns, rows, len(frame) - len(shown), known)


def _is_empty(column: pd.Series) -> bool:
    return bool(column.isna().all() or (column.astype(str) == "").all())


def _kind(name: str, column: pd.Series) -> str:
    if name in WIDE:
        return "text wide"
    return "number" if _is_number(column) else "text"


def _is_number(column: pd.Series) -> bool:
    return column.dtype.kind in "iuf" or str(column.dtype) in ("Int64", "UInt64", "Float64")


def _cell(column: str, value: Any) -> dict[str, str]:
    """Return the text of a cell and its sort key; missing values are empty."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        shown, left = first_of(value, ITEMS_SHOWN)
        more = f", ... {left} more" if left else ""
        text = ", ".join(_item(column, item) for item in shown) + more
        return {"text": text, "sort": str(len(value))}
    if pd.isna(value):
        return {"text": "", "sort": ""}
    text = str(value)
    if isinstance(value, bool) or not isinstance(value, Real):
        return {"text": text, "sort": text}
    number = int(value) if isinstance(value, Integral) else float(value)
    return {"text": _number_text(column, number), "sort": text}


def _number_text(column: str, value: int | float) -> str:
    if column in MOMENTS:
        return f"{value / SECOND_NS:,.6f} s"
    return f"{round(value):#x}" if column in ADDRESSES else show(column, value)


def _item(column: str, item: Any) -> str:
    """Return one of several: an address, (start, size) of an area, or keys of an order."""
    if isinstance(item, (tuple, list)) and column == "preservations_by_order":
        return f"order {item[0]}: {item[1]:,}"
    if isinstance(item, (tuple, list)):
        return f"{format_size(item[1])} at {item[0]:#x}"
    return hex(item) if isinstance(item, int) else str(item)
