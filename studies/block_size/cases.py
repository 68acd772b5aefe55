"""The cases: machines, what runs on them, and the strategies that are tried.

All sizes of a workload are shares of the machine's memory, so that machines compare. They are
assumptions of ours, as are the CPUs and nodes; what each is for is said beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from kho_sim.base.units import format_exact

GIB = 1 << 30

SCRATCH = "kho_scratch=32M,32M,32M"
"""Scratch from which a recorded 64 GiB host boots with the extension and cannot boot without it
(observations tiny-64G-32M_32M_32M, tinynoext-64G-64M_64M_64M)."""

SHIFTS = tuple(range(16, 37))
FINE_SHIFTS = tuple(range(16, 31))
"""For strategies that are about blocks below 1 GiB."""

WHAT_IFS: tuple[dict[str, Any], ...] = (
    {"strategy": "blocks", "shifts": list(SHIFTS), "boots": "last"},
    {"strategy": "none", "boots": "last"},
    {"strategy": "reserve-early", "boots": "last"},
    {"strategy": "blocks-skip", "shifts": list(SHIFTS), "boots": "last"},
    {"strategy": "scaled-blocks", "boots": "last"},
    {"strategy": "largest-gaps", "shifts": list(FINE_SHIFTS), "boots": "last"},
)
"""Strategies tried at the last boot of each case, in the form of a scenario's ``what_if``."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A size of host, with as many CPUs and nodes as such a host has, and chains to average."""

    memory_bytes: int
    cpus: int
    nodes: int
    seeds: int

    @property
    def name(self) -> str:
        return format_exact(self.memory_bytes)

    @property
    def is_small(self) -> bool:
        return self.memory_bytes <= 64 * GIB


MACHINES = (
    Machine(1 * GIB, 2, 1, 5),
    Machine(4 * GIB, 4, 1, 5),
    Machine(16 * GIB, 4, 1, 5),
    Machine(64 * GIB, 12, 1, 5),
    Machine(256 * GIB, 32, 2, 2),
    Machine(1024 * GIB, 64, 2, 1),
    Machine(12 * 1024 * GIB, 192, 8, 1),
)

Entries = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload: the entries of a scenario's ``workload``, and its share of gigantic pages.

    Large machines take coarser turns at initialising deferred memory (``emulated``), which is a
    tenth of the runs of pages.

    ``gigantic`` is the share of memory that ``hugepages=`` asks for, in whole GiB.
    """

    name: str
    description: str
    gigantic: float
    boots: int
    boots_of_large: int
    """On machines that are not ``is_small``, where a kernel costs minutes."""
    entries: Callable[[int], Entries]

    def gigantic_pages(self, memory_bytes: int) -> int:
        return int(memory_bytes * self.gigantic) // GIB


def _memfds(folio: str) -> Callable[[int], Entries]:
    """An eighth of memory in sixteen files: a few VMs of middle size."""
    return lambda memory: [{"kind": "memfd", "count": 16, "size": memory // 128, "folio": folio}]


def _gigantic(memory: int) -> Entries:
    """A quarter of memory in preserved gigantic pages, and four small files beside them."""
    files = {"kind": "memfd", "count": 4, "size": memory // 1024}
    pages = memory // 4 // GIB
    return [*([{"kind": "hugetlb", "size": "1GiB", "preserve": pages}] if pages else []), files]


def _fragmented(memory: int) -> Entries:
    """About sixteen VMs alive, half of them replaced between any two kernels, beside kernel memory
    that grows."""
    return [
        {
            "kind": "vms",
            "count": 16,
            "size": memory // 128,
            "arrivals_per_hour": 1 / 3,
            "lifetime": "48h",
        },
        {"kind": "unmovable", "size": memory // 256, "grow": memory // 1024},
    ]


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("memfd-4k", "memfds of 4 KiB pages", 0.25, 3, 3, _memfds("4KiB")),
        Workload("memfd-2m", "memfds of 2 MiB pages", 0.25, 3, 3, _memfds("2MiB")),
        Workload("gigantic", "half of memory in gigantic pages", 0.5, 3, 3, _gigantic),
        Workload("fragmented", "VMs that come and go", 0.25, 8, 4, _fragmented),
    )
}


def base_scenario() -> dict[str, Any]:
    """Return the scenario that all cases are made of."""
    return {
        "machine": _machine(MACHINES[0]),
        "chain": {"uptime": "24h", "twin": False},
        "what_if": list(WHAT_IFS),
        "sources": ["all sizes are assumptions of the study, as shares of the machine's memory"],
    }


def points_of(workloads: Iterable[Workload], machines: Iterable[Machine]) -> list[dict[str, Any]]:
    """Return the points of the study's sweep: a workload, a machine with its sizes, and a seed.

    The name of the workload is the ``description``.
    """
    return [
        {
            "description": workload.name,
            **{f"machine.{key}": value for key, value in _machine(machine).items()},
            "kernel.command_line": command_line(workload, machine),
            "workload": _entries(workload, machine),
            "chain.boots": workload.boots if machine.is_small else workload.boots_of_large,
            "chain.workers": "drawn" if machine.is_small else "emulated",
            "chain.seed": seed,
        }
        for workload in workloads
        for machine in machines
        for seed in range(machine.seeds)
    ]


def command_line(workload: Workload, machine: Machine) -> str:
    """Return the kernel's command line: the same scratch for all, gigantic pages by share."""
    pages = workload.gigantic_pages(machine.memory_bytes)
    return f"{SCRATCH} hugepagesz=1G hugepages={pages}" if pages else SCRATCH


def _machine(machine: Machine) -> dict[str, Any]:
    return {"memory": machine.memory_bytes, "cpus": machine.cpus, "nodes": machine.nodes}


def _entries(workload: Workload, machine: Machine) -> Entries:
    """The workload, and user memory that dies with its kernel."""
    dying = {"kind": "anonymous", "size": machine.memory_bytes // 16}
    return [*workload.entries(machine.memory_bytes), dying]
