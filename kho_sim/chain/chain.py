"""Kernels end to end on one SimPy clock, and the paired twin without the extension."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import simpy

from kho_sim.base.errors import ModelError
from kho_sim.builds import load_build
from kho_sim.chain.bad_memory import known_frames, with_bad_frames
from kho_sim.chain.build import build_plan
from kho_sim.chain.incidents import ChainEnds
from kho_sim.chain.journal import Journal
from kho_sim.chain.kernel import Kernel
from kho_sim.chain.plan import ChainPlan
from kho_sim.chain.workload import make_workloads
from kho_sim.kho.handover import Handover
from kho_sim.rates import Times
from kho_sim.scenario import Scenario, scenario_of, with_values
from kho_sim.scenario.notes import notes_of
from kho_sim.trace.provenance import run_provenance
from kho_sim.trace.records import CHAIN_ENDS, COLD_BOOT, Outcome
from kho_sim.trace.trace import Trace


def run_scenario(scenario: Scenario | str | PathLike[str], *, seed: int | None = None) -> Trace:
    """Simulate the chain of a scenario, or of a file, and its twin if it asks for one.

    ``seed`` replaces the scenario's own. A kernel that dies is a result (``trace.outcome``).
    Raises: ScenarioError for a scenario that cannot be read or built.
    """
    with scenario_of(scenario) as whole:
        if seed is not None:
            whole = with_values(whole, {"chain.seed": seed}, "seed")
        plan = build_plan(whole)
    provenance = run_provenance(whole, notes_of(whole), _sources(plan))
    twin = None
    if whole.chain.twin:
        twin = run_plan(plan.without_extension(), {**provenance, "twin": True})
    return run_plan(plan, provenance, twin)


def _sources(plan: ChainPlan) -> dict[str, dict[str, str]]:
    """Return where the values of each release and build are from that the chain's kernels have.

    What a scenario changes of a build is in the scenario.
    """
    releases = {f"release {setup.release.name}": setup.release.sources for setup in plan.kernels}
    builds = {
        f"build {setup.build.name}": load_build(setup.build.name).sources for setup in plan.kernels
    }
    return releases | builds


def run_plan(plan: ChainPlan, provenance: dict[str, Any], twin: Trace | None = None) -> Trace:
    """Simulate one chain of kernels and return its trace."""
    chain = _Chain(plan)
    env = simpy.Environment()
    env.run(env.process(chain.life(env)))
    if chain.outcome is None:
        raise ModelError("the chain ended without an outcome")
    return Trace(
        provenance=provenance,
        outcome=chain.outcome,
        records=chain.journal.records,
        twin=twin,
    )


@dataclass
class _Chain:
    plan: ChainPlan
    outcome: Outcome | None = None
    journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        self.journal = Journal(self.plan.timing.hardware)

    def life(self, env: simpy.Environment) -> Generator[simpy.Event, Any, None]:
        """Run kernel after kernel.

        Each begins with what the one before it handed over, and with nothing else; after a
        failure, if the plan says so, with nothing at all, through firmware, and maybe with the
        kernel before.
        """
        workloads = make_workloads(self.plan.workloads, self.plan.seed)
        handover: Handover | None = None
        served_ns, after_reset = 0, False
        down: Times | None = None
        for index in range(self.plan.boots):
            kernel = Kernel(
                env, index, self.plan, handover, workloads, self.journal, served_ns, after_reset,
                down,
            )  # fmt: skip
            after_reset = False
            try:
                yield env.process(kernel.life())
            except ChainEnds as end:
                after_reset = self.plan.resets and not kernel.is_last
                kernel.note_end(end, COLD_BOOT if after_reset else CHAIN_ENDS)
                if not after_reset:
                    self.outcome = end.outcome
                    return
                if self.plan.on_failure == "previous":
                    self.plan = self.plan.rolled_back(index)
            window, served_ns = (served_ns, kernel.window[1]), kernel.window[1]
            known = known_frames(kernel.booted, kernel.handover)
            handover = with_bad_frames(kernel.next_handover, self.plan, known, window)
            down = kernel.clock.down
        self.outcome = Outcome(kind="completed", boot=self.plan.boots - 1)
