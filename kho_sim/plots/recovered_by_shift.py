"""What the extension gains, against the size of its blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from kho_sim.plots.shifts import chains_by_shift, draw_panels, spread_text
from kho_sim.plots.sizes import label_counts, label_sizes
from kho_sim.plots.style import house_style, new_figure

if TYPE_CHECKING:
    from kho_sim.sweeps import Sweep

FACTS = {"extended_bytes": "min", "failures_avoided": "sum", "failures": "sum"}

PANELS = {
    "extended_bytes": ("recovered memory, the worst boot of a chain", "newly marked as scratch"),
    "failures_avoided": ("failures avoided, all boots of a chain", "early allocations (count)"),
    "failures": ("failures left, all boots of a chain", "early allocations (count)"),
}


@house_style
def recovered_by_shift(sweep: Sweep | pd.DataFrame) -> Figure:
    """Return recovered memory, and failures avoided and left, against the block shift.

    ``sweep`` is a stored sweep over kernel.extend.shift, or its table of boots.
    Raises: InputError if it has no such axis or no KHO boot.
    """
    chains = chains_by_shift(sweep, FACTS)
    figure = new_figure(7.4, "What the extension gains, by block size", spread_text(chains))
    memory, avoided, left = draw_panels(figure, chains, PANELS)
    label_sizes(memory.yaxis)
    for axes in (avoided, left):
        label_counts(axes.yaxis)
    return figure
