"""Tables: columns and dtypes for every kind of trace, and what is in them."""

from __future__ import annotations

import pandas as pd
import pytest

from kho_sim.base.errors import TraceError
from kho_sim.tables import TABLES
from kho_sim.trace.records import FailedAllocation, RegionRow
from kho_sim.trace.schema import columns_of
from kho_sim.trace.summary import run_document
from kho_sim.trace.trace import Trace
from tests.hand_made import AREAS, GIB, TRACES, empty_trace, hand_made_trace, sparse_trace

WHOLE, UNKNOWN_OR_WHOLE, TEXT, YES_OR_NO = "int64", "Int64", "string", "bool"

DTYPES = {
    "boots": {
        "boot": WHOLE,
        "kind": TEXT,
        "release": TEXT,
        "command_line": TEXT,
        "kernel_reserved_bytes": UNKNOWN_OR_WHOLE,
        "scratch_areas": "object",
        "preservations": UNKNOWN_OR_WHOLE,
        "preservations_by_order": "object",
        "preserved_bytes": UNKNOWN_OR_WHOLE,
        "radix_nodes": UNKNOWN_OR_WHOLE,
        "busy_blocks": "object",
        "extended_bytes": UNKNOWN_OR_WHOLE,
        "digest_pages": UNKNOWN_OR_WHOLE,
        "extend_ns": UNKNOWN_OR_WHOLE,
        "memory_regions_before": UNKNOWN_OR_WHOLE,
        "memory_regions_after": UNKNOWN_OR_WHOLE,
        "reserved_regions_before": UNKNOWN_OR_WHOLE,
        "reserved_regions_after": UNKNOWN_OR_WHOLE,
        "gigantic_pages_requested": UNKNOWN_OR_WHOLE,
        "gigantic_pages_allocated": UNKNOWN_OR_WHOLE,
        "gigantic_pages_kept": UNKNOWN_OR_WHOLE,
        "allocations": UNKNOWN_OR_WHOLE,
        "failures": UNKNOWN_OR_WHOLE,
        "failures_avoided": UNKNOWN_OR_WHOLE,
        "kernel_boot_ns": UNKNOWN_OR_WHOLE,
        "kernel_boot_range_ns": "object",
        "blackout_ns": UNKNOWN_OR_WHOLE,
        "blackout_range_ns": "object",
    },
    "allocations": {
        "boot": WHOLE,
        "sequence": WHOLE,
        "phase": TEXT,
        "what": TEXT,
        "size_bytes": WHOLE,
        "align_bytes": WHOLE,
        "nid": WHOLE,
        "min_address": WHOLE,
        "max_address": "uint64",
        "count": WHOLE,
        "address": WHOLE,
        "source": TEXT,
        "failed": YES_OR_NO,
        "avoided": YES_OR_NO,
        "why": TEXT,
    },
    "failures": {
        "extended": YES_OR_NO,
        "boot": WHOLE,
        "sequence": WHOLE,
        "phase": TEXT,
        "what": TEXT,
        "size_bytes": WHOLE,
        "align_bytes": WHOLE,
        "nid": WHOLE,
        "count": WHOLE,
        "why": TEXT,
    },
    "scratch": dict.fromkeys(("boot", "area", "start", "end", "size_bytes"), WHOLE),
}
"""What scripts rely on, of the tables that the contract names and of the derived ones."""


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)
@pytest.mark.parametrize("name", TABLES)
def test_columns_and_dtypes_are_those_of_the_class(name: str, trace: Trace) -> None:
    dtypes = {column: str(dtype) for column, dtype in trace.table(name).dtypes.items()}
    assert list(dtypes.items()) == [(one.name, one.dtype) for one in columns_of(TABLES[name])]
    assert list(dtypes.items()) == list(DTYPES.get(name, dtypes).items())


@pytest.mark.parametrize("name", TABLES)
def test_hand_made_trace_fills_every_table(name: str) -> None:
    assert len(hand_made_trace().table(name)) > 0
    assert len(empty_trace().table(name)) == 0


def test_boots_keep_unknown_facts_apart_from_zeros() -> None:
    boots = hand_made_trace().boots.set_index("boot")
    assert pd.isna(boots.extended_bytes[0])
    assert boots.extended_bytes[2] == 4 * GIB
    assert boots.failures.tolist() == [0, 0, 1]
    assert boots.busy_blocks[0] is None
    assert boots.busy_blocks[1] == (4 * GIB, 6 * GIB)


def test_boots_of_a_poor_log_are_all_unknown() -> None:
    facts = sparse_trace().boots.drop(columns=["boot", "kind", "release", "command_line"])
    assert facts.isna().all(axis=None)


def test_failures_are_of_the_trace_and_then_of_the_twin() -> None:
    failures = hand_made_trace().failures
    seen = list(failures[["extended", "boot", "what", "count"]].itertuples(index=False, name=None))
    assert seen == [
        (True, 2, "bounce buffer", 1),
        (False, 1, "gigantic page", 4),
        (False, 2, "gigantic page", 4),
        (False, 2, "memmap", 1),
    ]
    assert failures.why[3] == "1 MiB free, 2 MiB asked"
    names = [column.name for column in columns_of(FailedAllocation)]
    assert [list(row) for row in run_document(hand_made_trace())["failures"]] == [names] * 4


def test_scratch_has_a_row_for_each_area_of_each_boot() -> None:
    scratch = hand_made_trace().table("scratch")
    assert len(scratch) == 6
    of_boot_1 = scratch[scratch.boot == 1]
    assert list(zip(of_boot_1.start, of_boot_1.size_bytes, strict=True)) == list(AREAS)
    assert of_boot_1.area.tolist() == [0, 1]
    assert (scratch.end - scratch.start == scratch.size_bytes).all()


def test_highest_limit_of_an_allocation_fits() -> None:
    assert hand_made_trace().allocations.max_address[0] == 2**64 - 1


def test_address_beyond_the_column_is_an_error_with_its_place() -> None:
    row = RegionRow(
        boot=0, moment="before_extend", array="memory", start=0, end=2**63, nid=0, flags=0
    )
    trace = Trace(provenance={}, outcome=empty_trace().outcome, records={RegionRow: (row,)})
    with pytest.raises(TraceError, match="table regions, column end"):
        trace.table("regions")


def test_table_that_there_is_none_of_is_an_error_with_those_there_are() -> None:
    with pytest.raises(TraceError, match="no table boot; known: boots, allocations"):
        hand_made_trace().table("boot")


def test_trace_offers_its_tables_as_attributes() -> None:
    trace = hand_made_trace()
    lengths = [len(rows) for rows in (trace.boots, trace.allocations, trace.failures)]
    assert [*lengths, len(trace.alternatives)] == [3, 3, 4, 1]
