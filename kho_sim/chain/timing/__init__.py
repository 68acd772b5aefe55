"""What each phase of an update takes: counted work, the machine, and the rates of its hardware."""

from kho_sim.chain.timing.phase import Phase
from kho_sim.chain.timing.rules import Steps, Timing, steps_of

__all__ = ["Phase", "Steps", "Timing", "steps_of"]
