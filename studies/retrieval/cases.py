"""The cases of the second study: machines, what they hand on, and what is tried at the last boot.

Sizes are shares of the machine's memory, assumptions of ours. The workloads of the first study are
taken over, in pages and huge pages of the machine; new are guest memory in single pages, memory
that has aged between the two recorded extremes (ten runs, and one run a page), and a pool of
gigantic pages that is handed on as a whole: what Tatashin proposed (KHO notes, 9 March 2026;
field.md 3), to take gigantic pages from preserved memory, so that early boot has none to allocate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

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
    page_size: str = "4KiB"


MACHINES = (
    Machine("x86_64", 1 * GIB, 2),
    Machine("x86_64", 4 * GIB, 4),
    Machine("x86_64", 16 * GIB, 4),
    Machine("x86_64", 64 * GIB, 12),
    Machine("x86_64", 256 * GIB, 32, 2),
    Machine("x86_64", 1024 * GIB, 64, 2),
    Machine("x86_64", 24 * 1024 * GIB, 384, 8),
    *(
        Machine("arm64", memory * GIB, cpus, page_size=page_size)
        for page_size in ("4KiB", "16KiB", "64KiB")
        for memory, cpus in ((16, 8), (64, 32), (256, 64))
    ),
    Machine("arm64", 1024 * GIB, 144, 2, "64KiB"),
)
SMALL_BYTES, LARGE_BYTES = 16 * GIB, 128 * GIB
LEAST_WITH_GIGANTIC_BYTES = 4 * GIB
MOST_OF_GUESTS_BYTES = 1024 * GIB
"""On 24 TiB guests in 4 KiB pages are seven million runs. What each way does to them follows from
smaller machines: per key and run the counts are equal, regions passed grow with the square."""
FOLIOS = {
    "4KiB": {},
    "16KiB": {"4KiB": "16KiB", "2MiB": "32MiB"},
    "64KiB": {"4KiB": "64KiB", "2MiB": "512MiB"},
}
"""Page size -> page and huge page in place of those of 4 KiB."""
LEAST_WITH_HUGE_64K_BYTES = 64 * GIB
"""From there on each of the files is as large as a huge page of 512 MiB."""
PAGES_WITHOUT_GIGANTIC = "64KiB"
"""Their gigantic size, 16 GiB, is one that nobody uses ([block sizes on arm64](study.md))."""


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
    "memfd": Case(WORKLOADS["memfd-4k"].entries, 3),
    "memfd-huge": Case(WORKLOADS["memfd-2m"].entries, 3),
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
            "kernel.page_size": machine.page_size,
            "kernel.command_line": _command_line(CASES[name], machine),
            "workload": _in_pages(CASES[name].entries(machine.memory_bytes), machine.page_size),
            "chain.boots": min(CASES[name].boots, 3)
            if machine.memory_bytes > LARGE_BYTES
            else CASES[name].boots,
            "chain.workers": "emulated" if machine.memory_bytes > LARGE_BYTES else "drawn",
        }
        for name in names
        for machine in machines
        if _is_case(name, machine)
    ]


def _is_case(name: str, machine: Machine) -> bool:
    if name == "guest_memfd":
        return machine.memory_bytes <= MOST_OF_GUESTS_BYTES
    if name == "memfd-huge" and machine.page_size == "64KiB":
        return machine.memory_bytes >= LEAST_WITH_HUGE_64K_BYTES
    has_gigantic = (
        machine.memory_bytes >= LEAST_WITH_GIGANTIC_BYTES
        and machine.page_size != PAGES_WITHOUT_GIGANTIC
    )
    return has_gigantic or not CASES[name].gigantic


def _in_pages(entries: Entries, page_size: str) -> Entries:
    """Return entries with the page and the huge page of a machine for those of 4 KiB."""
    folios = FOLIOS[page_size]
    return [
        {**entry, "folio": folios[entry["folio"]]} if entry.get("folio") in folios else entry
        for entry in entries
    ]


def _command_line(case: Case, machine: Machine) -> str:
    pages = int(machine.memory_bytes * case.gigantic) // GIB
    words = [SCRATCH] if machine.platform == "x86_64" else []
    return " ".join([*words, *([f"hugepagesz=1G hugepages={pages}"] if pages else [])])
