"""Bad frames across a chain: what is known of them, and who is handed them all the same.

A kernel that meets an uncorrectable error takes the page offline, and a kexec forgets that. The
list is handed on with KHO (Breno Leitao, RFC of 24 June 2026; field.md 1.8); a kernel that finds no
handover begins with an empty one. Left out: the pages of the list itself, what initcalls take
between memblock and a late replay, and errors in preserved memory, which are their owner's affair.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import replace

from kho_sim.chain.plan import ChainPlan
from kho_sim.kernel.boot import BootedMemory
from kho_sim.kernel.own_memory import handed_out
from kho_sim.kho.handover import Handover
from kho_sim.trace.records import BadFrame


def known_frames(booted: BootedMemory, handover: Handover | None) -> tuple[int, ...]:
    """Return the bad frames that a kernel knows from those before it, if it found their list."""
    return handover.bad_frames if handover and booted.incoming is not None else ()


def with_bad_frames(
    handover: Handover | None, plan: ChainPlan, known: tuple[int, ...], served_ns: tuple[int, int]
) -> Handover | None:
    """Return a handover with the list that its kernel hands on: what it has ``known`` from its boot
    on, and what went bad while it served, from and to on the service clock."""
    if handover is None or plan.bad_memory is None:
        return handover
    new = plan.bad_memory.arrived(plan.machine, plan.seed, *served_ns)
    return replace(handover, bad_frames=tuple(dict.fromkeys((*known, *new))))


def bad_frames_of(boot: int, booted: BootedMemory, handover: Handover) -> Iterator[BadFrame]:
    """Yield a row for each frame that kernels before this one knew to be bad.

    Of several that were handed it one after the other the last is named.
    """
    known = known_frames(booted, handover)
    if not known:
        return
    ascending, page_bytes = sorted(known), booted.early.geometry.page_bytes
    taken_by: dict[int, str] = {}
    for what, start, end in handed_out(booted, handover):
        first = bisect_right(ascending, start - page_bytes)
        for frame in ascending[first : bisect_left(ascending, end)]:
            taken_by[frame] = what
    for frame in known:
        yield BadFrame(
            boot=boot,
            address=frame,
            taken_by=taken_by.get(frame, ""),
            in_scratch=any(start <= frame < start + size for start, size in booted.scratch_areas),
        )
