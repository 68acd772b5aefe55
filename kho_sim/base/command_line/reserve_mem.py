"""``reserve_mem=size:align:name``: named memory, as many areas as the kernel takes.

Source: reserve_mem(), mm/memblock.c. Bad ones are dropped in silence.
"""

from __future__ import annotations

from kho_sim.base.command_line.options import ReserveMem
from kho_sim.base.command_line.words import SPACES
from kho_sim.base.units import memparse

RESERVE_MEM_MAX = 8
"""RESERVE_MEM_MAX_ENTRIES, mm/memblock.c."""
NAME_MAX = 15
MIN_ALIGN_BYTES = 64
"""SMP_CACHE_BYTES: a smaller alignment is raised to it."""


def read_reserve_mem(
    value: str | None, before: tuple[ReserveMem, ...]
) -> tuple[tuple[ReserveMem, ...], str]:
    """Return the areas after this option, and why it was dropped ('' if it was not)."""
    size_text, _, rest = (value or "").partition(":")
    align_text, colon, name = rest.partition(":")
    size_bytes, size_junk = memparse(size_text)
    align_bytes, align_junk = memparse(align_text)
    good = size_bytes and colon and not size_junk and not align_junk
    good = good and name.strip(SPACES) and len(name) <= NAME_MAX
    taken = name in (area.name for area in before)
    if good and not taken and len(before) < RESERVE_MEM_MAX:
        return (*before, ReserveMem(size_bytes, max(align_bytes, MIN_ALIGN_BYTES), name)), ""
    return before, _why_dropped(bool(good), taken)


def _why_dropped(good: bool, taken: bool) -> str:
    if not good:
        return "the kernel drops this in silence; it takes size:align:name"
    if taken:
        return "the kernel drops this in silence: the name is taken"
    return f"the kernel drops this in silence: it takes {RESERVE_MEM_MAX} areas"
