"""Memory that is taken, held, and dies with its kernel."""

from __future__ import annotations

from kho_sim.chain.kernel import Kernel
from kho_sim.chain.workload.base import Workload


class Anonymous(Workload):
    """Private anonymous memory, touched when the kernel's user space begins."""

    def arrive(self, kernel: Kernel) -> None:
        kernel.memory.hold(self.plan.size, movable=True)


class PageCache(Anonymous):
    """File pages, read in when the kernel's user space begins; movable like anonymous ones."""


class Unmovable(Workload):
    """Kernel memory that grows from kernel to kernel: slab, page tables, drivers."""

    def arrive(self, kernel: Kernel) -> None:
        size = self.plan.size + self.plan.grow * kernel.index
        if size:
            kernel.memory.hold(size, movable=False)
