"""From counts of work to simulated nanoseconds; every rate has its source."""

from kho_sim.rates.hardware import (
    DEFAULT_HARDWARE,
    HARDWARE,
    STANDINGS,
    Hardware,
    Quantity,
    Rate,
    Times,
    load_hardware,
)
from kho_sim.rates.instructions import INSTRUCTIONS, instructions
from kho_sim.rates.work import counts_of, nanoseconds

__all__ = [
    "DEFAULT_HARDWARE",
    "HARDWARE",
    "INSTRUCTIONS",
    "STANDINGS",
    "Hardware",
    "Quantity",
    "Rate",
    "Times",
    "counts_of",
    "instructions",
    "load_hardware",
    "nanoseconds",
]
