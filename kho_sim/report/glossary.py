"""The terms that reports use, each with one line (``glossary.toml``).

A term is recognised in the name of a column by its words: ``scratch_areas`` has the term scratch,
``memory_regions_before`` the term memory region.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

DATA = Path(__file__).with_name("glossary.toml")


@cache
def glossary() -> dict[str, dict[str, str]]:
    """Return subject -> term -> line, as in the file."""
    return tomllib.loads(DATA.read_text(encoding="utf-8"))


def line_for(column: str) -> str:
    """Return the line of the term in a column's name, or ''."""
    return _lines().get(term_for(column), "")


def anchor(term: str) -> str:
    """Return the name of a term's place in a page, '' for no term."""
    return f"term-{term.replace(' ', '-')}" if term else ""


def term_for(column: str) -> str:
    """Return the longest term in a column's name, the first of equal ones, or ''."""
    words = _words(column)
    terms = _terms()
    for length in range(len(words), 0, -1):
        for start in range(len(words) - length + 1):
            if term := terms.get(words[start : start + length]):
                return term
    return ""


@cache
def _terms() -> dict[tuple[str, ...], str]:
    return {_words(term): term for term in _lines()}


@cache
def _lines() -> dict[str, str]:
    return {term: line for terms in glossary().values() for term, line in terms.items()}


def _words(text: str) -> tuple[str, ...]:
    """Return the words of a name, in the singular and without regard to case."""
    parts = text.casefold().replace("-", "_").replace(" ", "_").replace(".", "_").split("_")
    return tuple(part if part.endswith("ss") else part.removesuffix("s") for part in parts)
