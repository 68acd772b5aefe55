"""Traces for figures: every scenario of the project with few boots, and some recorded logs."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from kho_sim.chain import run_scenario
from kho_sim.logs.reader import read_boot_log
from kho_sim.scenario import load, loads, with_values
from kho_sim.trace.trace import Trace

ROOT = Path(__file__).parents[2]
SCENARIOS = sorted(path.stem for path in (ROOT / "scenarios").glob("*.yaml"))
LOGS = ("b-numa2-16G", "b-noext-8G-16M_16M_16M", "chain10-16G", "machine-1G", "huge58-64G")

SMALL = """
machine: {memory: 1GiB, cpus: 2}
kernel: {extend: {strategy: blocks, shift: 26}}
workload: [{kind: memfd, count: 2, size: 4MiB}]
chain: {boots: 3, uptime: 1h}
"""


@cache
def simulated(name: str) -> Trace:
    """The chain of a scenario in the project, cut to two boots where its kernels do not differ and
    nothing goes wrong."""
    scenario = load(ROOT / "scenarios" / f"{name}.yaml")
    if not scenario.kernel.releases and not scenario.faults:
        scenario = with_values(scenario, {"chain.boots": 2})
    return run_scenario(scenario)


@cache
def small() -> Trace:
    """Three boots of a small machine, with blocks small enough to extend something."""
    return run_scenario(loads(SMALL))


@cache
def recorded(name: str) -> Trace:
    """A recorded log."""
    return read_boot_log(ROOT / "tests" / "recorded" / f"{name}.log.xz")
