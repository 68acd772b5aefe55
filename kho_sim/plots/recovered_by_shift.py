"""The memory that the extension recovers against the size of its blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from kho_sim.plots.shifts import Panel, chains_by_shift, draw_panels
from kho_sim.plots.sizes import label_counts, label_sizes
from kho_sim.plots.style import house_style

if TYPE_CHECKING:
    from kho_sim.sweeps import Sweep

FACTS = {"extended_bytes": "min", "failures_avoided": "sum", "failures": "sum"}

PANELS = {
    "extended_bytes": Panel(
        "recovered memory, the worst boot of a chain",
        "newly marked as scratch",
        label_sizes,
        "none: not a byte was recovered at any of these block sizes",
    ),
    "failures_avoided": Panel(
        "failures avoided, all boots of a chain",
        "early allocations (count)",
        label_counts,
        "none: original scratch alone would have served every early allocation",
    ),
    "failures": Panel(
        "failures left, all boots of a chain",
        "early allocations (count)",
        label_counts,
        "none: no early allocation failed",
    ),
}


@house_style
def recovered_by_shift(sweep: Sweep | pd.DataFrame) -> Figure:
    """Return recovered memory, and failures avoided and left, against the block shift.

    ``sweep`` is a stored sweep over kernel.extend.shift, or its table of boots.
    Raises: InputError if it has no such axis or no KHO boot.
    """
    chains = chains_by_shift(sweep, FACTS)
    return draw_panels("What the extension gains, by block size", sweep, chains, PANELS)
