"""``mem=`` and ``memmap=``: how a command line changes the firmware's map, edit by edit.

Left out: ``memmap=size%offset-old+new``, which changes types of entries.

Source: the kernel's list of parameters, for x86.
"""

from __future__ import annotations

from typing import NamedTuple

from kho_sim.base.units import memparse

LIMIT, FORGET, USE, KEEP_OFF = "limit", "forget", "use", "keep off"
"""Kinds of edits: no memory from ``start`` on; an empty map; a range is memory; it is not."""
SEPARATORS = {"@": USE, "#": KEEP_OFF, "$": KEEP_OFF, "!": KEEP_OFF}
TYPES = "%"
"""The separator of the form that is left out."""


class MemoryEdit(NamedTuple):
    """One change of the map, in bytes; ``end`` counts for the two kinds that have a range."""

    kind: str
    start: int = 0
    end: int = 0


def read_mem(value: str) -> MemoryEdit | None:
    """Return the edit of ``mem=size``; None where the kernel calls it malformed."""
    size_bytes = memparse(value)[0]
    return MemoryEdit(LIMIT, size_bytes) if size_bytes else None


def read_memmap(part: str) -> MemoryEdit | None:
    """Return the edit of one part of ``memmap=``, which commas separate; None if malformed."""
    if part == "exactmap":
        return MemoryEdit(FORGET)
    size_bytes, rest = memparse(part)
    if rest == part or not size_bytes:
        return None
    if not rest:
        return MemoryEdit(LIMIT, size_bytes)
    kind = SEPARATORS.get(rest[0])
    start, junk = memparse(rest[1:])
    if kind is None or junk == rest[1:]:
        return None
    return MemoryEdit(kind, start, start + size_bytes)
