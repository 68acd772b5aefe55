"""``crashkernel=``: memory that is kept for a kernel which dumps this one after a panic.

Models parse_crashkernel(): a size with an optional place, ranges of the machine's memory with a
size for each, and the forms ``,high``, ``,low`` and ``,cma``. Of each form the last one on the line
counts. Left out: taking the memory, which is memory's business (``memory.early.crash``).

Source: kernel-facts-distro section 6; the kernel's list of parameters for the forms.
"""

from __future__ import annotations

from dataclasses import dataclass

from kho_sim.base.extent import round_up
from kho_sim.base.units import memparse

PLAIN, HIGH, LOW, CMA = "", "high", "low", "cma"
KINDS = (HIGH, LOW, CMA)
MEMORY_ROUNDING_BYTES = 128 << 20
"""Firmware keeps some memory for itself, so a range is chosen for this multiple of the rest
[assumption: what kernels since 5.2 are known to do]."""
FORMS = "size[@offset], start-[end]:size[,...][@offset], or size with ',high', ',low' or ',cma'"


@dataclass(frozen=True, slots=True)
class CrashkernelRange:
    """Reserve ``size_bytes`` if memory is in [start, end) bytes; an ``end_bytes`` of 0 is none."""

    start_bytes: int
    end_bytes: int
    size_bytes: int

    def holds(self, memory_bytes: int) -> bool:
        return self.start_bytes <= memory_bytes and (
            not self.end_bytes or memory_bytes < self.end_bytes
        )


@dataclass(frozen=True, slots=True)
class Crashkernel:
    """One ``crashkernel=``: a size, or ``ranges`` of sizes. ``kind`` is '' for the plain forms,
    'high', 'low' or 'cma'; an ``offset_bytes`` of 0 leaves the place to the kernel."""

    size_bytes: int = 0
    offset_bytes: int = 0
    kind: str = PLAIN
    ranges: tuple[CrashkernelRange, ...] = ()

    def size_on(self, memory_bytes: int) -> int:
        """Return the bytes to reserve on a machine with so much memory, 0 for none."""
        if not self.ranges:
            return self.size_bytes
        counted_bytes = round_up(memory_bytes, MEMORY_ROUNDING_BYTES)
        for part in self.ranges:
            if part.holds(counted_bytes):
                return part.size_bytes if part.size_bytes < counted_bytes else 0
        return 0


@dataclass(frozen=True, slots=True)
class CrashRequest:
    """What all ``crashkernel=`` of a line ask for together, on one machine.

    ``offset_bytes``: the only place allowed, 0 for any. ``high_first``: above low memory if that is
    possible. ``low_bytes``: the part in low memory that goes with a place above; None for what
    the kernel thinks is enough. ``cma_bytes``: more of it, which user space may use meanwhile.
    """

    size_bytes: int = 0
    offset_bytes: int = 0
    high_first: bool = False
    low_bytes: int | None = None
    cma_bytes: int = 0


def crash_request(options: tuple[Crashkernel, ...], memory_bytes: int) -> CrashRequest:
    """Return what a kernel reserves for a crash kernel. A plain form hides ``,high``, and ``,low``
    counts beside ``,high`` only. Source: parse_crashkernel()."""
    by_kind = {option.kind: option for option in options}
    main = by_kind.get(PLAIN) or by_kind.get(HIGH)
    size_bytes = main.size_on(memory_bytes) if main else 0
    if not main or not size_bytes:
        return CrashRequest()
    high_first = main.kind == HIGH
    low = by_kind.get(LOW) if high_first else None
    cma = by_kind.get(CMA)
    return CrashRequest(
        size_bytes=size_bytes,
        offset_bytes=main.offset_bytes,
        high_first=high_first,
        low_bytes=low.size_bytes if low else None,
        cma_bytes=cma.size_bytes if cma else 0,
    )


def read_crashkernel(value: str) -> tuple[Crashkernel, bool]:
    """Return what one ``crashkernel=`` asks for, and whether the kernel can read all of it.

    Of ranges those before the one that it can not read stay; of the other forms nothing does.
    """
    kind = next((kind for kind in KINDS if value.endswith(f",{kind}")), PLAIN)
    if kind == PLAIN and ":" in value:
        return _read_ranges(value)
    size_text = value.removesuffix(f",{kind}") if kind else value
    size_bytes, rest = memparse(size_text)
    if rest == size_text:
        return Crashkernel(kind=kind), False
    if kind == PLAIN and rest.startswith("@"):
        offset_bytes, rest = memparse(rest[1:])
        return Crashkernel(size_bytes, offset_bytes), True
    return (Crashkernel(kind=kind), False) if rest else (Crashkernel(size_bytes, kind=kind), True)


def _read_ranges(value: str) -> tuple[Crashkernel, bool]:
    text, _, offset_text = value.partition("@")
    ranges: list[CrashkernelRange] = []
    for part in text.split(","):
        one = _read_range(part)
        if one is None:
            return Crashkernel(ranges=tuple(ranges)), False
        ranges.append(one)
    return Crashkernel(offset_bytes=memparse(offset_text)[0], ranges=tuple(ranges)), True


def _read_range(text: str) -> CrashkernelRange | None:
    start_bytes, after = memparse(text)
    if after == text or not after.startswith("-"):
        return None
    end_text, colon, size_text = after[1:].partition(":")
    end_bytes, end_junk = memparse(end_text)
    size_bytes, size_junk = memparse(size_text)
    numbers = bool(colon) and not end_junk and size_junk != size_text and not size_junk
    if not numbers or (end_text and end_bytes <= start_bytes):
        return None
    return CrashkernelRange(start_bytes, end_bytes, size_bytes)
