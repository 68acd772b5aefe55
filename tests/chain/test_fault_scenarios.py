"""The scenarios about faults, whole: what each is there to show."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from kho_sim.chain import explain_scenario, run_scenario
from kho_sim.cli.expectations import unmet_expectations
from kho_sim.report import report_text
from kho_sim.scenario import from_dict, load, with_values
from kho_sim.trace.summary import incidents
from kho_sim.trace.trace import Trace

SCENARIOS = Path(__file__).parents[2] / "scenarios"
NAMES = sorted(path.stem for path in SCENARIOS.glob("faults-*.yaml"))


@cache
def run(name: str) -> Trace:
    return run_scenario(with_values(load(SCENARIOS / f"{name}.yaml"), {"chain.twin": False}))


def losses(name: str) -> list[tuple[int, str, str, list[str]]]:
    return [
        (row.boot, row.kind, row.then, [file.name for file in outcomes if not file.kept])
        for row, outcomes in incidents(run(name))
    ]


@pytest.mark.parametrize("name", NAMES)
def test_what_a_scenario_expects_comes_true(name: str) -> None:
    expected = load(SCENARIOS / f"{name}.yaml").expectations
    assert len(expected) >= 3
    assert unmet_expectations(run(name), expected, ()) == []


def test_a_failed_update_costs_the_guests_and_the_chain_goes_on() -> None:
    assert losses("faults-failed-update") == [
        (1, "load", "retry", []),
        (3, "panic", "cold boot", ["vms0/1", "vms0/8", "vms0/9", "memfd1/0"]),
    ]
    trace = run("faults-failed-update")
    assert [boot.kind for boot in trace["boots"]] == ["cold", *["kho"] * 3, "cold", "kho"]
    again = {row.name: row.made_in for row in trace["files"] if row.boot == 5}
    assert again["memfd1/0"] == again["vms0/1"] == 4
    assert trace["boots"][4].scratch_areas == trace["boots"][0].scratch_areas


def test_each_damaged_handover_leaves_what_the_kernel_still_finds() -> None:
    files = ["hugetlb0", "memfd1/0", "memfd1/1", "crashlog"]
    assert losses("faults-lost-handover") == [
        (1, "fdt", "goes on", files),
        (3, "tree_root", "goes on", files),
        (4, "descriptors", "goes on", ["memfd1/0", "memfd1/1", "crashlog"]),
    ]
    boots = run("faults-lost-handover")["boots"]
    assert [boot.kind for boot in boots] == ["cold", "cold", "kho", "kho", "cold"]
    # Scratch alone has no window for a gigantic page; a first kernel has.
    assert [boot.gigantic_pages_allocated for boot in boots] == [4, 4, 4, 0, 4]
    assert boots[3].scratch_areas == boots[2].scratch_areas


def test_half_an_extension_costs_pages_and_no_file() -> None:
    assert [row[3] for row in losses("faults-half-extended")] == [[], [], []]
    boots = run("faults-half-extended")["boots"]
    assert [boot.gigantic_pages_allocated for boot in boots] == [50, 21, 50, 50]
    assert boots[1].extended_bytes < boots[2].extended_bytes


def test_the_report_and_explain_list_the_incidents() -> None:
    text = report_text(run("faults-lost-handover"))
    assert "3 faults of the scenario occurred, 11 files, 4.75 GiB lost" in text
    assert 'boot 1: fault fdt, "KHO: setup: handover FDT (0x' in text
    assert "hugetlb0, memfd1/0, memfd1/1, crashlog" in text
    text = str(explain_scenario(SCENARIOS / "faults-failed-update.yaml"))
    assert "boot 1: load, error ENOMEM, times 1" in text
    assert "cold boot; 4 files lost, 3.25 GiB" in text
    assert "firmware_reset" in text


def test_a_fault_that_meets_nothing_is_said_to_have_missed() -> None:
    fault = {"kind": "allocation", "boot": 0, "what": "node 0 scratch", "occurrence": 2}
    scenario = load(SCENARIOS / "faults-lost-handover.yaml")
    resolved = scenario.to_dict() | {"faults": [fault], "expect": {}}
    resolved["chain"] |= {"boots": 1, "twin": False}
    text = " ".join(report_text(run_scenario(from_dict(resolved))).split())
    assert "nothing lost; did not occur: allocation of node 0 scratch in boot 0" in text
