"""The hooks of a workload, all of them optional, and what a workload sees of its kernel."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Generic, Protocol, TypeVar

import simpy

from kho_sim.kernel.running import RunningMemory
from kho_sim.scenario.section import Section


class Host(Protocol):
    """The kernel that a workload runs on, as far as a workload may know it.

    ``window`` is the time that it serves now, [start, end) in ns on the service clock: of all time
    that kernels have served, boots left out.
    """

    env: simpy.Environment
    index: int
    memory: RunningMemory
    window: tuple[int, int]

    def say(self, message: str) -> None:
        """Record a message, as the kernel or its users would print it."""

    def preserve(self, names: list[str]) -> None:
        """Preserve files now, before the kernel preserves the rest."""

    def rest(self, duration_ns: int) -> None:
        """Note that nothing asks for memory for so long."""


S = TypeVar("S", bound=Section)


class Workload(Generic[S]):
    """Base of all kinds: holds its section of the scenario, its place in the list and the seed.

    By itself it does nothing.
    """

    def __init__(self, section: S, number: int, seed: int):
        self.section = section
        self.number = number
        self.seed = seed

    @property
    def name(self) -> str:
        """A name that is unique in the chain, for files and random streams."""
        return f"{self.section.kind}{self.number}"  # type: ignore[attr-defined]

    def arrive(self, kernel: Host) -> None:
        """Take what this kernel needs, as its user space is up. May raise OutOfMemory."""

    def serve(self, kernel: Host) -> Generator[Any, Any, None]:
        """Run as a SimPy process for the kernel's uptime, and end by itself when that is over."""
        yield from ()

    def to_preserve(self, kernel: Host) -> list[str]:
        """Return the names of the files to hand on, in order."""
        return []

    def lasting(self, kernel: Host) -> list[str]:
        """Return the names of the files that are to outlive ``kernel``, preserved by now or not."""
        return self.to_preserve(kernel)
