"""The blind comparison: a whole chain, simulated from the beginning that a log records.

From the log only machine, command lines, build sizes and workload are read (``importing``); the
facts of each boot that then come out are held against the log's. A cold boot's facts, and what
follows from counts alone, have to be equal. What depends on where the page allocator put pages,
which in the real kernel depends on how threads interleave, has a tolerance, and never fails a run.
"""

from __future__ import annotations

from typing import Any

from kho_sim.base.extent import Extent, merged
from kho_sim.logs.importing.landing import names_its_areas
from kho_sim.logs.reader import BootLog
from kho_sim.scenario import Scenario
from kho_sim.trace.records import FACTS, Boot, Outcome
from kho_sim.trace.trace import Trace
from kho_sim.verification.comparison import Comparison, compare

Facts = dict[str, Comparison]

NOT_COMPARED = ("extend_ns",)
"""A log's clock is that of its machine; the cost model is held to measurements elsewhere."""

TOLERANCES = {
    "radix_nodes": (0.25, 4),
    "busy_blocks": (0.25, 2),
    "extended_bytes": (0.20, 1 << 30),
    "digest_pages": (0.0, 4),
    "memory_regions_after": (0.5, 8),
    "reserved_regions_before": (0.1, 6),
    "reserved_regions_after": (0.6, 12),
    "gigantic_pages_allocated": (0.02, 1),
    "allocations": (0.05, 8),
    "failures": (0.05, 8),
}
"""Facts of a KHO boot that follow the page allocator: allowed difference, as a share of the
observed value or absolute, whichever is larger. Blocks count by how many are busy. Chosen with the
recorded logs in view: they say how far the model is off there, not how far it may be elsewhere."""
FOLIO_TOLERANCES = {
    "preservations": (0.25, 8),
    "preservations_by_order": (0.25, 8),
    "preserved_bytes": (0.01, 64 << 10),
}
"""The same where files use large folios: how many they get depends on free blocks."""

PANIC_PREFIX = "Kernel panic - not syncing: "


def check_facts(log_trace: Trace, simulated: Trace, scenario: Scenario) -> list[Facts]:
    """Return for each boot of the log its facts by name; unknown ones are left out.

    A boot that the simulation does not reach has no prediction, so all of its facts differ.
    """
    tolerances = dict(TOLERANCES)
    folios = {getattr(entry, "folio", None) for entry in scenario.workload}
    if folios - {None, scenario.kernel.page_size}:
        tolerances |= FOLIO_TOLERANCES
    logs: tuple[BootLog, ...] = log_trace.extra["boots"]
    checked = []
    for log, observed in zip(logs, log_trace[Boot], strict=True):
        reached = observed.boot < len(simulated[Boot])
        predicted = simulated[Boot][observed.boot] if reached else None
        checked.append(_facts_of_boot(log, observed, predicted, tolerances))
    return checked


def check_outcome(observed: Outcome, predicted: Outcome) -> Comparison | None:
    """Return the comparison of how a chain ended; None if the log does not say."""
    if observed.kind == "unknown":
        return None
    return compare(_ending(predicted), _ending(observed))


def _ending(outcome: Outcome) -> tuple[str, int, str]:
    return outcome.kind, outcome.boot, outcome.message.removeprefix(PANIC_PREFIX)


def _facts_of_boot(
    log: BootLog, observed: Boot, predicted: Boot | None, tolerances: dict[str, tuple[float, int]]
) -> Facts:
    facts: Facts = {}
    for name in FACTS:
        real = getattr(observed, name)
        if real is None or name in NOT_COMPARED:
            continue
        model = getattr(predicted, name) if predicted else None
        if name == "scratch_areas":
            facts[name] = _scratch_areas(log, observed, model)
        elif observed.kind == "kho" and name in tolerances:
            facts[name] = _within(model, real, tolerances[name])
        else:
            facts[name] = compare(model, real)
    return facts


def _scratch_areas(log: BootLog, observed: Boot, model: Any) -> Comparison:
    """A log that shows only flagged memory has joined areas that touch, in address order."""
    if model and observed.kind == "kho" and not names_its_areas(log):
        extents = merged(Extent(start, start + size) for start, size in model)
        model = tuple((extent.start, extent.size) for extent in extents)
    return compare(model, observed.scratch_areas)


def _within(model: Any, real: Any, tolerance: tuple[float, int]) -> Comparison:
    share, absolute = tolerance
    predicted, observed = _magnitude(model), _magnitude(real)
    close = predicted is not None and observed is not None
    if predicted is not None and observed is not None:
        close = abs(predicted - observed) <= max(share * observed, absolute)
    return Comparison(predicted=model, observed=real, exact=model == real, close=close)


def _magnitude(value: Any) -> int | None:
    """The number that a tolerance applies to: a number, the count of blocks, all keys."""
    if value is None or isinstance(value, int):
        return value
    if value and isinstance(value[0], tuple):
        return sum(int(number) for _, number in value)
    return len(value)
