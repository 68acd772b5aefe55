"""What user space does with a kernel: one file per kind, one line in the registry each.

A workload outlives kernels: it is the users' side of the world. Each kernel calls ``arrive`` when
user space is up (files of the last kernel are retrieved by then), runs ``serve`` as a SimPy process
for its uptime, and asks ``to_preserve`` for the files to hand on, in order. After a loss (a kernel
that was handed nothing, or could not find it) ``arrive`` makes the lost files anew, by their names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from kho_sim.chain.workload.base import Host, Workload
from kho_sim.chain.workload.held import Anonymous, NamedMemory, PageCache, Unmovable
from kho_sim.chain.workload.hugetlb import Hugetlb
from kho_sim.chain.workload.memfd import Memfds
from kho_sim.chain.workload.vms import Vms

__all__ = ["WORKLOADS", "Host", "Workload", "make_workloads"]

WORKLOADS: dict[str, Callable[[Any, int, int], Workload[Any]]] = {
    "memfd": Memfds,
    "hugetlb": Hugetlb,
    "anonymous": Anonymous,
    "page_cache": PageCache,
    "unmovable": Unmovable,
    "vms": Vms,
    "reserve_mem": NamedMemory,
}
"""By the ``kind`` that a scenario uses: (section, place in the list, seed) -> workload."""


def make_workloads(sections: Iterable[Any], seed: int) -> list[Workload[Any]]:
    """Return fresh workloads for one chain, in the scenario's order."""
    return [
        WORKLOADS[section.kind](section, number, seed) for number, section in enumerate(sections)
    ]
