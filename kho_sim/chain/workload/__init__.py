"""What user space does with a kernel: one file per kind, one line in the registry each.

A workload outlives kernels: it is the users' side of the world. Each kernel calls ``arrive`` when
user space is up (files of the last kernel are retrieved by then), runs ``serve`` as a SimPy process
for its uptime, and asks ``to_preserve`` for the files to hand on, in order. After a loss (a kernel
that was handed nothing, or could not find it) ``arrive`` makes the lost files anew, by their names.
"""

from __future__ import annotations

from collections.abc import Callable

from kho_sim.chain.plan import WorkloadPlan
from kho_sim.chain.workload.base import Workload
from kho_sim.chain.workload.held import Anonymous, PageCache, Unmovable
from kho_sim.chain.workload.hugetlb import Hugetlb
from kho_sim.chain.workload.memfd import Memfds
from kho_sim.chain.workload.reserve_mem import NamedMemory
from kho_sim.chain.workload.vms import Vms

__all__ = ["WORKLOADS", "Workload", "make_workloads"]

WORKLOADS: dict[str, Callable[[WorkloadPlan, int], Workload]] = {
    "memfd": Memfds,
    "hugetlb": Hugetlb,
    "anonymous": Anonymous,
    "page_cache": PageCache,
    "unmovable": Unmovable,
    "vms": Vms,
    "reserve_mem": NamedMemory,
}
"""By the ``kind`` that a scenario uses."""


def make_workloads(plans: tuple[WorkloadPlan, ...], seed: int) -> list[Workload]:
    """Return fresh workloads for one chain, in the scenario's order."""
    return [WORKLOADS[plan.kind](plan, seed) for plan in plans]
