"""A chain with every word resolved to an object: what ``build`` makes of a scenario."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from kho_sim.base.words import RETRIEVALS
from kho_sim.chain.faults import BootFaults
from kho_sim.chain.timing import Steps, Timing
from kho_sim.kernel.boot import KernelSetup
from kho_sim.kho.extend import ExtendOptions
from kho_sim.kho.retrieve import retriever_of
from kho_sim.machine import BadMemory
from kho_sim.machine.machine import Machine
from kho_sim.memory.pages import Interleaving
from kho_sim.scenario.workloads import Workload

NANOSECONDS_PER_HOUR = 3_600_000_000_000


@dataclass(frozen=True, slots=True)
class WhatIf:
    """An extension strategy and a retrieval that are tried at each KHO boot, or only at the chain's
    last one. ``retrieval`` '': the kernel's own."""

    strategy: str
    extend: ExtendOptions
    retrieval: str = ""
    last_boot_only: bool = False


@dataclass(frozen=True, slots=True)
class ChainPlan:
    """One machine, a kernel for each boot and its steps in time, what user space does, how long
    each kernel lives, and what goes wrong.

    ``what_ifs`` are early boots that are tried beside the chain's own; the chain does not notice.
    """

    machine: Machine
    kernels: tuple[KernelSetup, ...]
    command_lines: tuple[str, ...]
    steps: tuple[Steps, ...]
    workloads: tuple[Workload, ...]
    uptime_ns: int
    seed: int
    interleaving: Interleaving
    faults: Mapping[int, BootFaults] = field(default_factory=dict)
    """Boot -> its faults, beyond the refusals in its ``kernels`` entry; most have none."""
    on_failure: str = "stop"
    retries: int = 0
    what_ifs: tuple[WhatIf, ...] = ()
    timing: Timing = field(default_factory=Timing)
    bad_memory: BadMemory | None = None

    @property
    def boots(self) -> int:
        return len(self.kernels)

    @property
    def resets(self) -> bool:
        """Tell whether a kernel that is lost is followed by a cold boot through firmware."""
        return self.on_failure in ("cold_boot", "previous")

    def rolled_back(self, failed: int) -> ChainPlan:
        """Return the chain that goes on with the kernel before the one that failed, and stays with
        it; faults of early boot stay with their boots. The first kernel has none before it."""
        before = max(failed - 1, 0)
        kept, line, steps = self.kernels[before], self.command_lines[before], self.steps[before]
        later = tuple(
            replace(kept, refusals=one.refusals, extend_fails_after=one.extend_fails_after)
            for one in self.kernels[failed + 1 :]
        )
        return replace(
            self,
            kernels=(*self.kernels[: failed + 1], *later),
            command_lines=(*self.command_lines[: failed + 1], *(line for _ in later)),
            steps=(*self.steps[: failed + 1], *(steps for _ in later)),
        )

    def without_extension(self) -> ChainPlan:
        """Return the plan of the twin, in which no kernel extends scratch, or reserves what
        was preserved before its last step."""
        return replace(
            self,
            kernels=tuple(
                replace(kernel, strategy="none", retrieval=_late(kernel)) for kernel in self.kernels
            ),
            what_ifs=(),
        )

    def what_ifs_at(self, boot: int) -> Iterator[WhatIf]:
        """Yield the extension strategies that are to be tried at a KHO boot."""
        for what_if in self.what_ifs:
            if boot + 1 == self.boots or not what_if.last_boot_only:
                yield what_if


def _late(kernel: KernelSetup) -> str:
    """Return a kernel's retrieval, but Linux's own for one that begins with a first pass."""
    return RETRIEVALS[0] if retriever_of(kernel.retrieval).reserve_first else kernel.retrieval
