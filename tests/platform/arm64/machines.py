"""Machines and kernels of arm64 as kernel-facts-arm64 has them."""

from __future__ import annotations

from kho_sim.chain.build import build_plan
from kho_sim.kernel.boot import BootedMemory, boot_memory
from kho_sim.scenario import from_dict

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
RECORDED_LINE = "console=ttyAMA0 panic=-1 kho=on liveupdate=on earlycon=pl011,0x9000000 nokaslr"


def scenario(memory: str, cpus: int, line: str = "", page_size: str = "4KiB", **machine: object):
    """A chain on ``virt`` with the recorded build of that page size."""
    return from_dict(
        {
            "machine": {"platform": "arm64", "memory": memory, "cpus": cpus, **machine},
            "kernel": {"page_size": page_size, "command_line": f"{RECORDED_LINE} {line}".strip()},
            "workload": [{"kind": "memfd", "count": 2, "size": "1MiB"}],
            "chain": {"boots": 2, "twin": False},
        }
    )


def cold_boot(memory: str, cpus: int, line: str = "", page_size: str = "4KiB", **machine: object):
    """The early memory of its first kernel."""
    plan = build_plan(scenario(memory, cpus, line, page_size, **machine))
    booted: BootedMemory = boot_memory(plan.machine, plan.kernels[0], None)
    return booted


def areas_mib(booted: BootedMemory) -> list[int]:
    return [size // MIB for _, size in booted.scratch_areas]
