"""How a recorded chain ended, as what its kernels and its workload said has it.

The kinds are the contract's; 'unknown' where the log stops without a reason. Messages are the
kernel's own words without `Kernel panic - not syncing: `; where a system call failed, its name and
errno's text.
"""

from __future__ import annotations

from kho_sim.logs.reader.facts import BootLog
from kho_sim.trace.records import Outcome

LOAD_CALLS = "kexec"
DEADLOCK = "System is deadlocked on memory"
OPEN_DEVICE = "open liveupdate"
"""Fails where KHO is off; the kernel said why before."""


def recorded_outcome(boots: list[BootLog]) -> Outcome:
    """Return the end of the chain: the first failure, else how the last boot ended."""
    last = boots[-1]
    if any(log.chain_done for log in boots):
        return Outcome(kind="completed", boot=last.boot)
    for log in boots:
        failure = _failure(log)
        if failure is not None:
            return failure
    if last.jumped:
        return Outcome(kind="unknown", boot=last.boot + 1)
    if last.reached_init and last.powered_down:
        return Outcome(kind="completed", boot=last.boot)
    return Outcome(kind="unknown", boot=last.boot)


def _failure(log: BootLog) -> Outcome | None:
    if log.disabled:
        return Outcome(kind="kho_disabled", boot=log.boot, message=log.disabled)
    if log.panic:
        return Outcome(kind=_panic_kind(log), boot=log.boot, message=log.panic)
    if log.user_failure is not None:
        kind = _failure_kind(log.user_failure[0])
        message = ": ".join(part for part in log.user_failure if part)
        if kind == "kho_disabled" and log.live_update_off:
            message = log.live_update_off
        return Outcome(kind=kind, boot=log.boot, message=message)
    return None


def _panic_kind(log: BootLog) -> str:
    """A panic before init is a boot that failed; after it, one while memory was being preserved."""
    if not log.reached_init:
        return "boot_failed"
    preserved = any(event.what == "preserve" for event in log.events)
    return "unknown" if preserved and log.panic != DEADLOCK else "preserve_failed"


def _failure_kind(what: str) -> str:
    if what == OPEN_DEVICE:
        return "kho_disabled"
    return "load_refused" if what.startswith(LOAD_CALLS) else "preserve_failed"
