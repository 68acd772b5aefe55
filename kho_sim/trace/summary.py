"""A trace in a few numbers, and as the JSON document that ``kho-sim run --json`` prints.

Plain values only, no DataFrames: what scripts, expectations, sweeps and the report read. A number
that a trace cannot have (no KHO boot, no twin, not in the log) is left out, never a false zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from kho_sim.base.blocks import Blocks
from kho_sim.base.results import SUMMARY
from kho_sim.trace.records import (
    COLD_BOOT,
    FACTS,
    OOM_KILL,
    PHASES,
    RETRIED,
    Allocation,
    Boot,
    FailedAllocation,
    FileOutcome,
    Incident,
    Outcome,
    PhaseTime,
)
from kho_sim.trace.trace import Trace

SCHEMA = "kho-sim/run"
SCHEMA_VERSION = 1


def summary(trace: Trace) -> dict[str, Any]:
    """Return the names of ``results.SUMMARY`` that this trace has a value for, in that order."""
    values = {
        **_over_all_boots(trace),
        **_over_kho_boots(trace),
        **_over_incidents(trace),
        **_of_twin(trace.twin),
    }
    return {name: values[name] for name in SUMMARY if values.get(name) is not None}


def failures(trace: Trace) -> Iterator[FailedAllocation]:
    """Yield each failed early allocation, of the trace and then of its twin."""
    names = FailedAllocation.__dataclass_fields__.keys() & Allocation.__dataclass_fields__.keys()
    for extended, chain in ((True, trace), (False, trace.twin)):
        for row in chain[Allocation].where(failed=True) if chain else ():
            yield FailedAllocation(
                extended=extended, **{name: getattr(row, name) for name in names}
            )


def incidents(trace: Trace) -> Iterator[tuple[Incident, list[FileOutcome]]]:
    """Yield each incident with the outcomes of the files that were at risk in it."""
    outcomes: dict[int, list[FileOutcome]] = {}
    for file in trace[FileOutcome]:
        outcomes.setdefault(file.incident, []).append(file)
    for number, incident in enumerate(trace[Incident]):
        yield incident, outcomes.get(number, [])


def run_document(trace: Trace) -> dict[str, Any]:
    """Return the JSON document of a trace: plain dicts, lists, ints and strings.

    More than ``blocks.MOST_LISTED`` busy blocks appear as ``busy_block_bytes`` and
    ``busy_spans`` ([start, end) in bytes) in place of ``busy_blocks``.
    """
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "provenance": {**trace.provenance, "digest": trace.digest},
        "outcome": _outcome(trace.outcome),
        "boots": _boots(trace),
        "summary": summary(trace),
    }
    if trace.twin is not None:
        document["twin"] = {
            "outcome": _outcome(trace.twin.outcome),
            "boots": _boots(trace.twin),
            "incidents": [_incident(*pair) for pair in incidents(trace.twin)],
        }
    document["incidents"] = [_incident(*pair) for pair in incidents(trace)]
    document["failures"] = [asdict(row) for row in failures(trace)]
    return document


def _over_all_boots(trace: Trace) -> dict[str, Any]:
    return {
        "boots": len(trace[Boot]),
        "failures": _sum(boot.failures for boot in trace[Boot]),
        "failures_avoided": _sum(boot.failures_avoided for boot in trace[Boot]),
        "kernel_boot_ns_max": _max(boot.kernel_boot_ns for boot in trace[Boot]),
        "blackout_ns_max": _max(boot.blackout_ns for boot in trace[Boot]),
    }


def _over_kho_boots(trace: Trace) -> dict[str, Any]:
    boots = _kho_boots(trace)
    return {
        "extended_bytes_min": _min(boot.extended_bytes for boot in boots),
        "extended_bytes_max": _max(boot.extended_bytes for boot in boots),
        "extend_ns_max": _max(boot.extend_ns for boot in boots),
        "digest_pages_max": _max(boot.digest_pages for boot in boots),
        "gigantic_pages_requested_min": _min(boot.gigantic_pages_requested for boot in boots),
        "gigantic_pages_allocated_min": _min(boot.gigantic_pages_allocated for boot in boots),
        "preservations_max": _max(boot.preservations for boot in boots),
        "preserved_bytes_max": _max(boot.preserved_bytes for boot in boots),
        "radix_nodes_max": _max(boot.radix_nodes for boot in boots),
        "busy_blocks_max": _max(
            None if boot.busy_blocks is None else len(boot.busy_blocks) for boot in boots
        ),
        "memory_regions_max": _max(
            count
            for boot in boots
            for count in (boot.memory_regions_before, boot.memory_regions_after)
        ),
        "reserved_regions_max": _max(
            count
            for boot in boots
            for count in (boot.reserved_regions_before, boot.reserved_regions_after)
        ),
    }


def _over_incidents(trace: Trace) -> dict[str, Any]:
    """Sums over incidents and files; none for a log, which names no files."""
    if trace.provenance.get("source") != "simulation":
        return {}
    rows, lost = trace[Incident], [row for row in trace[FileOutcome] if not row.kept]
    return {
        "faults": sum(row.injected for row in rows),
        "cold_boots": sum(boot.kind == "cold" for boot in trace[Boot][1:]),
        "firmware_resets": sum(row.then == COLD_BOOT for row in rows),
        "updates_retried": sum(row.then == RETRIED for row in rows),
        "files_lost": len(lost),
        "bytes_lost": sum(row.size_bytes for row in lost),
        "processes_killed": sum(row.kind == OOM_KILL for row in rows),
    }


def _of_twin(twin: Trace | None) -> dict[str, Any]:
    if twin is None:
        return {}
    over_incidents = _over_incidents(twin)
    return {
        "boots_without_extension": len(twin[Boot]),
        "outcome_without_extension": twin.outcome.kind,
        "failures_without_extension": _sum(boot.failures for boot in twin[Boot]),
        "gigantic_pages_without_extension_min": _min(
            boot.gigantic_pages_allocated for boot in _kho_boots(twin)
        ),
        "files_lost_without_extension": over_incidents.get("files_lost"),
        "bytes_lost_without_extension": over_incidents.get("bytes_lost"),
        "processes_killed_without_extension": over_incidents.get("processes_killed"),
    }


def _kho_boots(trace: Trace) -> list[Boot]:
    return [boot for boot in trace[Boot] if boot.kind == "kho"]


def _known(values: Iterable[int | None]) -> list[int]:
    return [value for value in values if value is not None]


def _sum(values: Iterable[int | None]) -> int | None:
    known = _known(values)
    return sum(known) if known else None


def _min(values: Iterable[int | None]) -> int | None:
    return min(_known(values), default=None)


def _max(values: Iterable[int | None]) -> int | None:
    return max(_known(values), default=None)


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {"kind": outcome.kind, "boot": outcome.boot, "message": outcome.message}


def _incident(incident: Incident, outcomes: list[FileOutcome]) -> dict[str, Any]:
    """Files by name, and how much that is, kept and lost."""
    document: dict[str, Any] = {
        name: getattr(incident, name) for name in Incident.__dataclass_fields__
    }
    for word, kept in (("kept", True), ("lost", False)):
        files = [file for file in outcomes if file.kept == kept]
        document[f"files_{word}"] = [file.name for file in files]
        document[f"bytes_{word}"] = sum(file.size_bytes for file in files)
    return document


def _blocks(busy: Sequence[int]) -> dict[str, Any]:
    """The starts of the busy blocks, or in place of too many their size and their runs."""
    plain = busy.plain() if isinstance(busy, Blocks) else list(busy)
    return {"busy_blocks": None, **plain} if isinstance(plain, dict) else {"busy_blocks": plain}


def _boots(trace: Trace) -> list[dict[str, Any]]:
    times: dict[int, dict[str, PhaseTime]] = {}
    for row in trace[PhaseTime]:
        times.setdefault(row.boot, {})[row.phase] = row
    return [_boot(boot) | _phases(times.get(boot.boot, {})) for boot in trace[Boot]]


def _phases(times: dict[str, PhaseTime]) -> dict[str, Any]:
    """The times of a kernel's phases, by name and in order; nothing where there is none."""
    rows = [times[name] for name in PHASES if name in times]
    if not rows:
        return {}
    return {
        "phases_ns": {row.phase: row.duration_ns for row in rows},
        "phases_range_ns": {row.phase: [row.low_ns, row.high_ns] for row in rows},
    }


def _boot(boot: Boot) -> dict[str, Any]:
    facts = {name: getattr(boot, name) for name in FACTS if name != "blackout_range_ns"}
    if boot.kernel_boot_range_ns is not None:
        facts["kernel_boot_range_ns"] = list(boot.kernel_boot_range_ns)
    if boot.scratch_areas is not None:
        facts["scratch_areas"] = [list(area) for area in boot.scratch_areas]
    if boot.busy_blocks is not None:
        facts |= _blocks(boot.busy_blocks)
    if boot.preservations_by_order is not None:
        facts["preservations_by_order"] = {
            str(order): count for order, count in boot.preservations_by_order
        }
    names = {"release": boot.release or None, "command_line": boot.command_line or None}
    known = {name: value for name, value in {**names, **facts}.items() if value is not None}
    return {"boot": boot.boot, "kind": boot.kind, **known}
