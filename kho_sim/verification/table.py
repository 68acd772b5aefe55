"""The readable form of ``verify``: what is exact, what differs and by how much, why if known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kho_sim.base.units import counted, show
from kho_sim.layout import PLAIN, Cell, Column, Layout
from kho_sim.verification.document import totals
from kho_sim.verification.explained import Explained, reason
from kho_sim.verification.log_check import Difference, LogCheck

COLUMNS = (Column("", left=True), *map(Column, ("compared", "exact", "close")))
MAX_DIFFERENCES = 40
MAX_NOTES = 10
MAX_ITEMS = 6
"""Items of a list that are shown of each side."""


def verify_text(
    checks: Sequence[LogCheck], explained: Sequence[Explained] = (), layout: Layout = PLAIN
) -> str:
    """Return the table and the differences, without a line end."""
    sums = totals(checks)
    lines = [f"{counted(sums['logs'], 'log')}, {counted(sums['boots'], 'boot')}", ""]
    cells: list[list[str | Cell]] = []
    for title, rows in _groups(sums):
        if rows:
            cells += [[Cell(title, "faint"), "", "", ""], *(_row(*row) for row in rows.items())]
    lines += layout.table(COLUMNS, cells)
    left_out = sums["placements"]["left_out"]
    if left_out:
        lines += ["", f"{left_out} early allocations cannot be replayed: {_reasons(checks)}"]
    return "\n".join([*lines, *_differences(checks, explained), *_notes(checks)])


def _groups(sums: dict[str, Any]) -> list[tuple[str, dict[str, dict[str, int]]]]:
    blind = {"outcome": sums["outcomes"], **sums["facts"]}
    tolerant = {name: row for name, row in blind.items() if "close" in row}
    exact = {name: row for name, row in blind.items() if name not in tolerant and row["compared"]}
    return [
        ("early allocations, replayed", {"address": sums["placements"]}),
        ("single steps, from the logged state", sums["steps"]),
        ("whole chains, blind", exact),
        ("whole chains, blind; follow the page allocator", tolerant),
    ]


def _row(name: str, row: dict[str, int]) -> list[str | Cell]:
    exact = Cell(str(row["exact"]), "" if row["exact"] == row["compared"] else "amber")
    return [f"  {name}", str(row["compared"]), exact, str(row.get("close", ""))]


def _reasons(checks: Sequence[LogCheck]) -> str:
    reasons = {why for check in checks for boot in check.boots for why in boot.placements.left_out}
    return "; ".join(sorted(reasons))


def _differences(checks: Sequence[LogCheck], explained: Sequence[Explained]) -> list[str]:
    """Unexplained ones first, then what is not close, what is known, and what is close."""
    found = [difference for check in checks for difference in check.differences()]
    if not found:
        return []
    found.sort(key=lambda difference: _rank(difference, explained))
    lines = ["", "differences"]
    for difference in found[:MAX_DIFFERENCES]:
        lines += _difference_lines(difference, reason(difference, explained))
    if len(found) > MAX_DIFFERENCES:
        lines.append(f"  ... and {len(found) - MAX_DIFFERENCES} more, all of them with --json")
    return lines


def _notes(checks: Sequence[LogCheck]) -> list[str]:
    notes = [f"  {note}" for check in checks for note in check.notes]
    more = [f"  ... and {len(notes) - MAX_NOTES} more"] if len(notes) > MAX_NOTES else []
    return ["", "notes", *notes[:MAX_NOTES], *more] if notes else []


def _rank(difference: Difference, explained: Sequence[Explained]) -> int:
    if difference.follows_placement:
        return 3 if difference.comparison.close else 1
    return 2 if reason(difference, explained) else 0


def _difference_lines(difference: Difference, why: str) -> list[str]:
    log, boot, of, name, value = difference
    head = f"  {log}, boot {boot}, {of}: {name}" if of != name else f"  {log}: {name}"
    close = " (close)" if value.close else ""
    text = f"simulated {_shown(name, value.predicted)}, real {_shown(name, value.observed)}"
    lines = [head, f"      {text}{_by_how_much(value.predicted, value.observed)}{close}"]
    return [*lines, f"      known: {why}"] if why else lines


def _by_how_much(predicted: Any, observed: Any) -> str:
    if not (isinstance(predicted, int) and isinstance(observed, int) and observed):
        return ""
    return f": {(predicted - observed) / observed:+.1%}"


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, int):
        if name.endswith("_bytes"):
            return f"{value:#x} ({show(name, value)})"
        return str(value) if abs(value) < 1 << 20 else f"{value:#x}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        items = ", ".join(_shown("", item) for item in value[:MAX_ITEMS])
        more = f", ... {len(value)} in all" if len(value) > MAX_ITEMS else ""
        return f"({items}{more})"
    return str(value) or "''"
