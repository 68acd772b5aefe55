"""What-ifs: early boots beside the chain, which the chain must not notice."""

from __future__ import annotations

from dataclasses import fields

import pytest

from kho_sim.base.words import RETRIEVALS, STRATEGIES
from kho_sim.chain import run_scenario
from kho_sim.runs.store import load_run, save_run
from kho_sim.scenario import loads
from kho_sim.sweeps import sweep
from kho_sim.trace.records import Alternative, Boot
from tests.hand_made import with_records

TEXT = """
machine: {memory: 4GiB, cpus: 4}
kernel: {command_line: "kho_scratch=32M,32M,32M", extend: {shift: 24}}
workload: [{kind: memfd, count: 8, size: 32MiB}]
chain: {boots: 3}
"""
WHAT_IF = """
what_if:
- {strategy: blocks, shifts: [24, 30]}
- {strategy: none, boots: last}
"""


def shared_facts():
    return {f.name for f in fields(Alternative)} & {f.name for f in fields(Boot)} - {"boot"}


def test_the_chain_s_own_way_comes_out_as_its_own_boot():
    trace = run_scenario(loads(TEXT + WHAT_IF))
    own = [row for row in trace["alternatives"] if row.shift == 24]
    assert [row.boot for row in own] == [1, 2]
    for row in own:
        boot = trace["boots"][row.boot]
        assert {n: getattr(row, n) for n in shared_facts()} == {
            n: getattr(boot, n) for n in shared_facts()
        }
        assert row.busy_block_count == len(boot.busy_blocks)


def test_the_chain_does_not_notice():
    asked, plain = run_scenario(loads(TEXT + WHAT_IF)), run_scenario(loads(TEXT))
    assert len(asked["alternatives"]) == 5
    assert asked.twin["alternatives"] == ()
    assert with_records(asked, alternatives=()).digest == plain.digest
    assert asked.digest != plain.digest


def test_a_strategy_that_kills_the_kernel_is_recorded():
    text = TEXT.replace("4GiB", "16GiB").replace("32M,32M,32M", "16M,16M,16M")
    trace = run_scenario(loads(text + WHAT_IF))
    assert trace.outcome.kind == "completed"
    (last,) = (row for row in trace["alternatives"] if row.strategy == "none")
    assert (last.boot, last.extended_bytes) == (2, 0)
    assert "Failed to allocate" in last.panic


def test_a_boot_that_extends_nothing_is_not_tried_with_other_strategies():
    faults = "faults: [{kind: tree_root, boot: 1}, {kind: fdt, boot: 3}]\n"
    text = TEXT.replace("boots: 3", "boots: 5, on_failure: cold_boot")
    trace = run_scenario(loads(text + WHAT_IF + faults))
    assert [boot.kind for boot in trace["boots"]] == ["cold", "kho", "kho", "cold", "kho"]
    assert [row.boot for row in trace["alternatives"]] == [2, 2, 4, 4, 4]


def test_stored_and_swept(tmp_path):
    scenario = loads(TEXT + WHAT_IF)
    trace = run_scenario(scenario)
    save_run(trace, tmp_path / "run")
    assert load_run(tmp_path / "run")["alternatives"] == trace["alternatives"]
    done = sweep(scenario, {"chain.seed": [0, 1]}, tmp_path / "sweep", workers=1)
    table = done.alternatives()
    assert len(table) == 10
    first = table[table["chain.seed"] == 0]
    names = ["boot", "strategy", "shift", "extended_bytes"]
    assert sorted(first[names].itertuples(index=False, name=None)) == sorted(
        trace.alternatives[names].itertuples(index=False, name=None)
    )


def test_every_retrieval_is_tried_on_the_same_memory_with_every_extension():
    tried = f"retrievals: [{', '.join(RETRIEVALS)}], boots: last"
    what_ifs = [f"- {{strategy: {strategy}, {tried}}}\n" for strategy in STRATEGIES]
    trace = run_scenario(loads(TEXT + "what_if:\n" + "".join(what_ifs)))
    rows = {(row.strategy, row.retrieval): row for row in trace["alternatives"]}
    assert len(trace["alternatives"]) == len(STRATEGIES) * len(RETRIEVALS)
    assert {name for strategy, name in rows if strategy == "blocks"} == set(RETRIEVALS)
    assert {name for strategy, name in rows if strategy == "reserve-early"} == {
        "two-pass",
        "two-pass-runs",
    }
    stock, runs = rows["blocks", "per-key"], rows["blocks", "collect-runs"]
    assert stock.extended_bytes == runs.extended_bytes
    assert stock.retrieve_ns > 5 * runs.retrieve_ns
    assert stock.reserved_regions_after == runs.reserved_regions_after
    skipping = rows["blocks", "skip-at-free"]
    assert skipping.reserved_regions_after == skipping.reserved_regions_before


@pytest.mark.parametrize("name", RETRIEVALS)
@pytest.mark.parametrize("strategy", ["blocks", "reserve-early"])
def test_a_chain_with_every_retrieval_keeps_its_files(strategy, name):
    text = TEXT.replace(
        "extend: {shift: 24}", f"extend: {{strategy: {strategy}}}, retrieval: {name}"
    )
    trace = run_scenario(loads(text))
    assert trace.outcome.kind == trace.twin.outcome.kind == "completed"
    assert len([row for row in trace["files"] if row.boot == 2]) == 8
    assert not any(boot.extended_bytes for boot in trace.twin["boots"])
