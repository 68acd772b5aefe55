"""The report's table of boots: one line a kernel, long chains folded to the ones worth a look."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kho_sim.base.units import format_ns, format_size
from kho_sim.report.paint import Paint
from kho_sim.trace.records import Boot
from kho_sim.trace.trace import Trace

UNKNOWN = "-"
MAX_ROWS = 10
"""Kernels that are shown of a longer chain."""


@dataclass(frozen=True, slots=True)
class Row:
    """A kernel, and the kernel of the same number in the twin."""

    boot: Boot
    twin: Boot | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its group's heading, its own, its text, and its colour if not plain."""

    group: str
    heading: str
    text: Callable[[Row], str]
    colour: Callable[[Row], str] = lambda _: ""


def boot_lines(trace: Trace, paint: Paint) -> list[str]:
    """Return two lines of headings, then the kernels; columns without a value are left out."""
    rows = [Row(boot, twin) for boot, twin in _pairs(trace)]
    columns = [column for column in COLUMNS if any(column.text(r) != UNKNOWN for r in rows)]
    shown = _worth_a_look(rows)
    texts = [[column.text(row) for column in columns] for row in shown]
    widths = _widths(columns, texts)
    lines = [paint(line, "faint") for line in _headings(columns, widths)]
    last = -1
    for row, cells in zip(shown, texts, strict=True):
        index = rows.index(row)
        if index > last + 1:
            lines.append(f" ...  {index - last - 1} more")
        last = index
        painted = [
            paint(cell.rjust(width), column.colour(row))
            for column, cell, width in zip(columns, cells, widths, strict=True)
        ]
        lines.append(_joined(columns, painted))
    return lines


def _pairs(trace: Trace) -> Iterable[tuple[Boot, Boot | None]]:
    twins = {boot.boot: boot for boot in trace.twin.boot_records} if trace.twin else {}
    return ((boot, twins.get(boot.boot)) for boot in trace.boot_records)


def _worth_a_look(rows: list[Row]) -> list[Row]:
    """Return at most MAX_ROWS: the first ones, the last ones, those with failures, the extremes."""
    if len(rows) <= MAX_ROWS:
        return rows
    indexes = range(len(rows))
    wanted = [0, 1, 2, len(rows) - 1, len(rows) - 2]
    wanted += [index for index in indexes if rows[index].boot.failures][:3]
    for fact, best in (("extended_bytes", min), ("extend_ns", max), ("radix_nodes", max)):
        known = [index for index in indexes if getattr(rows[index].boot, fact) is not None]
        if known:
            wanted.append(best(known, key=lambda index: getattr(rows[index].boot, fact)))
    wanted += [index for index in indexes if rows[index].boot.failures_avoided]
    return [rows[index] for index in sorted(list(dict.fromkeys(wanted))[:MAX_ROWS])]


def _widths(columns: list[Column], texts: list[list[str]]) -> list[int]:
    """Return each column's width; the last of a group makes room for the group's heading."""
    cells = zip(*texts, strict=True)
    widths = [
        max([len(column.heading), *map(len, cell)])
        for column, cell in zip(columns, cells, strict=True)
    ]
    for group, indexes in _groups(columns):
        missing = len(group) - sum(widths[i] for i in indexes) - (len(indexes) - 1)
        widths[indexes[-1]] += max(missing, 0)
    return widths


def _headings(columns: list[Column], widths: list[int]) -> list[str]:
    above = []
    for group, indexes in _groups(columns):
        above.append(group.ljust(sum(widths[i] for i in indexes) + len(indexes) - 1))
    below = [column.heading.rjust(width) for column, width in zip(columns, widths, strict=True)]
    return ["  ".join(above).rstrip(), _joined(columns, below)]


def _groups(columns: list[Column]) -> list[tuple[str, list[int]]]:
    groups: dict[str, list[int]] = {}
    for index, column in enumerate(columns):
        groups.setdefault(column.group, []).append(index)
    return list(groups.items())


def _joined(columns: list[Column], cells: list[str]) -> str:
    """One blank inside a group, two between groups."""
    return "  ".join(" ".join(cells[i] for i in indexes) for _, indexes in _groups(columns))


def _count(value: int | None) -> str:
    if value is None:
        return UNKNOWN
    return str(value) if value < 10**6 else _short(f"{value / 10**6} M", 4).replace(" ", "")


def _size(value: int | None) -> str:
    return UNKNOWN if value is None else _short(format_size(value), 4)


def _time(value_ns: int | None) -> str:
    return UNKNOWN if value_ns is None else _short(format_ns(value_ns), 3)


def _short(text: str, digits: int) -> str:
    """Return '113.7 GiB' for '113.66 GiB' and 4 digits: more would not fit beside the rest."""
    number, _, unit = text.partition(" ")
    whole, point, _ = number.partition(".")
    if not point:
        return text
    decimals = max(digits - len(whole), 0)
    return f"{round(float(number), decimals or None)} {unit}"


def _pages(boot: Boot | None) -> str:
    """Return the gigantic pages that were obtained, if any were asked for."""
    if boot is None or not boot.gigantic_pages_requested:
        return UNKNOWN
    return _count(boot.gigantic_pages_allocated)


def _pages_of_asked(boot: Boot) -> str:
    pages = _pages(boot)
    return pages if pages == UNKNOWN else f"{pages}/{_count(boot.gigantic_pages_requested)}"


def _pages_colour(boot: Boot | None) -> str:
    missing = boot is not None and boot.gigantic_pages_allocated != boot.gigantic_pages_requested
    return "bad" if missing and _pages(boot) != UNKNOWN else ""


def _avoided(boot: Boot) -> str:
    return UNKNOWN if boot.kind == "cold" else _count(boot.failures_avoided)


def _busy(boot: Boot) -> str:
    return UNKNOWN if boot.busy_blocks is None else _count(len(boot.busy_blocks))


COLUMNS = (
    Column("", "boot", lambda row: str(row.boot.boot)),
    Column("", "kind", lambda row: row.boot.kind),
    Column(
        "early allocs",
        "failed",
        lambda row: _count(row.boot.failures),
        lambda row: "bad" if row.boot.failures else "",
    ),
    Column(
        "early allocs",
        "avoided",
        lambda row: _avoided(row.boot),
        lambda row: "good" if row.boot.failures_avoided else "",
    ),
    Column(
        "1 GiB pages",
        "got",
        lambda row: _pages_of_asked(row.boot),
        lambda row: _pages_colour(row.boot),
    ),
    Column(
        "1 GiB pages", "without", lambda row: _pages(row.twin), lambda row: _pages_colour(row.twin)
    ),
    Column("preserved", "keys", lambda row: _count(row.boot.preservations)),
    Column("preserved", "bytes", lambda row: _size(row.boot.preserved_bytes)),
    Column("tree", "pages", lambda row: _count(row.boot.radix_nodes)),
    Column("busy", "blocks", lambda row: _busy(row.boot)),
    Column("extended", "bytes", lambda row: _size(row.boot.extended_bytes)),
    Column("extended", "time", lambda row: _time(row.boot.extend_ns)),
)
