"""The cases of the second study: machines, what they hand on, and what is tried at the last boot.

Sizes are shares of the machine's memory, assumptions of ours. The workloads of the first study that
differ in their keys are taken over; guest memory in 4 KiB pages, and memory that has aged between
the two recorded extremes (ten runs, and one run a page), are new.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from kho_sim.base.units import format_exact
from kho_sim.base.words import RETRIEVALS
from studies.block_size.cases import SCRATCH, WORKLOADS, Entries

GIB = 1 << 30

EXTENSIONS: tuple[tuple[str, int], ...] = (
    ("none", 30),
    ("blocks", 30),
    ("blocks-skip", 30),
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
)
LARGE_BYTES = 128 * GIB


def _guest_memory(memory: int) -> Entries:
    """Half of memory in four guests, all in 4 KiB folios, as guest_memfd has them."""
    return [{"kind": "memfd", "count": 4, "size": memory // 8, "folio": "4KiB"}]


def _aged(memory: int) -> Entries:
    """Sixteen small VMs, most of them replaced between any two kernels, beside kernel memory that
    grows: runs of a few pages."""
    vms = {"count": 16, "size": memory // 256, "arrivals_per_hour": 2, "lifetime": "8h"}
    kernel = {"kind": "unmovable", "size": memory // 64, "grow": memory // 512}
    return [{"kind": "vms", **vms}, kernel]


CASES = {
    "memfd-4k": (WORKLOADS["memfd-4k"].entries, 3),
    "memfd-2m": (WORKLOADS["memfd-2m"].entries, 3),
    "guest memory": (_guest_memory, 2),
    "fragmented": (WORKLOADS["fragmented"].entries, 5),
    "aged": (_aged, 6),
}
"""Name -> (entries of the scenario's ``workload`` for so many bytes of memory, kernels)."""


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
            "kernel.command_line": SCRATCH if machine.platform == "x86_64" else "",
            "workload": CASES[name][0](machine.memory_bytes),
            "chain.boots": min(CASES[name][1], 3)
            if machine.memory_bytes > LARGE_BYTES
            else CASES[name][1],
            "chain.workers": "emulated" if machine.memory_bytes > LARGE_BYTES else "drawn",
        }
        for name in names
        for machine in machines
    ]
