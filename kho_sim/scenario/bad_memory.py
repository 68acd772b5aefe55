"""The section of a scenario that lets frames of memory go bad."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kho_sim.scenario.fields import Choice
from kho_sim.scenario.section import Section


class BadMemory(Section):
    """Uncorrectable errors: frames that go bad while kernels serve, anywhere in memory."""

    frames_per_day: float = Field(gt=0, le=1e6, allow_inf_nan=False)
    """Mean of the frames that go bad in a day of service (a Poisson process)."""
    told: Annotated[str, Choice(("late", "busy"), "a way to tell")] = "late"
    """late: the list is replayed in a late_initcall, as was proposed; busy: the extension leaves
    the blocks of these frames alone, before the first early allocation."""
