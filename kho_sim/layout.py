"""Text laid out: paragraphs and tables for a terminal, and tables in Markdown.

rich lays the tables out. What is no terminal gets plain text of a fixed width, so that it is the
same everywhere. Left out: pages, which are HTML (``report``).
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import groupby
from textwrap import wrap
from typing import TYPE_CHECKING, NamedTuple, TextIO, TypeVar

if TYPE_CHECKING:
    from rich.table import Table

WIDTH = 100
"""Columns of text that is not for a terminal, and of a paragraph at most."""
WIDTH_MIN = 80
"""Columns of the smallest terminal that tables are laid out for."""
INDENT = 4
"""Blanks before the lines in which a line goes on that has no columns."""
LAST_COLUMN_PART = 0.6
"""Part of the width up to which the last column of a line leaves room enough for it to go on."""
WIDTH_MAX = 10_000
"""Columns that no table has."""

COLOURS = {"good": "green", "bad": "bold red", "amber": "yellow", "faint": "dim", "": ""}
"""Colours by what they say. None carries what the text does not say."""

_NUMBER_AND_UNIT = re.compile(r"(?<=\d) (?=(?:[KMGTPE]i)?B\b|CPUs\b|nodes?\b)")
_GLUE = "\N{NO-BREAK SPACE}"
_ANSI = re.compile(r"\033\[[0-9;]*m")
_GAP = re.compile(r"(?<=\S) {2,}(?=\S)")
_WORD = re.compile(r"\S+")
_BLANKS_AT_END = re.compile(rf"(?: |{_ANSI.pattern})+$")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading, and the heading above it that it may share."""

    heading: str
    group: str = ""
    left: bool = False
    """Text; numbers are aligned to the right."""
    wraps: bool = False
    """May go on in the next line where there is no room; a number may not."""
    spare: int = 0
    """Columns with the highest number above 0 are left out first where there is no room."""


class Cell(NamedTuple):
    """Text in a colour of ``COLOURS``."""

    text: str
    colour: str = ""


