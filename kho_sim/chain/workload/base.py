"""The hooks of a workload, all of them optional."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from kho_sim.chain.plan import WorkloadPlan

if TYPE_CHECKING:
    from kho_sim.chain.kernel import Kernel


class Workload:
    """Base of all kinds: holds its plan and the chain's seed, and by itself does nothing."""

    def __init__(self, plan: WorkloadPlan, seed: int):
        self.plan = plan
        self.seed = seed

    @property
    def name(self) -> str:
        """A name that is unique in the chain, for files and random streams."""
        return f"{self.plan.kind}{self.plan.number}"

    def arrive(self, kernel: Kernel) -> None:
        """User space of ``kernel`` is up: take what this kernel needs. May raise OutOfMemory."""

    def serve(self, kernel: Kernel) -> Generator[Any, Any, None]:
        """A SimPy process for the kernel's uptime; it has to end by itself when that is over."""
        yield from ()

    def to_preserve(self, kernel: Kernel) -> list[str]:
        """Return the names of the files to hand on, in order."""
        return []

    def lasting(self, kernel: Kernel) -> list[str]:
        """Return the names of the files that are to outlive ``kernel``, preserved by now or not."""
        return self.to_preserve(kernel)
