"""The report's table of what-ifs: one line per way to extend and retrieve.

Each line has the values of its worst boot.
"""

from __future__ import annotations

from dataclasses import replace

from kho_sim.base.units import format_ns, format_size
from kho_sim.kho.extend import has_blocks
from kho_sim.layout import Column, Layout
from kho_sim.report.boots import UNKNOWN
from kho_sim.trace.records import Alternative
from kho_sim.trace.trace import Trace

RETRIEVAL = 1
COLUMNS = (
    Column("strategy", left=True),
    Column("retrieval", left=True),
    Column("blocks"),
    Column("extended"),
    Column("gigantic"),
    Column("failed"),
    Column("avoided", spare=1),
    Column("ranges", spare=2),
    Column("extend"),
    Column("retrieve"),
)
LINES_AROUND = 3
"""The title, the headings, and a blank line."""


def what_if_lines(trace: Trace, max_lines: int, layout: Layout) -> list[str]:
    """Return a title, headings and one line per strategy, in the scenario's order, or []."""
    strategies: dict[tuple[str, int, str], list[Alternative]] = {}
    for row in trace[Alternative]:
        strategies.setdefault((row.strategy, row.shift, row.retrieval), []).append(row)
    if not strategies or max_lines <= LINES_AROUND:
        return []
    cells = [_cells(strategy, shift, rows) for (strategy, shift, _), rows in strategies.items()]
    one_retrieval = len({row[RETRIEVAL] for row in cells}) == 1
    columns = [
        replace(column, spare=3) if one_retrieval and number == RETRIEVAL else column
        for number, column in enumerate(COLUMNS)
    ]
    table = layout.table(columns, cells, indent=2)
    notes = table[1 + len(cells) :]
    room = max_lines - LINES_AROUND - len(notes)
    shown = len(cells) if len(cells) <= room else max(room - 1, 0)
    lines = ["What if, on what each boot inherits (the worst boot counts)", *table[: 1 + shown]]
    if len(cells) > shown:
        lines.append(f"  ... and {len(cells) - shown} more")
    return [*lines, *notes, ""]


def _cells(strategy: str, shift: int, rows: list[Alternative]) -> tuple[str, ...]:
    asked = rows[0].gigantic_pages_requested
    got = min(row.gigantic_pages_allocated for row in rows)
    dies = any(row.panic for row in rows)
    return (
        strategy,
        rows[0].retrieval,
        format_size(1 << shift) if has_blocks(strategy) else UNKNOWN,
        format_size(min(row.extended_bytes for row in rows)),
        f"{got}/{asked}" if asked else UNKNOWN,
        "dies" if dies else str(max(row.failures for row in rows)),
        str(min(row.failures_avoided for row in rows)),
        str(max(row.memory_regions_after for row in rows)),
        format_ns(max(row.extend_ns for row in rows)),
        format_ns(max(row.retrieve_ns or 0 for row in rows)),
    )
