"""The kernel's small text readers: words of a command line, booleans, numbers.

Models next_arg() (lib/cmdline.c), kstrtobool() (lib/kstrtox.c) and the numbers of sscanf() and
simple_strtoul(). Sizes with suffixes are ``units.memparse``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from kho_sim.base.units import SIZE_LIMIT, memparse

SPACES = " \t\n\v\f\r"

_BASED_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|[0-9]+")
_DECIMAL = re.compile(r"[ \t\n\v\f\r]*([0-9]+)")


class Word(NamedTuple):
    """A word of a command line: ``value`` is None where there is no '='; ``start`` to ``end`` is
    where it stands."""

    name: str
    value: str | None
    start: int
    end: int


def split_words(text: str) -> list[Word]:
    """Return the words of a command line.

    Double quotes keep spaces; a quote that opens the word or its value is taken away, with the one
    that ends the word.
    """
    words = []
    start, quoted = None, False
    for at, character in enumerate(text + " "):
        if character in SPACES and not (quoted and at < len(text)):
            if start is not None:
                words.append(Word(*_split_word(text[start:at]), start, at))
            start = None
            continue
        start = at if start is None else start
        quoted ^= character == '"'
    return words


def _split_word(word: str) -> tuple[str, str | None]:
    opened = word.startswith('"')
    if opened:
        word = word[1:].removesuffix('"')
    # A word that starts with '=' is a name: the kernel takes position 0 for "none seen yet".
    equals = word.find("=", 1)
    if equals < 0:
        return word, None
    value = word[equals + 1 :]
    if value.startswith('"'):
        value = value[1:] if opened else value[1:].removesuffix('"')
    return word[:equals], value


def boolean(text: str | None) -> bool | None:
    """Return what kstrtobool() makes of a text; None where it refuses."""
    if not text:
        return None
    if text[0] in "yYtTeE1" or text[:2].lower() == "on":
        return True
    if text[0] in "nNfFdD0" or text[:2].lower() == "of":
        return False
    return None


def whole_number(text: str) -> int | None:
    """Return the number at the start of a text, 0x and 0 as base prefixes; None without one."""
    number = _BASED_NUMBER.match(text)
    return memparse(number[0])[0] if number else None


def decimal_number(text: str) -> tuple[int, str] | None:
    """Return the decimal number after any spaces, wrapped at 2^64, and the rest; None if none."""
    number = _DECIMAL.match(text)
    if number is None:
        return None
    value = 0
    for digit in number[1]:
        value = (value * 10 + int(digit)) % SIZE_LIMIT
    return value, text[number.end() :]
