"""Phases of a kernel before it has more than one CPU: early boot, the extension, the retrieval.

Early boot has memblock's own work, its requests, and the struct pages that are not deferred. Left
out: what devices or firmware make it wait for.
"""

from __future__ import annotations

from dataclasses import replace

from kho_sim.base.work import Work
from kho_sim.chain.timing.phase import Counted, Phase
from kho_sim.chain.timing.rules import Steps
from kho_sim.kernel.boot import BootedMemory
from kho_sim.kho.retrieve import Retrieval
from kho_sim.memory.early.struct_pages import StructPages, struct_pages
from kho_sim.rates import Hardware, counts_of, instructions

GIB = 1 << 30


def early_phases(booted: BootedMemory, pages: StructPages, steps: Steps) -> list[Phase]:
    """Return the phases of an early boot in order."""
    early = booted.early
    kernel = {
        "kernel_entry": 1,
        "early_allocations": len(early.requests.rows),
        "early_gib": early.memblock.memory_size() / GIB,
        steps.struct_page_rate: pages.early,
    }
    phases = [Phase.of("early_boot", kernel, counts_of(booted.early_work))]
    if booted.extension:
        phases.append(extend_phase(booted))
    if booted.retrieval:
        phases.append(_retrieve_phase(booted.retrieval))
    return phases


def pages_of(booted: BootedMemory) -> StructPages:
    """Return the struct pages that this kernel initialises, if it defers most of them; one that
    does not has counted them in its early work."""
    early = booted.early
    if not early.release.struct_pages_deferred:
        return StructPages()
    zones = early.platform.zones(early.machine, early.build)
    skipped = booted.retrieval.skipped if booted.retrieval else ()
    return struct_pages(early.memblock, zones, skipped)


def extend_work(booted: BootedMemory) -> Work:
    """Return the work of the extension, and of the first pass of a retrieval before it."""
    work = booted.extension.work if booted.extension else Work()
    return work + booted.first_pass.work if booted.first_pass else work


def extend_phase(booted: BootedMemory) -> Phase:
    """Return the extension. A digest is walked when it has just been written, so its pages are in
    the cache: the rate of a page is that of the incoming tree (time-facts 1)."""
    work = extend_work(booted)
    cold = max(work.tables_walked - work.tables_allocated, 0)
    return Phase.of("extend", counts_of(replace(work, tables_walked=cold)))


def extend_ns(booted: BootedMemory, hardware: Hardware) -> int:
    """Return how long the extension takes."""
    return extend_phase(booted).times(hardware).central


def retrieve_instructions(retrieval: Retrieval | None) -> int | None:
    """Return the instructions of a retrieval's longest thread; None without a retrieval."""
    if retrieval is None:
        return None
    shared = instructions(retrieval.parallel_work) // retrieval.threads
    return instructions(retrieval.work) + shared


def _retrieve_phase(retrieval: Retrieval) -> Phase:
    """Return the retrieval, whose threads share a part of the work equally."""
    parallel = Counted(counts_of(retrieval.parallel_work), retrieval.threads)
    return Phase.of("retrieve", counts_of(retrieval.work), parallel)
