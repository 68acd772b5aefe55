"""What stands around a kernel message: stamps, quoting, terminal codes. Here it is taken off.

Known: printk stamps (with caller ids or log levels), dmesg's forms (-H, -e, -d, -T, -x, ISO), those
of `journalctl -k -o` (short and what begins with it, with-unit), syslog prefixes, mail quotes, ANSI
escapes, carriage returns and stray control bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_c])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]+")
_STAMP = (
    r"\[ *(\d{1,10})\.(\d{6})(?: < *\d{1,10}\.\d{6}>)?\](?:\[ *[TC]\d+\])?(?: |$)"  # also dmesg -d
)
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
_ISO = rf"\d{{4}}-\d\d-\d\d[T ]{_CLOCK}(?:Z|[+-]\d\d:?\d\d)?"
_JOURNAL = (
    rf"(?:[A-Z][a-z]{{2}} [ \d]\d {_CLOCK}|{_ISO}|\d{{9,11}}\.\d{{6}}"
    rf"|[A-Z][a-z]{{2}} \d{{4}}-\d\d-\d\d {_CLOCK} \S+)"
)
_DATE = rf"[A-Z][a-z]{{2}} [A-Z][a-z]{{2}} [ \d]\d {_CLOCK} \d{{4}}(?: < *\d{{1,10}}\.\d{{6}}>)?"
_SHORT_DATE = r"[A-Z][a-z]{2} ?\d{1,2} \d\d:\d\d"  # dmesg -H and -e, for the first line of a minute
_DELTA = r" *\+\d{1,10}\.\d{6}"
_QUOTES = r"(?:> ?)*"
_HOST = r"(?:\S+ )?kernel: "
_PREFIX = re.compile(
    rf"{_QUOTES}"
    rf"(?:{_JOURNAL} {_HOST}|{_ISO} )?"
    r"(?:[a-z]+ *:[a-z]+ *: )?"  # dmesg -x
    r"(?:<\d{1,3}>)?"
    rf"(?:{_STAMP}(?:\S+ kernel: )?|\[(?:{_DATE}|{_SHORT_DATE}|{_DELTA})\](?: |$))?"
)
_QUOTES_ONLY = re.compile(_QUOTES)
_INNER_STAMP = re.compile(r"\[ *\d{1,10}\.\d{6}\] ")


class Message(NamedTuple):
    """The text of one line, and its printk stamp in ns since its boot began (None: no stamp)."""

    text: str
    stamp_ns: int | None


def clean(raw: bytes) -> list[Message]:
    """Return the message of a line; two where the kernel broke into a line of user space."""
    text = raw.decode("utf-8", "replace").rstrip("\r")  # so that console logs go the fast way
    if not text.isprintable():
        text = _CONTROL.sub("", _ESCAPE.sub("", text))
    first = _unprefixed(text)
    if first.stamp_ns is None and (inner := _INNER_STAMP.search(first.text)):
        return [
            Message(first.text[: inner.start()], None),
            _unprefixed(first.text[inner.start() :]),
        ]
    return [first]


def is_stamped(lines: Iterable[bytes]) -> bool:
    """Tell whether one of the lines has a stamp of a known form, behind quotes or not."""
    for line in lines:
        text = line.decode("utf-8", "replace")
        prefix, quotes = _PREFIX.match(text), _QUOTES_ONLY.match(text)
        if prefix and quotes and prefix.end() > quotes.end():
            return True
    return False


def _unprefixed(text: str) -> Message:
    match = _PREFIX.match(text)
    if match is None:
        return Message(text, None)
    seconds, micros = match.group(1), match.group(2)
    stamp_ns = None if seconds is None else int(seconds) * 10**9 + int(micros) * 1000
    return Message(text[match.end() :], stamp_ns)
