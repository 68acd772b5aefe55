"""The only room with a clock: kernels as SimPy processes, workloads, judges."""

from kho_sim.chain.chain import run_scenario

__all__ = ["run_scenario"]
