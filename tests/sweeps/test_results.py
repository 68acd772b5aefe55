"""The tables of a sweep: their columns, their dtypes, and that they hold what the runs gave."""

import pandas as pd
import pytest

from kho_sim.base.results import SUMMARY
from kho_sim.chain import run_scenario
from kho_sim.scenario import with_values
from kho_sim.sweeps.results import Sweep
from kho_sim.sweeps.sweeping import sweep
from kho_sim.sweeps.tables import ALLOCATIONS, BOOTS, RUNS
from kho_sim.trace.summary import summary

DTYPES = {"int64": "Int64", "uint64": "UInt64", "string": "string", "bool": "boolean"}


@pytest.fixture
def swept(tmp_path, tiny):
    axes = {"kernel.extend.shift": [30, 22], "machine.memory": ["1GiB", "2GiB"]}
    twin = with_values(
        tiny, {"chain.twin": True, "kernel.command_line": "hugepagesz=1G hugepages=1"}
    )
    return sweep(twin, axes, tmp_path / "s", replicates=2, workers=1, allocations=True)


def resimulated(swept, row):
    """The trace of one row, from its parameters and its seed alone."""
    values = {key: int(row[key]) for key in swept.keys}
    base = with_values(_base(swept), {**values, "chain.seed": int(row["seed"])})
    return run_scenario(base)


def _base(swept):
    from kho_sim.scenario import from_dict

    return from_dict(swept.manifest["scenario"])


def test_runs_hold_what_a_single_run_says(swept):
    runs = swept.runs()
    assert len(runs) == 8
    for _, row in runs.iterrows():
        trace = resimulated(swept, row)
        assert row["outcome"] == trace.outcome.kind
        stored = {name: row[name] for name in SUMMARY if not pd.isna(row[name])}
        assert stored == summary(trace)


def test_boots_and_allocations_hold_both_chains(swept):
    row = swept.runs().iloc[0]
    trace = resimulated(swept, row)
    boots = swept.boots().query("run_id == @row.run_id")
    allocations = swept.allocations().query("run_id == @row.run_id")
    for twin, chain in ((False, trace), (True, trace.twin)):
        there = boots[boots["twin"] == twin]
        assert there["boot"].tolist() == [boot.boot for boot in chain["boots"]]
        assert there["scratch_bytes"].tolist() == [
            sum(size for _, size in boot.scratch_areas) for boot in chain["boots"]
        ]
        placed = allocations[allocations["twin"] == twin]["address"].tolist()
        assert placed == [one.address for one in chain["allocations"]]


def test_columns_and_dtypes_are_fixed(swept, tmp_path, tiny):
    head = ["run_id", *swept.keys, "replicate", "seed"]
    for frame, schema in (
        (swept.runs().drop(columns="state"), RUNS),
        (swept.boots(), BOOTS),
        (swept.allocations(), ALLOCATIONS),
    ):
        assert list(frame.columns) == head + schema.names[1:]
        for field in schema:
            assert frame[field.name].dtype == DTYPES[str(field.type)], field.name
    nothing = Sweep(tmp_path / "s")
    for part in (nothing.directory / "runs").iterdir():
        part.unlink()
    assert nothing.runs().empty
    assert nothing.runs().dtypes.equals(swept.runs().dtypes)


def test_units_are_shown_with_the_tables(swept):
    units = swept.runs().attrs["units"]
    assert units["extended_bytes_min"] == "bytes"
    assert units["extend_ns_max"] == "nanoseconds"
    assert "failures" not in units
    assert swept.boots().attrs["units"]["scratch_bytes"] == "bytes"


def test_parameters_have_types(tmp_path, tiny):
    axes = {
        "kernel.extend.strategy": ["blocks", "none"],
        "chain.twin": [True, False],
        "kernel.initrd": ["1MiB", None],
    }
    runs = sweep(tiny, axes, tmp_path / "s", workers=1).runs()
    assert runs["kernel.extend.strategy"].dtype == "string"
    assert runs["chain.twin"].dtype == "boolean"
    assert runs["kernel.initrd"].dtype == "Int64"
    assert runs["kernel.initrd"].isna().sum() == 4
