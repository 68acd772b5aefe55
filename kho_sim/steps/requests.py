"""Early requests by caller: how many, how much, out of what, and what was refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from kho_sim.base import requesters
from kho_sim.trace.records import Allocation


class Run(NamedTuple):
    """Allocations of one size side by side: [start, end) in bytes, and the size of each."""

    start: int
    end: int
    size_bytes: int


@dataclass
class Caller:
    """The requests of one caller in one step."""

    what: str
    requests: int = 0
    served_bytes: int = 0
    bytes_by_source: dict[str, int] = field(default_factory=dict)
    """``Allocation.source`` -> bytes."""
    avoided: int = 0
    failed: int = 0
    failed_bytes: int = 0
    why: str = ""
    """Of the first request that was refused."""
    runs: list[Run] = field(default_factory=list)
    """Where the memory is, in the order of the requests; merged with the one before only."""

    def add(self, row: Allocation) -> None:
        """Count one more row."""
        size = row.size_bytes * row.count
        self.requests += row.count
        self.avoided += row.count if row.avoided else 0
        if row.failed:
            self.failed += row.count
            self.failed_bytes += size
            self.why = self.why or row.why
            return
        self.served_bytes += size
        self.bytes_by_source[row.source] = self.bytes_by_source.get(row.source, 0) + size
        if row.address:
            self._place(row.address, row.address + row.size_bytes, row.size_bytes)

    def _place(self, start: int, end: int, size_bytes: int) -> None:
        last = self.runs[-1] if self.runs else None
        if last and last.size_bytes == size_bytes and start == last.end:
            self.runs[-1] = Run(last.start, end, size_bytes)
        elif last and last.size_bytes == size_bytes and end == last.start:
            self.runs[-1] = Run(start, last.end, size_bytes)
        else:
            self.runs.append(Run(start, end, size_bytes))


def callers_by_step(rows: Iterable[Allocation], cold: bool) -> dict[str, list[Caller]]:
    """Return the steps that asked for memory -> who asked, in the order of the first request."""
    steps: dict[str, dict[str, Caller]] = {}
    for row in rows:
        callers = steps.setdefault(_step_of(row, cold), {})
        callers.setdefault(row.what, Caller(row.what)).add(row)
    return {step: list(callers.values()) for step, callers in steps.items()}


def _step_of(row: Allocation, cold: bool) -> str:
    if row.what == requesters.DIGEST_PAGE:
        return "digest"
    if cold and (row.what == requesters.SCRATCH_ARRAY or requesters.is_scratch_area(row.what)):
        return "scratch"
    return "before" if row.phase == "before" else "early"
