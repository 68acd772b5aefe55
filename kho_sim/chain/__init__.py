"""The only room with a clock: kernels as SimPy processes, workloads, judges."""

from kho_sim.chain.chain import run_plan, run_scenario
from kho_sim.chain.explain import explain_scenario

__all__ = ["explain_scenario", "run_plan", "run_scenario"]
