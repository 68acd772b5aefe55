"""The parts of a blackout: the phases of the kernel that was left, and of the one that came up.

Left out: blackouts that end behind a failure, in which more than two kernels have a part.
"""

from __future__ import annotations

from collections.abc import Iterator

from kho_sim.trace.records import PHASES, Boot, PhaseTime
from kho_sim.trace.trace import Trace

PAUSED = "paused"
LEAVING = ("shutdown", "jump")


def blackout_parts(trace: Trace, boot: Boot) -> list[PhaseTime]:
    """Return the phases in which virtual machines do not run before ``boot`` is up, in order; none
    for a boot that ended no blackout, or one in which there was a failure.

    Two of them may have run side by side, so their sum is no less than the blackout.
    """
    if boot.blackout_ns is None or boot.kind != "kho":
        return []
    chain = trace.provenance.get("scenario", {}).get("chain", {})
    left = ("preserve", *LEAVING) if chain.get("preserve_when") == PAUSED else LEAVING
    came = tuple(name for name in PHASES if name not in ("preserve", "load", *LEAVING))
    return [*_rows(trace, boot.boot - 1, left), *_rows(trace, boot.boot, came)]


def longest_blackout(trace: Trace) -> Boot | None:
    """Return the boot that ended the longest blackout of the chain; None if there is none."""
    ended = [boot for boot in trace[Boot] if boot.blackout_ns is not None]
    return max(ended, key=lambda boot: boot.blackout_ns or 0, default=None)


def _rows(trace: Trace, boot: int, names: tuple[str, ...]) -> Iterator[PhaseTime]:
    rows = {row.phase: row for row in trace[PhaseTime].where(boot=boot)}
    return (rows[name] for name in names if name in rows)
