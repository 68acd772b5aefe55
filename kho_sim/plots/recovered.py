"""The memory that the extension recovers, and the failures it leaves, over any axis of a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from kho_sim.plots.sizes import label_counts, label_sizes
from kho_sim.plots.style import house_style
from kho_sim.plots.sweep_chains import chains_of
from kho_sim.plots.sweep_panels import Panel, draw_panels

if TYPE_CHECKING:
    from kho_sim.sweeps import Sweep

PANELS = {
    "extended_bytes_min": Panel(
        "recovered memory, the worst boot of a chain",
        "newly marked as scratch",
        label_sizes,
        "none: not a byte was recovered at any of these points",
    ),
    "failures_avoided": Panel(
        "failures avoided, all boots of a chain",
        "early allocations (count)",
        label_counts,
        "none: original scratch alone would have served every early allocation",
    ),
    "failures": Panel(
        "failures with the extension, all boots of a chain",
        "early allocations (count)",
        label_counts,
        "none: no early allocation failed",
    ),
    "failures_without_extension": Panel(
        "failures without it, all boots of its twin",
        "early allocations (count)",
        label_counts,
        "none: no early allocation failed without the extension either",
    ),
}


@house_style
def recovered(sweep: Sweep | pd.DataFrame, over: str = "") -> Figure:
    """Return recovered memory, and failures avoided, left, and without the extension.

    ``sweep`` is a stored sweep, or its table of runs; ``over`` the varied place along x, by default
    the one with most values. Raises: InputError if no chain has ended, or ``over`` was not varied.
    """
    return draw_panels("What the extension gains", sweep, chains_of(sweep, over), PANELS)
