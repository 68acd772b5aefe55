"""What each kernel's early boot does to its memory, step by step, derived from a trace.

A boot has steps: before the extension, the walk of the incoming tree, its digest into busy
blocks, the marks, early allocations, retrieval. The page that plays a chain and ``kho-sim explain
--boot N`` tell the same story from here.
"""

from kho_sim.steps.steps import STEPS, BootSteps, Step, steps_of
from kho_sim.steps.text import step_text

__all__ = ["STEPS", "BootSteps", "Step", "step_text", "steps_of"]
