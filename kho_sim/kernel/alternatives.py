"""Early boots of one kernel with other ways to extend and to retrieve, from the same handover.

Ways that differ in nothing before the retrieval share the boot up to there. Left out: the requests
of a shared boot know the memblock before the retrieval only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import replace

from kho_sim.kernel.boot import (
    BootedMemory,
    KernelSetup,
    boot_to_retrieval,
    finish_boot,
)
from kho_sim.kho.handover import Handover
from kho_sim.kho.retrieve import retriever_of
from kho_sim.kho.retrieve.base import ReserveFirst
from kho_sim.machine import Machine


def boot_alternatives(
    machine: Machine, setups: Iterable[KernelSetup], handover: Handover
) -> Iterator[tuple[KernelSetup, BootedMemory]]:
    """Yield each setup with what ``boot_memory`` returns for it.

    Setups with the same extension share boots if they follow each other.
    """
    extension: object = None
    boots: dict[ReserveFirst | None, BootedMemory] = {}
    for setup in setups:
        if extension != (setup.strategy, setup.extend):
            extension, boots = (setup.strategy, setup.extend), {}
        first = retriever_of(setup.retrieves_by).reserve_first
        if first not in boots:
            boots[first] = boot_to_retrieval(machine, setup, handover)
        booted = _beside(boots[first])
        if not booted.panic:
            finish_boot(booted, setup)
        yield setup, booted


def _beside(booted: BootedMemory) -> BootedMemory:
    """Return a copy whose memblock is its own."""
    early = copy(booted.early)
    early.memblock = early.memblock.copy()
    return replace(booted, early=early, regions=dict(booted.regions))
