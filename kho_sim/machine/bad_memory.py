"""Uncorrectable errors of memory: frames that go bad while kernels serve.

Errors are independent, arrive at a constant rate and hit any frame of memory. Left out: clusters
(rows, banks, DIMMs), errors that can be corrected, and what an error does to whoever holds the
frame. No rate of a fleet is published; the number is the scenario's.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

from kho_sim.base.extent import total_size
from kho_sim.base.seeds import stream
from kho_sim.machine.machine import Machine

NANOSECONDS_PER_DAY = 86_400 * 10**9
LATE, BUSY = "late", "busy"


@dataclass(frozen=True, slots=True)
class BadMemory:
    """``frames_per_day``: mean of the frames that go bad in a day of service.

    ``told``: when a kernel hears of the frames that those before it knew: LATE, in a late
    initcall, or BUSY, before its first early allocation, as blocks to leave alone.
    """

    frames_per_day: float
    told: str = LATE

    def arrived(self, machine: Machine, seed: int, since_ns: int, until_ns: int) -> list[int]:
        """Return the addresses of frames that went bad in a stretch of the service clock, in order
        of time: the same for all ways to extend and to tell."""
        drawn, now_ns = stream(seed, "bad memory"), 0.0
        found: list[int] = []
        page_bytes = machine.page_bytes
        ends = list(accumulate(part.size // page_bytes for part in machine.memory))
        pages = total_size(machine.memory) // page_bytes
        while True:
            now_ns += drawn.expovariate(self.frames_per_day / NANOSECONDS_PER_DAY)
            page = drawn.randrange(pages)
            if now_ns >= until_ns:
                return found
            if now_ns >= since_ns:
                part = bisect_right(ends, page)
                behind = (ends[part] - page) * page_bytes
                found.append(machine.memory[part].end - behind)
