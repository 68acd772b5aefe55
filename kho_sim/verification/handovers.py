"""What became of each handover of a log, against what the releases of both kernels say.

Whether a kernel finds what the one before it left follows from the versions that both know
(``kho.versions``) and from ``kho=``, whatever was handed over. Left out: handovers of which the log
does not show both kernels.
"""

from __future__ import annotations

from kho_sim.base.command_line import parse_command_line
from kho_sim.kho.versions import (
    COLD_BOOT,
    NO_DEVICE,
    PANIC,
    Versions,
    survival,
    versions_of,
)
from kho_sim.logs.importing.foreign import PARTS
from kho_sim.logs.reader import BootLog
from kho_sim.logs.reader.assemble import is_kho
from kho_sim.releases import Release
from kho_sim.trace.records import GOES_ON, Boot, Outcome
from kho_sim.trace.summary import incidents
from kho_sim.trace.trace import Trace

FOUND = "found"
BAD_TREE = "The incoming tree failed to initialize"
DEVICE = "open liveupdate"
RETRIEVE = "retrieve session: No such file or directory"
"""What the recorder's init fails with where its session is not there (docs/verification.md)."""


def expected_handover(sender: Release, emitted: list[str], receiver: Release, line: str) -> str:
    """Return what a kernel with this command line makes of a handover.

    ``emitted``: the parts that its sender wrote in a version of its own, as a recorder names them.
    """
    if "kho" in emitted or sender.kho_compatible != receiver.kho_compatible:
        return COLD_BOOT
    if not parse_command_line(line).kho:
        return NO_DEVICE
    kept = survival(sender, receiver, _written(sender, emitted))
    return kept if kept in (PANIC, NO_DEVICE) else FOUND


def _written(sender: Release, emitted: list[str]) -> Versions:
    versions = versions_of(sender)
    for part in emitted:
        if part in PARTS:
            versions = versions.foreign(PARTS[part])
    return versions


def observed_handover(log: BootLog) -> str:
    """Return what a log shows of it; '' where the kernel died of something else before."""
    if not is_kho(log):
        return COLD_BOOT if log.reached_init else ""
    if log.panic.startswith(BAD_TREE):
        return PANIC
    if log.live_update_off or (log.user_failure and log.user_failure[0] == DEVICE):
        return NO_DEVICE
    return FOUND if log.reached_init else ""


def ending_of_recorder(simulated: Trace) -> Outcome:
    """Return how a recorded chain ends whose kernels would go on: the recorder's init gives up in
    the first kernel that does not find its session."""
    boots = simulated[Boot]
    for incident, files in incidents(simulated):
        lost = any(file.session and not file.kept for file in files)
        if lost and incident.then == GOES_ON and boots[incident.boot].kind == "cold":
            return Outcome(kind="preserve_failed", boot=incident.boot, message=RETRIEVE)
    return simulated.outcome
