"""Small readers for numbers and ranges as kernel messages write them. All raise ValueError."""

from __future__ import annotations

from typing import TypeVar

DIGIT_LIMIT = 20
_T = TypeVar("_T")


def decimal(text: str) -> int:
    """Return a decimal number of at most 20 digits."""
    return int(_bounded(text))


def hexadecimal(text: str) -> int:
    """Return a hexadecimal number with or without 0x, below 2^64."""
    return _below_64_bits(int(_bounded(text), 16))


def half_open(first: str, last: str) -> tuple[int, int]:
    """Return [first, last + 1) of a printed closed range; the empty range has last = first - 1."""
    return ordered(hexadecimal(first), hexadecimal(last) + 1)


def ordered(start: int, end: int) -> tuple[int, int]:
    """Return the range; an end below the start is no range."""
    if end < start:
        raise ValueError(f"{start:#x}-{end:#x} runs backwards")
    return start, end


def known(value: _T | None) -> _T:
    """Return what a pattern found; nothing found means that the line is not readable."""
    if value is None:
        raise ValueError("the line does not have the form of its kind")
    return value


def _bounded(text: str) -> str:
    if len(text) > DIGIT_LIMIT:
        raise ValueError("a number has too many digits")
    return text


def _below_64_bits(value: int) -> int:
    if not 0 <= value < 1 << 64:
        raise ValueError(f"{value} is not an address")
    return value
