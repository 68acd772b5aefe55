"""Text laid out: tables that fit, that lose no digit, and that say the same in colour."""

from __future__ import annotations

import io
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kho_sim.layout import COLOURS, PLAIN, Cell, Column, Layout, at_terminal, markdown, of_terminal

ANSI = re.compile(r"\033\[[0-9;]*m")
COLUMNS = (
    Column("boot"),
    Column("kind", left=True),
    Column("failed", "early allocs"),
    Column("avoided", "early allocs"),
    Column("pages", "tree", spare=2),
    Column("blocks", "busy", spare=1),
)
ROWS = (
    ("0", "cold", "0", "-", "-", "-"),
    ("11", "kho", Cell("3", "bad"), Cell("526358", "good"), "37", "6"),
)


def test_columns_are_aligned_below_the_heading_of_their_group():
    assert PLAIN.table(COLUMNS, ROWS) == [
        "           early allocs    tree   busy",
        "boot kind  failed avoided  pages  blocks",
        "   0 cold       0       -      -       -",
        "  11 kho        3  526358     37       6",
    ]


def test_spare_columns_go_first_where_there_is_no_room_and_are_named():
    lines = Layout(35).table(COLUMNS, ROWS, indent=2)
    assert lines[1] == "  boot kind  failed avoided  blocks"
    assert lines[-2:] == ["  not shown, for want of room: tree", "      pages"]
    both = Layout(30).table(COLUMNS, ROWS)
    assert " ".join(both[-2:]).split()[-4:] == ["tree", "pages,", "busy", "blocks"]
    assert max(map(len, both[-3:])) <= 30


def test_text_wraps_between_words_and_numbers_do_not():
    columns = (Column("name", left=True), Column("size"), Column("interval", left=True, wraps=True))
    rows = (("extended_bytes_min", "3.04 GiB", "1 MiB to 2 MiB (5)"),)
    assert Layout(42).table(columns, rows) == [
        "name                    size  interval",
        "extended_bytes_min  3.04 GiB  1 MiB to 2",
        "                              MiB (5)",
    ]


def test_a_row_with_a_wrapped_cell_keeps_its_numbers_in_its_first_line():
    columns = (
        Column("worst", left=True, wraps=True),
        Column("with", "failed"),
        Column("time", spare=1),
    )
    rows = (("completed, lacks", "12", "1.5 s"), ("completed", "0", "2.5 s"))
    assert Layout(25).table(columns, rows) == [
        "            failed",
        "worst         with   time",
        "completed,      12  1.5 s",
        "lacks",
        "completed        0  2.5 s",
    ]


def test_a_group_with_a_longer_heading_than_its_column_makes_room_for_it():
    columns = (Column("a"), Column("b", "gigantic pages"), Column("c", "busy"))
    assert PLAIN.table(columns, [("1", "22", "3")]) == [
        "   gigantic pages  busy",
        "a               b     c",
        "1              22     3",
    ]


texts = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=12)
tables = st.integers(1, 5).flatmap(
    lambda width: st.tuples(
        st.lists(texts, min_size=width, max_size=width),
        st.lists(st.lists(texts, min_size=width, max_size=width), max_size=4),
    )
)


@given(tables, st.integers(1, 60), st.integers(0, 4))
def test_no_cell_is_ever_cut(table, width, indent):
    heads, rows = table
    lines = Layout(width).table([Column(head) for head in heads], rows, indent)
    assert [line.split() for line in lines] == [heads, *rows]
    assert all(line.startswith(" " * indent) and line == line.rstrip() for line in lines)


@given(tables, st.sampled_from(sorted(COLOURS)))
def test_colour_changes_no_word(table, colour):
    heads, rows = table
    columns = [Column(head, group=head[:1], left=True) for head in heads]
    cells = [[Cell(text, colour) for text in row] for row in rows]
    coloured = Layout(80, colour=True).table(columns, cells)
    assert [ANSI.sub("", line) for line in coloured] == Layout(80).table(columns, cells)
    assert any(ANSI.search(line) for line in coloured)


def test_what_looks_like_markup_is_shown_as_it_is():
    assert PLAIN.table([Column("[bold]")], [["[red]x[/red]"]])[1] == "[red]x[/red]"


@pytest.mark.parametrize(("columns", "width"), [("40", 80), ("132", 132)])
def test_a_terminal_gives_its_width_and_colour_unless_it_is_asked_not_to(
    columns, width, monkeypatch
):
    assert of_terminal() == PLAIN
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert of_terminal() == Layout(width, colour=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert of_terminal() == Layout(width, colour=False)


def test_markdown_escapes_what_would_end_a_cell():
    assert markdown(["a", "b"], [["x|y", 1], ["two\nlines", 2.5]], right_from=1) == (
        "| a | b |\n| --- | ---: |\n| x\\|y | 1 |\n| two lines | 2.5 |"
    )
    assert markdown(["a"], []) == "| a |\n| --- |"


def test_columns_of_markdown_are_aligned_to_the_right_from_one_up_to_another():
    def rules(*right):
        return markdown("abcd", [], *right).splitlines()[1]

    assert rules() == "| --- | --- | --- | --- |"
    assert rules(1) == "| --- | ---: | ---: | ---: |"
    assert rules(1, 3) == "| --- | ---: | ---: | --- |"


def test_a_line_of_columns_goes_on_below_its_last_column():
    line = "  keys_walked  4.0  fitted to the patch's 47 us; share of a key: assumed"
    assert Layout(50).fitted(line) == [
        "  keys_walked  4.0  fitted to the patch's 47 us;",
        "                    share of a key: assumed",
    ]
    assert Layout(30).fitted("note: kernel.release: source only and more") == [
        "note: kernel.release: source",
        "    only and more",
    ]
    assert PLAIN.fitted("short") == ["short"]


def test_a_last_column_without_room_goes_below_the_others():
    line = "  initcalls   450 ms    700 ms     1.8 s  derived: others, of which CPUs have a part"
    assert Layout(45).fitted(line) == [
        "  initcalls   450 ms    700 ms     1.8 s",
        "      derived: others, of which CPUs have a",
        "      part",
    ]


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]) | st.just(" ")))
def test_fitted_lines_lose_no_word_and_are_no_wider(text):
    lines = Layout(60).fitted(text)
    assert " ".join(lines).split() == text.split()
    assert all(len(line) <= 60 or len(max(line.split(), key=len)) > 15 for line in lines)


def test_only_a_terminal_gets_lines_that_fit(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("COLUMNS", "80")
    long = " ".join(["word"] * 40)
    assert at_terminal(long, io.StringIO()) == long
    lines = at_terminal(f"{long}\nshort", Terminal()).split("\n")
    assert max(map(len, lines)) <= 80
    assert lines[-1] == "short"
