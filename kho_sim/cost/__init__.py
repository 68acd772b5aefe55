"""From counts of work to simulated nanoseconds; every rate says where it comes from."""

from kho_sim.cost.measured import PHASE_RATES, RATES, WORK_RATES, Rate, nanoseconds

__all__ = ["PHASE_RATES", "RATES", "WORK_RATES", "Rate", "nanoseconds"]
