"""Durations of the phases of early boot: the counted work, at the rates of ``cost``."""

from __future__ import annotations

from kho_sim.kernel.boot import BootedMemory
from kho_sim.rates import PHASE_RATES, nanoseconds


def early_phases_ns(booted: BootedMemory) -> dict[str, int]:
    """Return the phases of an early boot in order, by the name of their event, in nanoseconds."""
    allocations_ns = round(len(booted.early.requests.rows) * PHASE_RATES["early_allocation"].ns)
    phases = {"early_boot": allocations_ns + nanoseconds(booted.early_work)}
    if booted.extension:
        phases["extend"] = nanoseconds(booted.extension.work)
    if booted.retrieval:
        phases["retrieve"] = nanoseconds(booted.retrieval.work)
    return phases
