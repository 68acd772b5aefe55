"""How much may arrive in a whole chain: rates and times that are fine alone can ask for years of
simulation together.

Left out: the uptimes that refused updates add.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kho_sim.base.units import DURATION_UNITS
from kho_sim.scenario.bad_memory import BadMemory
from kho_sim.scenario.section import BrokenRule
from kho_sim.scenario.workloads import Vms, Workload

ARRIVALS_MAX = 10_000_000
"""Of machines; so many take an hour."""
BAD_FRAME_ROWS_MAX = 10_000_000
"""Of bad frames, each counted in every kernel: a kernel notes all that it knows."""


def broken_arrivals(
    workload: Sequence[Workload], bad: BadMemory | None, boots: int, uptime_ns: int
) -> Iterator[BrokenRule]:
    """Yield each rate by which more arrives in a chain than can be simulated."""
    hours = boots * uptime_ns / DURATION_UNITS["h"]
    for index, entry in enumerate(workload):
        arrivals = entry.arrivals_per_hour * hours if isinstance(entry, Vms) else 0
        if arrivals > ARRIVALS_MAX:
            text = (
                f"about {arrivals:.3g} machines would come; accepted: {ARRIVALS_MAX} in all boots"
            )
            yield ("workload", index, "arrivals_per_hour"), text
    rows = bad.frames_per_day * hours / 24 * boots if bad else 0
    if rows > BAD_FRAME_ROWS_MAX:
        text = f"bad frames times boots come to about {rows:.3g}; accepted: {BAD_FRAME_ROWS_MAX}"
        yield ("machine", "bad_memory", "frames_per_day"), text
