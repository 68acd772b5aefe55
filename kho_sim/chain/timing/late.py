"""Phases of a kernel from its second CPU to its init, in stages whose parts run side by side.

CPUs come up; the nodes initialise deferred struct pages; huge pages are prepared; ACPI and PCI are
looked through; the other initcalls run, and beside them the initramfs is unpacked. Which kernels do
what at once is in ``rules``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kho_sim.chain.timing.phase import Counted, Phase, shared
from kho_sim.chain.timing.rules import Steps, Timing
from kho_sim.kernel.boot import BootedMemory, KernelSetup
from kho_sim.machine import Machine
from kho_sim.memory.early.struct_pages import StructPages


class Task(NamedTuple):
    """A phase, or one node's part of it, and the CPUs of a node that it takes."""

    phase: Phase
    nid: int
    threads: int = 1


Stage = tuple[Task, ...]


def late_stages(
    machine: Machine,
    setup: KernelSetup,
    booted: BootedMemory,
    pages: StructPages,
    huge_pages: Mapping[int, int],
    steps: Steps,
    timing: Timing,
) -> list[Stage]:
    """Return the stages in order; a phase that has nothing to do is left out.

    ``machine``: as the kernel runs it. ``huge_pages``: those that came from the page allocator, by
    size in bytes.
    """
    boot_nid = min(cpus_by_node(machine))
    cpus = machine.present_cpus

    def alone(name: str, *parts: Counted | Mapping[str, float]) -> Task:
        return Task(Phase.of(name, *parts), boot_nid)

    initcalls = alone("initcalls", {"initcalls": 1, "initcalls_of_cpus": cpus})
    initramfs = alone("initramfs", {"unpacked_bytes": setup.build.initrd_bytes})
    at_the_end = (
        [(initcalls, initramfs)]
        if steps.initramfs_beside_initcalls
        else [(initramfs,), (initcalls,)]
    )
    stages: list[Stage] = [
        (alone("cpus", {steps.cpu_rate: cpus - 1}),),
        tuple(_deferred(machine, pages, steps, timing)),
        (alone("hugetlb", *_hugetlb(booted, huge_pages, cpus, steps, timing)),),
        (alone("acpi", {"acpi": int(_has_acpi(machine))}),),
        (alone("pci", {"pci_functions": timing.pci_functions, "pci_waits": timing.pci_waits}),),
        *at_the_end,
    ]
    busy = [tuple(task for task in stage if _is_something(task.phase)) for stage in stages]
    return [stage for stage in busy if stage]


def cpus_by_node(machine: Machine) -> dict[int, int]:
    """Return how many CPUs each node has that has any."""
    present = {nid: machine.present_cpus_of(nid) for nid in sorted(set(machine.cpu_nodes))}
    return {nid: count for nid, count in present.items() if count}


def _deferred(machine: Machine, pages: StructPages, steps: Steps, timing: Timing) -> list[Task]:
    """Return a task for each node: its own CPUs share its struct pages; a node without CPUs has
    those of the first."""
    most = timing.hardware.speed_ups["struct_pages"].value
    cpus = cpus_by_node(machine)
    first, tasks = min(cpus), []
    for nid, count in pages.deferred.items():
        home = nid if nid in cpus else first
        threads = cpus[home]
        if steps.deferred_threads is not None:
            threads = min(threads, steps.deferred_threads)
        part = Counted({steps.struct_page_rate: count}, shared(threads, most))
        tasks.append(Task(Phase.of("deferred", part), home, threads))
    return tasks


def _hugetlb(
    booted: BootedMemory,
    huge_pages: Mapping[int, int],
    cpus: int,
    steps: Steps,
    timing: Timing,
) -> list[Counted]:
    """Return what huge pages take: struct pages of their tails, and HVO, which shares these."""
    early = booted.early
    shift, speed_ups = early.geometry.page_shift, timing.hardware.speed_ups
    threads = cpus if steps.hugetlb_parallel else 1
    optimised = early.options.optimises_memmap
    gigantic = len(early.gigantic.pages)
    tails = sum(end - start for start, end in early.gigantic.ranges) >> shift
    if optimised and steps.tail_passes == 1:
        tails = 0
    of_gigantic = _passes(tails, steps)
    if optimised and not steps.hvo_at_boot:
        of_gigantic["gigantic_pages_optimised"] = gigantic
    count = sum(huge_pages.values())
    of_huge = _passes(sum(size * each for size, each in huge_pages.items()) >> shift, steps)
    of_huge["huge_pages_taken"] = count
    if optimised:
        singly = "" if steps.hvo_in_batches else "_singly"
        of_huge[f"huge_pages_optimised{singly}"] = count
    return [
        Counted(of_gigantic, shared(threads, speed_ups["gigantic_pages"].value)),
        Counted(of_huge, shared(threads, speed_ups["huge_pages"].value)),
    ]


def _passes(tails: int, steps: Steps) -> dict[str, float]:
    return {"tail_pages": tails, "tail_pages_again": tails * (steps.tail_passes - 1)}


def _has_acpi(machine: Machine) -> bool:
    """Tell whether ACPI, not a device tree, describes the machine."""
    tree = machine.device_tree
    return tree is None or not tree.unflattened_bytes


def _is_something(phase: Phase) -> bool:
    return any(count for part in phase.parts for count in part.counts.values())
