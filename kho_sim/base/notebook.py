"""What a notebook shows of an object: a few values by name, or a text as a terminal has it.

For ``_repr_html_`` of the objects that users hold; whole pages are ``report/html``.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

EDGES = {"good": "#009e73", "amber": "#e69f00", "bad": "#d55e00"}
"""Colours of headlines, as on the page of a report."""


def values_html(title: str, values: Iterable[tuple[str, object]]) -> str:
    """Return a small table: one row per name and value; empty values are left out."""
    rows = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th>'
        f'<td style="text-align:left">{escape(str(value))}</td></tr>'
        for name, value in values
        if value != ""
    )
    return f"<table><caption>{escape(title)}</caption><tbody>{rows}</tbody></table>"


def sentence_html(sentence: str, colour: str) -> str:
    """Return a sentence behind an edge in one of the colours of headlines."""
    edge = f"border-left: .4em solid {EDGES[colour]}; padding-left: .6em"
    return f'<p style="{edge}">{escape(sentence)}</p>\n'


def text_html(text: str) -> str:
    """Return a text whose columns stay where they are, also where a page gives ``pre`` a font."""
    return f'<pre style="font-family: monospace">{escape(text)}</pre>'
