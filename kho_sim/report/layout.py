"""Lines of text for a terminal: how wide, and where they may break."""

from __future__ import annotations

import re
from textwrap import wrap

WIDTH = 100

_NUMBER_AND_UNIT = re.compile(r"(?<=\d) (?=(?:[KMGTPE]i)?B\b|CPUs\b|nodes?\b)")
_GLUE = "\N{NO-BREAK SPACE}"


def wrapped(text: str, indent: int = 0, first: int = 0, max_lines: int = 0) -> list[str]:
    """Return ``text`` in lines of at most WIDTH columns; a number stays with its unit.

    What can not be printed, which a description or a log can hold, becomes a blank.
    ``indent`` is for all lines but the first one, ``first`` for that one. What does not fit into
    ``max_lines`` (0: any number) is cut, and an ellipsis says so.
    """
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    lines = wrap(
        _NUMBER_AND_UNIT.sub(_GLUE, printable),
        WIDTH,
        initial_indent=" " * first,
        subsequent_indent=" " * indent,
        max_lines=max_lines or None,
        placeholder=" ...",
    )
    return [line.replace(_GLUE, " ") for line in lines]


def labelled(label: str, text: str, max_lines: int = 2) -> list[str]:
    """Return '  Label   text', wrapped under the text."""
    return wrapped(f"{label:<10}{text}", indent=10, max_lines=max_lines)
