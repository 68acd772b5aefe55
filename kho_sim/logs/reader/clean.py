"""What stands around a kernel message: stamps, quoting, terminal codes. Here it is taken off.

Known: printk stamps (with caller ids or log levels), `dmesg -T`, `journalctl -k` and syslog
prefixes, ISO stamps, mail quotes, ANSI escapes, carriage returns and stray control bytes.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_c])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]+")
_STAMP = r"\[ *(\d{1,10})\.(\d{6})\](?:\[ *[TC]\d+\])?(?: |$)"
_PREFIX = re.compile(
    r"(?:> ?)*"
    r"(?:(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*)"
    r" \S+ kernel: )?"
    r"(?:<\d{1,3}>)?"
    rf"(?:{_STAMP}|\[[A-Z][a-z]{{2}} [A-Z][a-z]{{2}} [ \d]\d \d\d:\d\d:\d\d \d{{4}}\](?: |$))?"
)
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


def _unprefixed(text: str) -> Message:
    match = _PREFIX.match(text)
    if match is None:
        return Message(text, None)
    seconds, micros = match.group(1), match.group(2)
    stamp_ns = None if seconds is None else int(seconds) * 10**9 + int(micros) * 1000
    return Message(text[match.end() :], stamp_ns)
