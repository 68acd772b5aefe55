"""Faults of the scenario: their effects on one boot.

Two kinds are part of a kernel's setup, so that early boot meets them like its command line: early
allocations that are refused, and an extension that fails half-way. The others are here, by boot:
damage to the handover between two kernels, a load that is refused, a panic. The consequences of
each follow from the model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kho_sim.base.extent import total_size
from kho_sim.base.units import format_size
from kho_sim.chain.incidents import Failure
from kho_sim.kernel.boot import BootedMemory, KernelSetup
from kho_sim.kernel.running import RunningMemory
from kho_sim.kho.handover import UNDAMAGED, Damage, HandedObject, Handover
from kho_sim.kho.populate import NO_MAP, NO_REVIVAL
from kho_sim.memory.early import Refusal
from kho_sim.memory.early.requests import REFUSED_BY_FAULT
from kho_sim.trace.records import OVERWRITTEN

if TYPE_CHECKING:
    from kho_sim.scenario.faults import Fault

ERRORS = {
    "ENOMEM": "Cannot allocate memory",
    "EINVAL": "Invalid argument",
    "EADDRNOTAVAIL": "Cannot assign requested address",
}
"""Error of kexec_file_load() -> the message that user space prints."""

OTHER_FDT = "kho-v0"
"""An FDT of a version that no kernel here is compatible with."""


@dataclass(frozen=True, slots=True)
class BootFaults:
    """The faults of one kernel.

    ``damage`` is done to the handover before the kernel reads it, and ``foreign_parts`` of it are
    of versions that no kernel here knows. The first ``loads_refused``
    attempts to load the next kernel fail with ``load_error``. ``panic`` is (phase, message).
    """

    damage: Damage = UNDAMAGED
    load_error: str = ""
    loads_refused: int = 0
    panic: tuple[str, str] = ("", "")
    foreign_parts: tuple[str, ...] = ()

    def damaged(self, handover: Handover) -> Handover:
        """Return the handover as the kernel finds it."""
        damage, areas = self.damage, len(handover.kho.scratch_areas)
        if damage.sound_areas is not None and damage.sound_areas >= areas:
            damage = replace(damage, sound_areas=None)
        versions = handover.versions
        for part in self.foreign_parts:
            versions = versions.foreign(part)
        return replace(handover, damage=damage, versions=versions)

    def foreign(self, *parts: str) -> str:
        """Return the kind of the fault that one of these parts of a handover has, '' if none."""
        return "version" if set(parts) & set(self.foreign_parts) else ""


NO_FAULTS = BootFaults()


def faults_of(faults: Iterable[Fault]) -> dict[int, BootFaults]:
    """Return the faults of each boot, except those that are part of a kernel's setup."""
    by_boot: defaultdict[int, BootFaults] = defaultdict(BootFaults)
    for fault in faults:
        by_boot[fault.boot] = _with_fault(by_boot[fault.boot], fault)
    return dict(by_boot)


def _with_fault(boot: BootFaults, fault: Fault) -> BootFaults:
    if fault.kind == "fdt":
        found = "" if fault.found == "invalid" else OTHER_FDT
        return replace(boot, damage=replace(boot.damage, fdt=found))
    if fault.kind == "version":
        return replace(boot, foreign_parts=(*boot.foreign_parts, *fault.of))
    if fault.kind == "descriptors":
        return replace(boot, damage=replace(boot.damage, sound_areas=fault.after))
    if fault.kind == "tree_root":
        return replace(boot, damage=replace(boot.damage, map_found=False))
    if fault.kind == "load":
        return replace(boot, load_error=ERRORS[fault.error], loads_refused=fault.times)
    if fault.kind == "panic":
        return replace(boot, panic=(fault.phase, fault.message))
    return boot


def with_early_faults(setup: KernelSetup, faults: Iterable[Fault], boot: int) -> KernelSetup:
    """Return a kernel's setup with the faults that its early boot meets by itself."""
    here = [fault for fault in faults if fault.boot == boot]
    refusals = tuple(
        Refusal(fault.what, fault.occurrence, fault.times)
        for fault in here
        if fault.kind == "allocation"
    )
    after = next((fault.after for fault in here if fault.kind == "extend"), None)
    return replace(setup, refusals=refusals, extend_fails_after=after)


def lost_handover(booted: BootedMemory, faults: BootFaults) -> Failure:
    """Return what kept a kernel from its handover, by what it found and printed: a fault, or a
    kernel before it that wrote another version of KHO's format."""
    early = booted.early
    if early.revived:
        return Failure("tree_root", NO_MAP, injected=True)
    found = next((line for line in early.messages if "handover FDT" in line), "")
    kind = "fdt" if found else "descriptors"
    injected = faults.damage != UNDAMAGED
    return Failure(kind, "; ".join(filter(None, (found, NO_REVIVAL))), injected=injected)


def refusals(
    memory: RunningMemory, faults: BootFaults
) -> Iterator[tuple[Failure, list[HandedObject]]]:
    """Yield why a kernel can not use what it was handed and has found: it can not read it, or has
    written over it."""
    spoilt = [one.handed for one in memory.overwritten]
    if unread := [handed for handed in memory.refused if handed not in spoilt]:
        injected = faults.foreign("memfd", "reserve_mem")
        yield Failure(injected or "version", memory.why_refused, injected=bool(injected)), unread
    for one in memory.overwritten:
        lost, first = format_size(total_size(one.lost)), one.lost[0].start
        size = format_size(one.handed.size_bytes)
        text = f"{one.handed.name}: {lost} of {size} preserved in scratch, from {first:#x}, "
        yield Failure(OVERWRITTEN, f"{text}overwritten by {', '.join(one.by)}"), [one.handed]


def tolerated(booted: BootedMemory, setup: KernelSetup) -> Iterator[Failure]:
    """Yield the faults that occurred in an early boot and did not end it."""
    refused_rows = [row for row in booted.early.requests.rows if row.why == REFUSED_BY_FAULT]
    if booted.panic and refused_rows and refused_rows[-1] is booted.early.requests.rows[-1]:
        refused_rows = [row for row in refused_rows if row.what != refused_rows[-1].what]
    for what in dict.fromkeys(row.what for row in refused_rows):
        rows = [row for row in refused_rows if row.what == what]
        amount = f"{sum(row.count for row in rows)} x {format_size(rows[0].size_bytes)}"
        yield Failure("allocation", f"no memory for {what}, {amount}", injected=True)
    extension = booted.extension
    if extension and extension.error and extension.work.ranges_marked == setup.extend_fails_after:
        yield Failure("extend", extension.error, injected=True)
