"""Tables: what their docstrings promise, for every kind of trace; and what is in them."""

from __future__ import annotations

import inspect
import re

import pandas as pd
import pytest

from kho_sim.base.errors import TraceError
from kho_sim.frames import TABLES
from kho_sim.trace.records import RegionRow
from kho_sim.trace.trace import Trace
from tests.frames.hand_made import AREAS, GIB, TRACES, empty_trace, hand_made_trace, sparse_trace

PROMISE = re.compile(r"^    (\w+) (\w+): \S", re.MULTILINE)


def promised(name: str) -> dict[str, str]:
    return dict(PROMISE.findall(inspect.getdoc(TABLES[name]) or ""))


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)
@pytest.mark.parametrize("name", TABLES)
def test_columns_and_dtypes_are_those_of_the_docstring(name: str, trace: Trace) -> None:
    table = TABLES[name](trace)
    assert {column: str(dtype) for column, dtype in table.dtypes.items()} == promised(name)
    assert list(table.columns) == list(promised(name))


@pytest.mark.parametrize("name", TABLES)
def test_hand_made_trace_fills_every_table(name: str) -> None:
    assert len(TABLES[name](hand_made_trace())) > 0
    assert len(TABLES[name](empty_trace())) == 0


def test_boots_keep_unknown_facts_apart_from_zeros() -> None:
    boots = TABLES["boots"](hand_made_trace()).set_index("boot")
    assert pd.isna(boots.extended_bytes[0])
    assert boots.extended_bytes[2] == 4 * GIB
    assert boots.failures.tolist() == [0, 0, 1]
    assert boots.busy_blocks[0] is None
    assert boots.busy_blocks[1] == (4 * GIB, 6 * GIB)


def test_boots_of_a_poor_log_are_all_unknown() -> None:
    facts = TABLES["boots"](sparse_trace()).drop(
        columns=["boot", "kind", "release", "command_line"]
    )
    assert facts.isna().all(axis=None)


def test_failures_are_of_the_trace_and_then_of_the_twin() -> None:
    failures = TABLES["failures"](hand_made_trace())
    seen = list(failures[["extended", "boot", "what", "count"]].itertuples(index=False, name=None))
    assert seen == [
        (True, 2, "bounce buffer", 1),
        (False, 1, "gigantic page", 4),
        (False, 2, "gigantic page", 4),
        (False, 2, "memmap", 1),
    ]
    assert failures.why[3] == "1 MiB free, 2 MiB asked"


def test_scratch_has_a_row_for_each_area_of_each_boot() -> None:
    scratch = TABLES["scratch"](hand_made_trace())
    assert len(scratch) == 6
    of_boot_1 = scratch[scratch.boot == 1]
    assert list(zip(of_boot_1.start, of_boot_1.size_bytes, strict=True)) == list(AREAS)
    assert (scratch.end - scratch.start == scratch.size_bytes).all()


def test_highest_limit_of_an_allocation_fits() -> None:
    assert TABLES["allocations"](hand_made_trace()).max_address[0] == 2**64 - 1


def test_address_beyond_the_column_is_an_error_with_its_place() -> None:
    row = RegionRow(
        boot=0, moment="before_extend", array="memory", start=0, end=2**63, nid=0, flags=0
    )
    trace = Trace(provenance={}, outcome=empty_trace().outcome, region_records=(row,))
    with pytest.raises(TraceError, match="table regions, column end"):
        TABLES["regions"](trace)


def test_trace_offers_its_tables_as_attributes() -> None:
    trace = hand_made_trace()
    assert (len(trace.boots), len(trace.allocations), len(trace.failures)) == (3, 3, 4)
