"""Phases of user space after an update: it starts, files come back, virtual machines run again.

Left out: faults of guests on memory whose second-stage tables are not there, and what a program
does with a file once it has it.
"""

from __future__ import annotations

from collections.abc import Sequence

from kho_sim.chain.timing.leaving import folios_of
from kho_sim.chain.timing.phase import Counted, Phase, shared
from kho_sim.chain.timing.rules import Timing
from kho_sim.kho.handover import HandedObject

GIB = 1 << 30
MACHINES = "vms"
"""Kind of workload whose files are a virtual machine each."""


def user_phases(
    retrieved: Sequence[HandedObject], page_shift: int, cpus: int, timing: Timing
) -> list[Phase]:
    """Return the phases in order; without files there are no machines to restore.

    ``retrieved``: what user space and the kernel found again. Each machine has a program of its
    own, so ``cpus`` restore them side by side; VFIO maps memory one program after the other.
    """
    phases = [Phase.of("user_space", {"user_space": 1})]
    files = [one for one in retrieved if one.session]
    if not files:
        return phases
    size_gib = sum(one.size_bytes for one in files) / GIB
    machines = machines_of(files)
    return [
        *phases,
        _files_phase(files, page_shift, timing),
        Phase.of(
            "vms",
            Counted({"vms_restored": machines}, shared(cpus, machines)),
            {"vfio_gib": size_gib if timing.vfio else 0},
        ),
    ]


def machines_of(files: Sequence[HandedObject]) -> int:
    """Return how many virtual machines there are: a file of ``vms`` is one; of all other files
    those of a session are one's memory."""
    machines = [one for one in files if one.name.startswith(MACHINES)]
    sessions = {one.session for one in files if not one.name.startswith(MACHINES)}
    return len(machines) + len(sessions)


def _files_phase(files: Sequence[HandedObject], page_shift: int, timing: Timing) -> Phase:
    """Return retrieval by user space: each folio is put into its file, the tails of large ones are
    prepared anew; threads share the folios (time-facts 8)."""
    speed_ups, threads = timing.hardware.speed_ups, timing.file_threads
    small, large = folios_of(files, ())
    tails = (sum(one.size_bytes for one in files) >> page_shift) - small
    return Phase.of(
        "files",
        Counted({"small_folios_restored": small}, shared(threads, speed_ups["small_folios"].value)),
        Counted(
            {"large_folios_restored": large, "tail_pages": max(tails, 0) if large else 0},
            shared(threads, speed_ups["large_folios"].value),
        ),
    )
