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
    their own pool. With ``pool: whole`` the guests that die give their pages back before the kexec,
    and the whole pool is handed on as one more file, which the next kernel closes: its pages are
    free pages of the pool again (one of two ways that are discussed; field notes, not merged).
    """

    def arrive(self, kernel: Host) -> None:
        memory, asked = kernel.memory, self.section
        if self._pool in memory.files:
            memory.close(self._pool)
        if asked.preserve and self.name not in memory.files:
            self._create(memory, self.name, asked.preserve)
        pool = memory.pool_of(asked.size)
        dying = len(pool) if asked.count is None else min(asked.count - asked.preserve, len(pool))
        if dying > 0:
            self._create(memory, f"{self.name}/dying", dying)

    def to_preserve(self, kernel: Host) -> list[str]:
        memory = kernel.memory
        if self.section.pool == "whole" and self._pool not in memory.files:
            if f"{self.name}/dying" in memory.files:
                memory.close(f"{self.name}/dying")
            self._create(memory, self._pool, len(memory.pool_of(self.section.size)))
        files = {name: memory.files.get(name) for name in (self.name, self._pool)}
        return [name for name, file in files.items() if file and file.data]

    @property
    def _pool(self) -> str:
        """The name of the file that stands for the free pages of the pool."""
        return f"{self.name}/pool"

    def _create(self, memory: RunningMemory, name: str, count: int) -> None:
        asked = self.section
        memory.create("hugetlb", name, count * asked.size, asked.size, asked.session)
