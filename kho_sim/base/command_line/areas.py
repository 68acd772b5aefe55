"""``cma=``, ``kernelcore=`` and ``movablecore=``: parts of memory that the kernel keeps free of its
own pages.

Source: early_cma(), kernel/dma/contiguous.c; cmdline_parse_core(), mm/mm_init.c; the kernel's list
of parameters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from kho_sim.base.units import memparse

MIRROR = "mirror"
"""A ``kernelcore=`` that is left out: the kernel has mirrored memory only."""


@dataclass(frozen=True, slots=True)
class CmaRequest:
    """``cma=size@start-end``: the area for contiguous memory, in [start, end); an ``end`` of 0 is
    that of memory, a size of 0 bytes no area."""

    size_bytes: int = 0
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class MovableCore:
    """How much memory the kernel may use for itself (``kernelcore=``), and how much it may not
    (``movablecore=``): bytes, or percent of all memory where the bytes are 0."""

    kernel_bytes: int = 0
    kernel_percent: int = 0
    movable_bytes: int = 0
    movable_percent: int = 0


def read_cma(value: str) -> CmaRequest:
    """Return what ``cma=`` asks for; a place without an end is the only one allowed."""
    size_bytes, rest = memparse(value)
    start = end = 0
    if rest.startswith("@"):
        start, rest = memparse(rest[1:])
        end = memparse(rest[1:])[0] if rest.startswith("-") else start + size_bytes
    return CmaRequest(size_bytes, start, end)


def read_core(name: str, value: str, before: MovableCore) -> MovableCore:
    """Return the request after one more ``kernelcore=`` or ``movablecore=`` ('kernel',
    'movable')."""
    amount, rest = memparse(value)
    of_bytes, of_percent = (0, min(amount, 100)) if rest.startswith("%") else (amount, 0)
    return replace(before, **{f"{name}_bytes": of_bytes, f"{name}_percent": of_percent})
