"""Durations of phases: the counted work, at the rates of ``rates``."""

from __future__ import annotations

from collections.abc import Sequence

from kho_sim.base.work import Work
from kho_sim.kernel.boot import BootedMemory
from kho_sim.kho.retrieve import Retrieval
from kho_sim.platform.loader import Placement
from kho_sim.rates import PHASE_RATES, instructions, nanoseconds
from kho_sim.releases import Release


def early_phases_ns(booted: BootedMemory) -> dict[str, int]:
    """Return the phases of an early boot in order, by the name of their event, in nanoseconds."""
    allocations_ns = round(len(booted.early.requests.rows) * PHASE_RATES["early_allocation"].ns)
    phases = {"early_boot": allocations_ns + nanoseconds(booted.early_work)}
    if booted.extension:
        phases["extend"] = nanoseconds(extend_work(booted))
    if booted.retrieval:
        phases["retrieve"] = retrieve_ns(booted.retrieval)
    return phases


def extend_work(booted: BootedMemory) -> Work:
    """Return the work of the extension, and of the first pass of a retrieval before it."""
    work = booted.extension.work if booted.extension else Work()
    return work + booted.first_pass.work if booted.first_pass else work


def retrieve_ns(retrieval: Retrieval) -> int:
    """Return how long a retrieval takes, whose threads share a part of the work equally."""
    shared_ns = nanoseconds(retrieval.parallel_work) / retrieval.threads
    return nanoseconds(retrieval.work) + round(shared_ns)


def retrieve_instructions(retrieval: Retrieval | None) -> int | None:
    """Return the instructions of a retrieval's longest thread; None without a retrieval."""
    if retrieval is None:
        return None
    shared = instructions(retrieval.parallel_work) // retrieval.threads
    return instructions(retrieval.work) + shared


def load_ns(release: Release, placed: Sequence[Placement]) -> int:
    """Return the time of kexec_file_load(): reading, and the checksum that some releases make."""
    size_bytes = sum(place.size_bytes for place in placed)
    return round(size_bytes * PHASE_RATES["loaded_byte"].ns + _checksum_ns(release, size_bytes))


def jump_ns(release: Release, placed: Sequence[Placement]) -> int:
    """Return the time of the jump, with the check of that checksum in purgatory."""
    size_bytes = sum(place.size_bytes for place in placed)
    return round(PHASE_RATES["jump"].ns + _checksum_ns(release, size_bytes))


def _checksum_ns(release: Release, size_bytes: int) -> float:
    return size_bytes * PHASE_RATES["hashed_byte"].ns if release.checksum else 0.0
