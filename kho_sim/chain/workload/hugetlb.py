"""Guest memory in boot-time huge pages, of which some are handed on."""

from __future__ import annotations

from kho_sim.chain.workload.base import Host, Workload
from kho_sim.kernel.running import RunningMemory
from kho_sim.scenario import workloads


class Hugetlb(Workload[workloads.Hugetlb]):
    """One file of ``preserve`` pages that is handed on, and one of the rest that dies with its
    kernel.

    ``count`` pages are in use together (the whole pool if not given). The preserved file is made by
    the first kernel, or where it was lost; others retrieve it and take the dying pages anew from
    their own pool.
    """

    def arrive(self, kernel: Host) -> None:
        memory, asked = kernel.memory, self.section
        if asked.preserve and self.name not in memory.files:
            self._create(memory, self.name, asked.preserve)
        pool = memory.pool_of(asked.size)
        dying = len(pool) if asked.count is None else min(asked.count - asked.preserve, len(pool))
        if dying > 0:
            self._create(memory, f"{self.name}/dying", dying)

    def to_preserve(self, kernel: Host) -> list[str]:
        file = kernel.memory.files.get(self.name)
        return [self.name] if file and file.data else []

    def _create(self, memory: RunningMemory, name: str, count: int) -> None:
        asked = self.section
        memory.create("hugetlb", name, count * asked.size, asked.size, asked.session)
