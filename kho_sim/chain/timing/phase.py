"""A phase as what was counted in it, so that one count gives low, central and high times.

A rate is the time of one thing on one CPU. Threads that share something make it faster by 0.85 of a
thread each, up to what the hardware's set allows (time-facts 4).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kho_sim.rates import Hardware, Times

THREAD_SHARE = 0.85
"""Of a thread's work, what it adds: measured up to 13 threads (time-facts 4)."""
NO_TIME = Times(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Counted:
    """Things counted, by the names of their rates, that a number of threads work on together."""

    counts: Mapping[str, float]
    speed_up: float = 1.0

    def times(self, hardware: Hardware) -> Times:
        """Return the time that they take."""
        one_thread = hardware.times(self.counts)
        return Times(*(round(time_ns / self.speed_up) for time_ns in one_thread))


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase of an update by its name in results, and what is counted in it."""

    name: str
    parts: tuple[Counted, ...]

    @classmethod
    def of(cls, name: str, *parts: Counted | Mapping[str, float]) -> Phase:
        """Return a phase of parts one after the other; a mapping is what one CPU does."""
        return cls(name, tuple(p if isinstance(p, Counted) else Counted(p) for p in parts))

    def times(self, hardware: Hardware) -> Times:
        """Return what it takes, if nothing runs beside it."""
        return total(part.times(hardware) for part in self.parts)

    def standing(self, hardware: Hardware) -> str:
        """Return the standing of the rate that most of its time is from."""
        counts: dict[str, float] = {}
        for part in self.parts:
            for name, count in part.counts.items():
                counts[name] = counts.get(name, 0.0) + count / part.speed_up
        return hardware.standing(counts)


def total(times: Iterable[Times]) -> Times:
    """Return the sum of times, level by level."""
    return Times(*map(sum, zip(NO_TIME, *times, strict=True)))


def shared(threads: int, most: float) -> float:
    """Return how many times faster than one so many threads are."""
    return 1.0 if threads <= 1 else max(1.0, min(THREAD_SHARE * threads, most))
