"""The report's table of boots: one line per kernel, the middle of long chains folded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

from kho_sim.base.units import format_ns, format_size
from kho_sim.layout import WIDTH, Cell, Column, Layout
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
class Fact:
    """A column, the text of its cell for a kernel, and the colour of that text."""

    column: Column
    text: Callable[[Row], str]
    colour: Callable[[Row], str] = lambda _: ""


def boot_lines(trace: Trace, layout: Layout) -> list[str]:
    """Return two lines of headings, then the kernels; columns without a value are left out."""
    rows = [Row(boot, twin) for boot, twin in _pairs(trace)]
    facts = [fact for fact in FACTS if any(fact.text(row) != UNKNOWN for row in rows)]
    cells: list[list[str | Cell]] = []
    last = -1
    # In a narrow terminal the table may need a line that names the columns left out.
    for index in _worth_a_look(rows, MAX_ROWS - (layout.width < WIDTH)):
        row = rows[index]
        if index > last + 1:
            folded = ["...", f"{index - last - 1} more"]
            cells.append([*folded, *[""] * (len(facts) - len(folded))])
        last = index
        cells.append([Cell(fact.text(row), fact.colour(row)) for fact in facts])
    return layout.table([fact.column for fact in facts], cells)


def _pairs(trace: Trace) -> Iterable[tuple[Boot, Boot | None]]:
    twins = {boot.boot: boot for boot in trace.twin[Boot]} if trace.twin else {}
    return ((boot, twins.get(boot.boot)) for boot in trace[Boot])


def _worth_a_look(rows: list[Row], most: int) -> list[int]:
    """Return the places of at most so many lines: the first ones, the last ones, those with
    failures, the extremes. A row that would be folded alone is shown in place of that line."""
    indexes = range(len(rows))
    if len(rows) <= most:
        return list(indexes)
    wanted = [0, 1, 2, len(rows) - 1, len(rows) - 2]
    wanted += [index for index in indexes if rows[index].boot.failures][:3]
    for fact, best in (("extended_bytes", min), ("extend_ns", max), ("radix_nodes", max)):
        known = [index for index in indexes if getattr(rows[index].boot, fact) is not None]
        if known:
            wanted.append(best(known, key=lambda index: getattr(rows[index].boot, fact)))
    wanted += [index for index in indexes if rows[index].boot.failures_avoided]
    chosen = sorted(list(dict.fromkeys(wanted))[:most])
    alone = [one + 1 for one, other in pairwise(chosen) if other == one + 2]
    return sorted([*chosen, *alone])


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
    """Return the gigantic pages of all that were asked for, those handed on included."""
    if boot is None or not boot.gigantic_pages_requested:
        return UNKNOWN
    return f"{_count(boot.gigantic_pages_allocated)}/{_count(boot.gigantic_pages_requested)}"


def _pages_new(boot: Boot) -> str:
    """Return how many of them this kernel made itself, where some were handed on."""
    kept, got = boot.gigantic_pages_kept, boot.gigantic_pages_allocated
    return UNKNOWN if kept is None or got is None else _count(got - kept)


def _pages_colour(boot: Boot | None) -> str:
    missing = boot is not None and boot.gigantic_pages_allocated != boot.gigantic_pages_requested
    return "bad" if missing and _pages(boot) != UNKNOWN else ""


def _avoided(boot: Boot) -> str:
    return UNKNOWN if boot.kind == "cold" else _count(boot.failures_avoided)


def _busy(boot: Boot) -> str:
    return UNKNOWN if boot.busy_blocks is None else _count(len(boot.busy_blocks))


FACTS = (
    Fact(Column("boot"), lambda row: str(row.boot.boot)),
    Fact(Column("kind"), lambda row: row.boot.kind),
    Fact(
        Column("failed", "early allocs"),
        lambda row: _count(row.boot.failures),
        lambda row: "bad" if row.boot.failures else "",
    ),
    Fact(
        Column("avoided", "early allocs"),
        lambda row: _avoided(row.boot),
        lambda row: "good" if row.boot.failures_avoided else "",
    ),
    Fact(
        Column("got", "gigantic pages"),
        lambda row: _pages(row.boot),
        lambda row: _pages_colour(row.boot),
    ),
    Fact(Column("kept", "gigantic pages"), lambda row: _count(row.boot.gigantic_pages_kept)),
    Fact(Column("new", "gigantic pages", spare=4), lambda row: _pages_new(row.boot)),
    Fact(
        Column("without", "gigantic pages"),
        lambda row: _pages(row.twin),
        lambda row: _pages_colour(row.twin),
    ),
    Fact(Column("keys", "preserved", spare=1), lambda row: _count(row.boot.preservations)),
    Fact(Column("bytes", "preserved"), lambda row: _size(row.boot.preserved_bytes)),
    Fact(Column("pages", "tree", spare=3), lambda row: _count(row.boot.radix_nodes)),
    Fact(Column("blocks", "busy", spare=2), lambda row: _busy(row.boot)),
    Fact(Column("bytes", "extended"), lambda row: _size(row.boot.extended_bytes)),
    Fact(Column("time", "extended"), lambda row: _time(row.boot.extend_ns)),
)
