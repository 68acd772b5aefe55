"""Memory that is taken, held, and dies with its kernel; and named memory that lasts by itself."""

from __future__ import annotations

from kho_sim.chain.workload.base import Host, Workload
from kho_sim.kernel.user_memory import read_files
from kho_sim.scenario import workloads


class Anonymous(Workload[workloads.Anonymous]):
    """Private anonymous memory, touched when the kernel's user space begins."""

    def arrive(self, kernel: Host) -> None:
        processes = kernel.memory.processes
        process = processes.start(self.name, self.section.oom_score_adj)
        processes.touch(process, self.section.size)


class PageCache(Workload[workloads.PageCache]):
    """File pages, read in when the kernel's user space begins; given back when memory is short."""

    def arrive(self, kernel: Host) -> None:
        read_files(kernel.memory.pages, self.section.size)


class Unmovable(Workload[workloads.Unmovable]):
    """Kernel memory that grows from kernel to kernel: slab, page tables, drivers."""

    def arrive(self, kernel: Host) -> None:
        size = self.section.size + self.section.grow * kernel.index
        if size:
            kernel.memory.hold(size, movable=False)


class NamedMemory(Workload[workloads.ReserveMem]):
    """A named area of ``reserve_mem=``: early boot reserves it, preservation follows by itself.

    ``build`` puts it on each kernel's command line; nothing is left to do at run time.
    """
