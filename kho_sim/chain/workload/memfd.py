"""Shared-memory files that the first kernel makes and every kernel hands on."""

from __future__ import annotations

from kho_sim.chain.kernel import Kernel
from kho_sim.chain.plan import WorkloadPlan
from kho_sim.chain.workload.base import Workload
from kho_sim.memory.pages import HUGE_PAGE_BYTES


class Memfds(Workload):
    """``count`` files of ``size``; later kernels close the oldest ``drop`` and make ``grow`` new
    ones.

    The order is that of the recorded chains: retrieve, close, make, and in the end preserve all.
    """

    def __init__(self, plan: WorkloadPlan, seed: int):
        super().__init__(plan, seed)
        self._alive: list[str] = []
        self._made = 0
        self._begun = False

    def arrive(self, kernel: Kernel) -> None:
        plan = self.plan
        if not plan.preserve or plan.at == "every":
            self._alive = [name for name in self._alive if name in kernel.memory.files]
            self._make(kernel, plan.count)
        elif not self._begun:
            self._make(kernel, plan.count)
        else:
            dropped, self._alive = self._alive[: plan.drop], self._alive[plan.drop :]
            files = kernel.memory.files
            for name in dropped:
                if name in files:
                    kernel.memory.close(name)
            lost = [name for name in self._alive if name not in files]
            if plan.preserve_when == "made":
                kernel.preserve([name for name in self._alive if name in files])
            for name in lost:
                self._create(kernel, name)
            self._make(kernel, plan.grow)
        self._begun = True

    def to_preserve(self, kernel: Kernel) -> list[str]:
        if not self.plan.preserve or self.plan.preserve_when == "made":
            return []
        return list(self._alive)

    def lasting(self, kernel: Kernel) -> list[str]:
        return list(self._alive) if self.plan.preserve else []

    def _make(self, kernel: Kernel, count: int) -> None:
        for _ in range(count):
            name = f"{self.name}/{self._made}"
            self._made += 1
            self._create(kernel, name)
            self._alive.append(name)

    def _create(self, kernel: Kernel, name: str) -> None:
        huge = self.plan.folio == HUGE_PAGE_BYTES
        kernel.memory.create_memfd(name, self.plan.size, huge, self.plan.session)
        if self.plan.preserve and self.plan.preserve_when == "made":
            kernel.preserve([name])
