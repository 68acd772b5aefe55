"""The tables of a sweep: what a run leaves behind, one schema each, and runs turned into rows.

All tables carry ``run_id``. Parameters, replicate and seed are in the design's table, not in these,
so a sweep that gets one more axis keeps its parts. Left out: regions, events and other records of
single runs; ``kho-sim run`` of that scenario gives them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from kho_sim.base.results import SUMMARY
from kho_sim.trace.records import FACTS, Allocation, Alternative, Boot
from kho_sim.trace.schema import columns_of
from kho_sim.trace.summary import summary
from kho_sim.trace.trace import Trace

if TYPE_CHECKING:
    from kho_sim.scenario import Scenario

BOOT_FACTS = tuple(one.name for one in columns_of(Boot) if one.name in FACTS and not one.depth)
"""Facts that are numbers; of those that are lists, a tidy table has the sizes."""

BLACKOUT_ENDS = ("blackout_low_ns", "blackout_high_ns")

RUNS = pa.schema(
    [
        ("run_id", pa.string()),
        ("outcome", pa.string()),
        ("outcome_boot", pa.int64()),
        ("outcome_message", pa.string()),
        *((name, pa.string() if name.startswith("outcome") else pa.int64()) for name in SUMMARY),
    ]
)
"""One row per run: how the chain ended, and the names of ``kho_sim.base.results.SUMMARY``."""

BOOTS = pa.schema(
    [
        ("run_id", pa.string()),
        ("twin", pa.bool_()),
        ("boot", pa.int64()),
        ("kind", pa.string()),
        ("release", pa.string()),
        ("scratch_bytes", pa.int64()),
        ("busy_block_count", pa.int64()),
        ("preservations_by_order", pa.string()),
        *((name, pa.int64()) for name in (*BOOT_FACTS, *BLACKOUT_ENDS)),
    ]
)
"""One row per boot, the twin's (the same chain without the extension) marked: the facts of
``run --json``, ``scratch_bytes`` for all areas together, ``preservations_by_order`` as JSON, the
ends of ``blackout_range_ns`` as BLACKOUT_ENDS.
"""


def _columns(kind: type[Any]) -> Iterator[tuple[str, pa.DataType]]:
    """Yield the columns of a kind of record, with their types."""
    for column in columns_of(kind):
        yield column.name, pa.type_for_alias(column.dtype.lower())


ALLOCATIONS = pa.schema([("run_id", pa.string()), ("twin", pa.bool_()), *_columns(Allocation)])
"""One row per early allocation, as ``records.Allocation``."""

ALTERNATIVES = pa.schema([("run_id", pa.string()), *_columns(Alternative)])
"""One row per what-if and KHO boot, as ``records.Alternative``."""

SCHEMAS = {
    "runs": RUNS,
    "boots": BOOTS,
    "allocations": ALLOCATIONS,
    "alternatives": ALTERNATIVES,
}
ALWAYS = ("runs", "boots")


def tables_of(scenario: Scenario, allocations: bool = False) -> tuple[str, ...]:
    """Return the tables that a sweep of this scenario has."""
    wanted = {"allocations": allocations, "alternatives": bool(scenario.what_if)}
    return (*ALWAYS, *(table for table, is_wanted in wanted.items() if is_wanted))


def rows_of(table: str, run_id: str, trace: Trace) -> pa.RecordBatch:
    """Return what one run adds to a table of ``SCHEMAS``."""
    rows = [{"run_id": run_id, **row} for row in _ROWS[table](trace)]
    return pa.RecordBatch.from_pylist(rows, schema=SCHEMAS[table])


def _run_rows(trace: Trace) -> Iterator[dict[str, Any]]:
    outcome = trace.outcome
    ended = {
        "outcome": outcome.kind,
        "outcome_boot": outcome.boot,
        "outcome_message": outcome.message,
    }
    yield {**ended, **summary(trace)}


def _boot_rows(trace: Trace) -> Iterator[dict[str, Any]]:
    for twin, chain in _chains(trace):
        for boot in chain[Boot]:
            yield {"twin": twin, **_boot_row(boot)}


def _boot_row(boot: Boot) -> dict[str, Any]:
    row = {name: getattr(boot, name) for name in ("boot", "kind", "release", *BOOT_FACTS)}
    if boot.scratch_areas is not None:
        row["scratch_bytes"] = sum(size for _, size in boot.scratch_areas)
    if boot.blackout_range_ns is not None:
        row.update(zip(BLACKOUT_ENDS, boot.blackout_range_ns, strict=True))
    if boot.busy_blocks is not None:
        row["busy_block_count"] = len(boot.busy_blocks)
    if boot.preservations_by_order is not None:
        by_order = {str(order): count for order, count in boot.preservations_by_order}
        row["preservations_by_order"] = json.dumps(by_order)
    return row


def _allocation_rows(trace: Trace) -> Iterator[dict[str, Any]]:
    names = Allocation.__dataclass_fields__
    for twin, chain in _chains(trace):
        for values in chain[Allocation].tuples():
            yield {"twin": twin, **dict(zip(names, values, strict=True))}


def _alternative_rows(trace: Trace) -> Iterator[dict[str, Any]]:
    return (asdict(row) for row in trace[Alternative])


def _chains(trace: Trace) -> Iterator[tuple[bool, Trace]]:
    yield False, trace
    if trace.twin is not None:
        yield True, trace.twin


_ROWS = {
    "runs": _run_rows,
    "boots": _boot_rows,
    "allocations": _allocation_rows,
    "alternatives": _alternative_rows,
}
