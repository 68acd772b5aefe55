"""From counts of work to simulated nanoseconds; every rate has its source."""

from kho_sim.rates.instructions import INSTRUCTIONS, instructions
from kho_sim.rates.measured import PHASE_RATES, RATES, WORK_RATES, Rate, nanoseconds

__all__ = [
    "INSTRUCTIONS",
    "PHASE_RATES",
    "RATES",
    "WORK_RATES",
    "Rate",
    "instructions",
    "nanoseconds",
]
