"""What the extension costs, against the size of its blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from kho_sim.plots.shifts import chains_by_shift, draw_panels, spread_text
from kho_sim.plots.sizes import label_counts, label_times
from kho_sim.plots.style import house_style, new_figure

if TYPE_CHECKING:
    from kho_sim.sweeps import Sweep

FACTS = {"extend_ns": "max", "memory_regions_after": "max", "digest_pages": "max"}

PANELS = {
    "extend_ns": ("time of the extension, the worst boot of a chain", "time (cost model)"),
    "memory_regions_after": ("memblock.memory after it, the worst boot", "regions (count)"),
    "digest_pages": ("second tree, the worst boot", "pages (count)"),
}


@house_style
def cost_by_shift(sweep: Sweep | pd.DataFrame) -> Figure:
    """Return the extension's time, its memblock regions and its pages against the block shift.

    ``sweep`` is a stored sweep over kernel.extend.shift, or its table of boots.
    Raises: InputError if it has no such axis or no KHO boot.
    """
    chains = chains_by_shift(sweep, FACTS)
    figure = new_figure(7.4, "What the extension costs, by block size", spread_text(chains))
    time, regions, pages = draw_panels(figure, chains, PANELS)
    label_times(time.yaxis)
    for axes in (regions, pages):
        label_counts(axes.yaxis)
    return figure