Row = Sequence[str | Cell]
Group = tuple[str, list[int]]
"""The heading that columns share ('' is none), and their indices."""
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Layout:
    """The width of text, and whether it has colours. ``colour`` changes no word."""

    width: int = WIDTH
    colour: bool = False
    wraps: bool = True
    """False: sentences stay one line each and whole, for whoever shows them breaks lines."""

    def paint(self, text: str, colour: str) -> str:
        """Return text in a colour of ``COLOURS``."""
        if not self.colour:
            return text
        from rich.style import Style

        return Style.parse(COLOURS[colour]).render(text)

    def wrapped(self, text: str, indent: int = 0, first: int = 0, max_lines: int = 0) -> list[str]:
        """Return ``text`` in lines that fit; a number stays with its unit.

        Characters that cannot be printed, which a description or a log can hold, become blanks.
        ``indent`` is for all lines but the first one, ``first`` for that one. What does not fit
        into ``max_lines`` (0: any number) is cut, with an ellipsis.
        """
        printable = "".join(letter if letter.isprintable() else " " for letter in text)
        if not self.wraps:
            return [" " * first + printable.rstrip()]
        lines = wrap(
            _NUMBER_AND_UNIT.sub(_GLUE, printable),
            min(self.width, WIDTH),
            initial_indent=" " * first,
            subsequent_indent=" " * indent,
            max_lines=max_lines or None,
            placeholder=" ...",
            break_on_hyphens=False,
        )
        return [line.replace(_GLUE, " ") for line in lines]

    def fitted(self, line: str) -> list[str]:
        """Return a line that may have columns in lines that fit: it goes on below its last column,
        or is broken before that one, and indented, if it has too little room. Words that are longer
        stay whole."""
        if len(line) <= self.width:
            return [line]
        indent = len(line) - len(line.lstrip()) + INDENT
        last = max((gap.end() for gap in _GAP.finditer(line)), default=0)
        head, rest = line[:last], line[last:]
        if not head or len(head.rstrip()) > self.width:
            return self._broken(line, 0, indent)
        if last > LAST_COLUMN_PART * self.width:
            return [head.rstrip(), *self._broken(rest, indent, indent)]
        lines = self._broken(rest, last, last)
        return [head + lines[0][last:], *lines[1:]]

    def _broken(self, text: str, first: int, indent: int) -> list[str]:
        """Return text broken between words, a number with its unit, none of them shortened."""
        lines = wrap(
            _NUMBER_AND_UNIT.sub(_GLUE, text),
            self.width,
            initial_indent=" " * first,
            subsequent_indent=" " * indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        return [line.replace(_GLUE, " ") for line in lines]

    def labelled(self, label: str, text: str, max_lines: int = 2) -> list[str]:
        """Return '  Label   text', wrapped under the text."""
        return self.wrapped(f"{label:<10}{text}", indent=10, max_lines=max_lines)

    def table(self, columns: Sequence[Column], rows: Sequence[Row], indent: int = 0) -> list[str]:
        """Return headings and rows as lines, without blanks at their ends.

        A table that is too wide loses its spare columns, which a last line names; then its text
        wraps between words. No number is cut, even if the table does not fit then.
        """
        chosen = list(range(len(columns)))
        lines = self._lines(columns, rows, chosen, indent)
        left_out: list[str] = []
        while max(len(_ANSI.sub("", line)) for line in lines) > self.width:
            spare = max((columns[index].spare for index in chosen), default=0)
            if not spare:
                break
            gone = next(index for index in chosen if columns[index].spare == spare)
            left_out.append(f"{columns[gone].group} {columns[gone].heading}".strip())
            chosen.remove(gone)
            lines = self._lines(columns, rows, chosen, indent)
        note = f"not shown, for want of room: {', '.join(left_out)}"
        notes = self.wrapped(note, indent + INDENT, indent) if left_out else []
        return [*lines, *(self.paint(one, "faint") for one in notes)]

    def _lines(
        self, columns: Sequence[Column], rows: Sequence[Row], chosen: list[int], indent: int
    ) -> list[str]:
        """Lay out the chosen columns, with a line of the headings that they share, if any do."""
        from rich.console import Console
        from rich.rule import Rule

        groups = [(group, list(of)) for group, of in groupby(chosen, lambda i: columns[i].group)]
        table = _table(columns, rows, groups)
        if len(groups) > 1:
            table.add_row(*(Rule(style="none") for _ in chosen))
        console = Console(
            file=StringIO(), width=self.width - indent, force_terminal=self.colour, _environ={},
            color_system="standard" if self.colour else None, legacy_windows=False,
            force_jupyter=False,  # which would show what is captured, in a notebook
        )  # fmt: skip
        roomy = console.options.update(width=WIDTH_MAX)
        console.width = max(console.width, console.measure(table, options=roomy).minimum)
        with console.capture() as capture:
            console.print(table)
        lines = capture.get().splitlines()
        if len(groups) > 1:
            starts = [rule.start() for rule in _WORD.finditer(_ANSI.sub("", lines.pop()))]
            lines.insert(0, self.paint(_group_line(groups, starts), "faint"))
        return [" " * indent + _without_blanks_at_end(line) for line in lines]


PLAIN = Layout()
OF_PAGE = Layout(wraps=False)
"""Of text on a page: a browser breaks its sentences, and its tables are as those of a terminal."""


def of_terminal() -> Layout:
    """Return the layout for standard output: as wide as its terminal and in colour, if it is one.

    ``NO_COLOR`` and a dumb terminal switch colours off.
    """
    if not sys.stdout.isatty():
        return PLAIN
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return Layout(max(shutil.get_terminal_size().columns, WIDTH_MIN), not plain)


def at_terminal(text: str, stream: TextIO) -> str:
    """Return text as it is, or in lines that fit if ``stream`` is a terminal."""
    if not stream.isatty():
        return text
    layout = Layout(max(shutil.get_terminal_size().columns, WIDTH_MIN))
    return "\n".join(line for whole in text.split("\n") for line in layout.fitted(whole))


def markdown(
    heads: Sequence[str],
    rows: Iterable[Sequence[object]],
    right_from: int = -1,
    right_to: int | None = None,
) -> str:
    """Return a Markdown table; columns from ``right_from`` on, if any, are aligned to the right, up
    to ``right_to`` if that is given."""
    columns = range(len(heads))
    right = columns[right_from:right_to] if right_from >= 0 else ()
    rules = ["---:" if column in right else "---" for column in columns]
    body = [[_escaped(str(value)) for value in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, rules, *body))


def first_of(items: Sequence[Item], most: int) -> tuple[Sequence[Item], int]:
    """Return the first items and how many are left out: never a single one, whose place the words
    that say so would take."""
    shown = items if len(items) <= most + 1 else items[:most]
    return shown, len(items) - len(shown)


def _without_blanks_at_end(line: str) -> str:
    return _BLANKS_AT_END.sub(lambda end: "".join(_ANSI.findall(end[0])), line)


def _table(columns: Sequence[Column], rows: Sequence[Row], groups: Sequence[Group]) -> Table:
    """Return the columns of the groups, with one blank between them and two between groups; two
    everywhere if there is one group only."""
    from rich.cells import cell_len
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    blanks = 1 if len(groups) > 1 else 2
    table = Table(box=None, padding=(0, blanks, 0, 0), pad_edge=False, header_style="dim")
    chosen = [index for _, of in groups for index in of]
    behind = {of[-1]: 1 for _, of in groups[:-1]}
    least = {}
    for index in chosen:
        texts = [columns[index].heading, *map(_text, (row[index] for row in rows))]
        least[index] = max(map(cell_len, texts[:1] if columns[index].wraps else texts))
    for group, of in groups:
        taken = sum(least[index] for index in of) + blanks * (len(of) - 1)
        least[of[-1]] += max(cell_len(group) - taken, 0)

    def cell(text: str, index: int, style: str = "") -> Padding:
        return Padding(Text(text, style), (0, behind.get(index, 0), 0, 0))

    for index in chosen:
        column = columns[index]
        table.add_column(
            cell(column.heading, index),
            justify="left" if column.left else "right",
            no_wrap=not column.wraps,
            min_width=least[index] + behind.get(index, 0),
        )
    for row in rows:
        table.add_row(*(cell(_text(row[i]), i, _colour(row[i])) for i in chosen))
    return table


def _group_line(groups: Sequence[Group], starts: Sequence[int]) -> str:
    """Return the headings of groups, each where its first column starts."""
    line, first = "", 0
    for group, of in groups:
        line = line.ljust(starts[first]) + group
        first += len(of)
    return line


def _text(cell: str | Cell) -> str:
    return cell.text if isinstance(cell, Cell) else cell


def _colour(cell: str | Cell) -> str:
    return COLOURS[cell.colour] if isinstance(cell, Cell) else ""


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
