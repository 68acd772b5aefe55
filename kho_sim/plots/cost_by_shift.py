"""The cost of the extension against the size of its blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from kho_sim.plots.shifts import Panel, chains_by_shift, draw_panels
from kho_sim.plots.sizes import label_counts, label_times
from kho_sim.plots.style import house_style

if TYPE_CHECKING:
    from kho_sim.sweeps import Sweep

FACTS = {"extend_ns": "max", "memory_regions_after": "max", "digest_pages": "max"}

PANELS = {
    "extend_ns": Panel(
        "time of the extension, the worst boot of a chain", "time (cost model)", label_times
    ),
    "memory_regions_after": Panel(
        "memblock.memory after it, the worst boot", "regions (count)", label_counts
    ),
    "digest_pages": Panel("second tree, the worst boot", "pages (count)", label_counts),
}


@house_style
def cost_by_shift(sweep: Sweep | pd.DataFrame) -> Figure:
    """Return the extension's time, its memblock regions and its pages against the block shift.

    ``sweep`` is a stored sweep over kernel.extend.shift, or its table of boots.
    Raises: InputError if it has no such axis or no KHO boot.
    """
    chains = chains_by_shift(sweep, FACTS)
    return draw_panels("What the extension costs, by block size", sweep, chains, PANELS)
