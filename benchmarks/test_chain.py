"""Whole chains, from the scenario file to the trace."""

from pathlib import Path

import pytest

from kho_sim.chain import run_scenario
from kho_sim.scenario import load

SCENARIOS = Path(__file__).parents[1] / "scenarios"


@pytest.mark.parametrize("name", ["seed-case-1", "seed-case-2", "hypervisor", "numa-two-socket"])
def test_run(benchmark, name):
    scenario = load(SCENARIOS / f"{name}.yaml")
    assert benchmark.pedantic(run_scenario, (scenario,), rounds=3)["boots"]
