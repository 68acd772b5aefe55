"""The cases of the second study: machines, what they hand on, and what is tried at the last boot.

Sizes are shares of the machine's memory, assumptions of ours. The workloads of the first study are
taken over; new are guest memory in 4 KiB pages, memory that has aged between the two recorded
extremes (ten runs, and one run a page), and a pool of gigantic pages that is handed on as a whole:
what Tatashin proposed (KHO notes, 9 March 2026; field.md 3), to take gigantic pages from preserved
memory, so that early boot has none to allocate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from kho_sim.base.units import format_exact
from kho_sim.base.words import RETRIEVALS
from studies.block_size.cases import SCRATCH, WORKLOADS, Entries

GIB = 1 << 30

EXTENSIONS: tuple[tuple[str, int], ...] = (
    ("none", 30),
    ("blocks", 30),
    ("separate-flag", 30),
    ("blocks-skip", 30),
    ("blocks-skip", 24),
    ("blocks-skip", 21),
    ("scaled-blocks", 30),
    ("bounded-blocks", 30),
    ("largest-gaps", 21),
    ("gaps-by-memory", 21),
    ("reserve-early", 30),
)
"""(strategy, block shift)."""


class Machine(NamedTuple):
    """A size of host: as many CPUs and nodes as such a host has."""

    platform: str
    memory_bytes: int
    cpus: int
    nodes: int = 1

    @property
    def name(self) -> str:
        size = format_exact(self.memory_bytes)
        return size if self.platform == "x86_64" else f"{size} {self.platform}"


MACHINES = (
    Machine("x86_64", 1 * GIB, 2),
    Machine("x86_64", 4 * GIB, 4),
    Machine("x86_64", 16 * GIB, 4),
    Machine("x86_64", 64 * GIB, 12),
    Machine("arm64", 16 * GIB, 8),
    Machine("arm64", 64 * GIB, 32),
    Machine("x86_64", 256 * GIB, 32, 2),
    Machine("x86_64", 1024 * GIB, 64, 2),
    Machine("x86_64", 24 * 1024 * GIB, 384, 8),
)
SMALL_BYTES, LARGE_BYTES = 16 * GIB, 128 * GIB
LEAST_WITH_GIGANTIC_BYTES = 4 * GIB


def _guest_memory(memory: int) -> Entries:
    """Half of memory in four guests, in pages of 4 KiB."""
    return [{"kind": "guest_memfd", "count": 4, "size": memory // 8}]


def _pool(memory: int) -> Entries:
    """Half of memory in gigantic pages, all of them handed on, and four small files."""
    pages = memory // 2 // GIB
    files = {"kind": "memfd", "count": 4, "size": memory // 1024}
    return [*([{"kind": "hugetlb", "size": "1GiB", "preserve": pages}] if pages else []), files]


def _aged(memory: int) -> Entries:
    """Sixteen small VMs, most of them replaced between any two kernels, beside kernel memory that
    grows: runs of a few pages."""
    vms = {"count": 16, "size": memory // 256, "arrivals_per_hour": 2, "lifetime": "8h"}
    kernel = {"kind": "unmovable", "size": memory // 64, "grow": memory // 512}
    return [{"kind": "vms", **vms}, kernel]


class Case(NamedTuple):
    """Entries of the scenario's ``workload`` for so many bytes of memory, kernels of the chain, and
    the share of memory that ``hugepages=`` asks for."""

    entries: Callable[[int], Entries]
    boots: int
    gigantic: float = 0.0


CASES = {
    "memfd-4k": Case(WORKLOADS["memfd-4k"].entries, 3),
    "memfd-2m": Case(WORKLOADS["memfd-2m"].entries, 3),
    "guest_memfd": Case(_guest_memory, 2),
    "gigantic": Case(WORKLOADS["gigantic"].entries, 3, 0.5),
    "pool": Case(_pool, 3, 0.5),
    "fragmented": Case(WORKLOADS["fragmented"].entries, 5),
    "aged": Case(_aged, 6),
}


def base_scenario() -> dict[str, Any]:
    """Return the scenario that all cases are made of."""
    tried = {"retrievals": list(RETRIEVALS), "boots": "last"}
    return {
        "machine": {"memory": GIB},
        "chain": {"uptime": "24h", "twin": False},
        "what_if": [
            {"strategy": strategy, "shifts": [shift], **tried} for strategy, shift in EXTENSIONS
        ],
        "sources": ["all sizes are assumptions of the study, as shares of the machine's memory"],
    }


def points_of(names: Iterable[str], machines: Iterable[Machine]) -> list[dict[str, Any]]:
    """Return the points of the sweep; the name of the case is the ``description``."""
    return [
        {
            "description": name,
            "machine.platform": machine.platform,
            "machine.memory": machine.memory_bytes,
            "machine.cpus": machine.cpus,
            "machine.nodes": machine.nodes,
            "kernel.command_line": _command_line(CASES[name], machine),
            "workload": CASES[name].entries(machine.memory_bytes),
            "chain.boots": min(CASES[name].boots, 3)
            if machine.memory_bytes > LARGE_BYTES
            else CASES[name].boots,
            "chain.workers": "emulated" if machine.memory_bytes > LARGE_BYTES else "drawn",
        }
        for name in names
        for machine in machines
        if not CASES[name].gigantic or machine.memory_bytes >= LEAST_WITH_GIGANTIC_BYTES
    ]


def _command_line(case: Case, machine: Machine) -> str:
    pages = int(machine.memory_bytes * case.gigantic) // GIB
    words = [SCRATCH] if machine.platform == "x86_64" else []
    return " ".join([*words, *([f"hugepagesz=1G hugepages={pages}"] if pages else [])])
