"""The cases: arm64 hosts of each page size, and what they preserve beside gigantic pages.

Sizes are shares of the machine's memory and assumptions of ours. Three eighths of memory are asked
for in huge pages, a quarter is preserved; scratch is the kernel's default.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

GIB = 1 << 30
MIB = 1 << 20
CPUS_OF = {16 * GIB: 4, 64 * GIB: 12, 256 * GIB: 32}
SHIFTS = (21, 23, 25, 27, 28, 29, 30, 31, 33)
"""From 2 MiB to 8 GiB: 25 is 32 MiB, 29 is 512 MiB."""
WHAT_IFS: tuple[dict[str, Any], ...] = (
    {"strategy": "reserve-early", "boots": "last"},
    {"strategy": "blocks", "shifts": list(SHIFTS), "boots": "last"},
    {"strategy": "gigantic-blocks", "boots": "last"},
)
Entries = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Case:
    """A page size, the huge pages that each kernel asks for, and what is preserved of memory."""

    name: str
    page_size: str
    asked: Callable[[int], str]
    preserved: Callable[[int], Entries]


def _asked(*sizes: tuple[str, int]) -> Callable[[int], str]:
    """Three eighths of memory in equal parts."""

    def line(memory: int) -> str:
        share = memory * 3 // 8 // len(sizes)
        return " ".join(f"hugepagesz={name} hugepages={share // size}" for name, size in sizes)

    return line


def _hugetlb(*sizes: int) -> Callable[[int], Entries]:
    """A quarter of memory in equal parts."""
    return lambda memory: [
        {"kind": "hugetlb", "size": size, "preserve": memory // 4 // len(sizes) // size}
        for size in sizes
    ]


def _memfds(memory: int) -> Entries:
    return [{"kind": "memfd", "count": 16, "size": memory // 64}]


ONE, OTHER = ("1G", GIB), ("32M", 32 * MIB)
CASES = (
    Case("4 KiB, 1 GiB pages", "4KiB", _asked(ONE), _hugetlb(GIB)),
    Case("4 KiB, 32 MiB pages", "4KiB", _asked(OTHER), _hugetlb(32 * MIB)),
    Case("4 KiB, pages of both sizes", "4KiB", _asked(ONE, OTHER), _hugetlb(GIB, 32 * MIB)),
    Case("4 KiB, both asked, memfds", "4KiB", _asked(ONE, OTHER), _memfds),
    Case("16 KiB, 1 GiB pages", "16KiB", _asked(ONE), _hugetlb(GIB)),
    Case("16 KiB, memfds", "16KiB", _asked(ONE), _memfds),
    Case("64 KiB, 512 MiB pages", "64KiB", _asked(("512M", 512 * MIB)), _hugetlb(512 * MIB)),
    Case("64 KiB, memfds", "64KiB", lambda _: "kho=on", _memfds),
)


def base_scenario() -> dict[str, Any]:
    """Return the scenario that all cases are made of."""
    return {
        "machine": {"platform": "arm64", "memory": 16 * GIB, "cpus": 4, "firmware": "qemu-virt"},
        "chain": {"boots": 3, "seed": 1, "twin": False},
        "what_if": list(WHAT_IFS),
        "sources": ["all sizes are assumptions of the study, as shares of the machine's memory"],
    }


def points(largest: int = max(CPUS_OF)) -> list[dict[str, Any]]:
    """Return the points of the study's sweep, machines up to ``largest`` bytes."""
    return [
        {
            "description": case.name,
            "machine.memory": memory,
            "machine.cpus": cpus,
            "kernel.page_size": case.page_size,
            "kernel.command_line": case.asked(memory),
            "workload": case.preserved(memory),
        }
        for case in CASES
        for memory, cpus in CPUS_OF.items()
        if memory <= largest
    ]
