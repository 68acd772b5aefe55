"""The only package with a clock: kernels as SimPy processes, workloads, invariants."""

from kho_sim.chain.chain import run_plan, run_scenario
from kho_sim.chain.explain import Explanation, explain_scenario

__all__ = ["Explanation", "explain_scenario", "run_plan", "run_scenario"]
