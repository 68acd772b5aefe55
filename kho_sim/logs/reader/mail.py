"""Logs that came by mail: quoted-printable text, and lines that a mailer folded.

Whether a log is of such a form is told by its first lines. Left out: text that was folded in
no entry of the firmware's map; then nothing in it says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from kho_sim.logs.reader.clean import is_stamped

HEAD_LINES = 1000
"""How many lines tell the form; the firmware's map is among the first of a boot."""
HEAD_BYTES = 1 << 18
WHOLE_BYTES = 1 << 16
"""A line is not made longer than this."""
_ESCAPE = re.compile(rb"=([0-9A-F]{2})")
_NO_ESCAPE = re.compile(rb"=(?![0-9A-F]{2}|\r?$)", re.MULTILINE)
_SOFT_END = re.compile(rb"=\r?$")
_CUT_ENTRY = re.compile(rb"BIOS-e820: \[mem 0x[0-9a-f]{1,16}-0x[0-9a-f]{1,16}\]\s*$", re.MULTILINE)


def unfolded(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines as they were before they were sent; other logs pass as they are."""
    rest = iter(lines)
    head = _head(rest)
    text = b"\n".join(head)
    lines = chain(head, rest)
    if b"=3D" in text and not _NO_ESCAPE.search(text):
        lines = _decoded(lines)
    return _joined(lines) if _CUT_ENTRY.search(text) and is_stamped(head) else lines


def _head(lines: Iterator[bytes]) -> list[bytes]:
    head: list[bytes] = []
    size_bytes = 0
    for line in islice(lines, HEAD_LINES):
        head.append(line)
        size_bytes += len(line)
        if size_bytes > HEAD_BYTES:
            break
    return head


def _decoded(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Undo quoted-printable; an `=` at the end of a line joins it with the next."""
    part = b""
    for line in lines:
        soft = _SOFT_END.search(line)
        part += line[: soft.start()] if soft else line
        if not soft or len(part) > WHOLE_BYTES:
            yield _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), part)
            part = b""
    if part:
        yield part


def _joined(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Join each line that has no stamp with the one before it."""
    whole = b""
    for line in lines:
        if is_stamped([line]) or not line.strip() or len(whole) > WHOLE_BYTES:
            if whole:
                yield whole
            whole = line.rstrip()
        else:
            whole = b" ".join((whole, line.strip()))
    if whole:
        yield whole
