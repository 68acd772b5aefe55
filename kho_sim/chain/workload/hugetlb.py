"""Guest memory in boot-time huge pages, of which some are handed on."""

from __future__ import annotations

from kho_sim.chain.kernel import Kernel
from kho_sim.chain.workload.base import Workload


class Hugetlb(Workload):
    """One file of ``preserve`` pages that is handed on, and one of the rest that dies with its
    kernel.

    ``count`` pages are in use together (the whole pool if not given). The preserved file is made by
    the first kernel, or where it was lost; others retrieve it and take the dying pages anew from
    their own pool.
    """

    def arrive(self, kernel: Kernel) -> None:
        memory, plan = kernel.memory, self.plan
        if plan.preserve and self.name not in memory.files:
            memory.create_hugetlb(self.name, plan.preserve, plan.size, plan.session)
        pool = memory.pool_of(plan.size)
        dying = len(pool) if plan.count is None else min(plan.count - plan.preserve, len(pool))
        if dying > 0:
            memory.create_hugetlb(f"{self.name}/dying", dying, plan.size, plan.session)

    def to_preserve(self, kernel: Kernel) -> list[str]:
        file = kernel.memory.files.get(self.name)
        return [self.name] if file and file.data else []
