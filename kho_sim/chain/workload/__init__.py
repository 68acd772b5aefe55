"""The behaviour of user space towards memory: one file per behaviour.

A workload object lives as long as the chain, as users do, and remembers what it owns; each kernel
asks it what to take, what to do while it serves, and what to preserve. Its memory is always that of
the kernel at hand. The section of each is in ``scenario/workloads.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from kho_sim.base import plugins
from kho_sim.base.errors import InputError
from kho_sim.chain.workload.base import Host, Workload
from kho_sim.chain.workload.held import Anonymous, NamedMemory, PageCache, Unmovable
from kho_sim.chain.workload.hugetlb import Hugetlb
from kho_sim.chain.workload.memfd import GuestMemfds, Memfds
from kho_sim.chain.workload.pinned import Pinned
from kho_sim.chain.workload.vms import Vms
from kho_sim.scenario.section import Section, kind_of

__all__ = [
    "WORKLOADS",
    "Host",
    "PluginWorkload",
    "Workload",
    "make_workloads",
    "register_workload",
]

MakeWorkload = Callable[[Any, int, int], Workload[Any]]
"""(its section of the scenario, its place in the list, the chain's seed) -> a workload."""

WORKLOADS: dict[str, MakeWorkload] = {
    "memfd": Memfds,
    "guest_memfd": GuestMemfds,
    "hugetlb": Hugetlb,
    "anonymous": Anonymous,
    "pinned": Pinned,
    "page_cache": PageCache,
    "unmovable": Unmovable,
    "vms": Vms,
    "reserve_mem": NamedMemory,
}
"""Those of the package, by the ``kind`` of a scenario's workload entry."""


class PluginWorkload(NamedTuple):
    """A kind of workload from outside of the package; what its entry point names."""

    section: type[Section]
    workload: MakeWorkload


def make_workloads(sections: Iterable[Any], seed: int) -> list[Workload[Any]]:
    """Return fresh workloads for one chain, in the scenario's order."""
    return [
        _maker_of(section.kind)(section, number, seed) for number, section in enumerate(sections)
    ]


def register_workload(kind: str, section: type[Section], workload: MakeWorkload) -> None:
    """Add a kind of workload, so that scenarios may have it.

    ``section`` is its part of a scenario, with ``kind: Literal[kind]``; ``workload`` is its class.
    ``python -m kho_sim.contracts`` holds it to what every workload keeps to.
    Raises: InputError if the package has that kind, or if the section has another.
    """
    if kind_of(section) != kind:
        raise InputError(f"the section of workload '{kind}' has kind '{kind_of(section)}'")
    plugins.WORKLOADS.register(kind, PluginWorkload(section, workload))


def _maker_of(kind: str) -> MakeWorkload:
    if kind in WORKLOADS:
        return WORKLOADS[kind]
    plugin: PluginWorkload | None = plugins.WORKLOADS.get(kind)
    if plugin is None:
        raise KeyError(kind)
    return plugin.workload
