"""What SimPy itself costs: a process that only waits, bare and in a chain; all events of a run."""

from pathlib import Path

import pytest
import simpy

from kho_sim.chain import run_scenario
from kho_sim.chain.build import build_plan
from kho_sim.chain.journal import Journal
from kho_sim.chain.kernel import Kernel
from kho_sim.chain.workload import Workload
from kho_sim.scenario import load, loads
from kho_sim.scenario.workloads import Anonymous

SCENARIOS = Path(__file__).parents[1] / "scenarios"
WAITS = 100_000
SMALL = "machine: {memory: 4GiB, cpus: 2}\nchain: {boots: 1, uptime: 1s}\n"


class Waits(Workload):
    """A workload that does nothing but wait."""

    begun = False

    def serve(self, kernel):
        self.begun = True
        return waits(kernel.env, WAITS)


def waits(env, count):
    for _ in range(count):
        yield env.timeout(1)


def bare(count=WAITS):
    env = simpy.Environment()
    env.process(waits(env, count))
    return env


def in_a_chain():
    """Bring a kernel up to the moment when its workload begins to wait."""
    env = simpy.Environment()
    workload = Waits(Anonymous(kind="anonymous", size="1MiB"), 0, 0)
    plan = build_plan(loads(SMALL))
    kernel = Kernel(env, 0, plan, None, [workload], Journal(plan.timing.hardware))
    env.process(kernel.life())
    while not workload.begun:
        env.step()
    return env


@pytest.mark.parametrize("prepare", [bare, in_a_chain])
def test_a_process_that_only_waits(benchmark, prepare):
    benchmark.pedantic(lambda env: env.run(), setup=lambda: ((prepare(),), {}), rounds=10)


@pytest.mark.parametrize("name", ["seed-case-2", "hypervisor"])
def test_as_many_bare_events_as_in_a_run(benchmark, monkeypatch, name):
    """To be held against ``test_chain``'s time for the same scenario."""
    events = 0
    step = simpy.Environment.step

    def counted(env):
        nonlocal events
        events += 1
        step(env)

    with monkeypatch.context() as patch:
        patch.setattr(simpy.Environment, "step", counted)
        run_scenario(load(SCENARIOS / f"{name}.yaml"))
    benchmark.extra_info["events"] = events
    benchmark(lambda: bare(events).run())
