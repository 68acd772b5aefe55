"""The cost of the extension over any axis of a sweep. Its time is priced by rates that are
derived from the two times that the patch reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from kho_sim.base.errors import InputError
from kho_sim.plots.sizes import label_counts, label_times
from kho_sim.plots.style import house_style
from kho_sim.plots.sweep_chains import chains_of
from kho_sim.plots.sweep_panels import Panel, draw_panels

if TYPE_CHECKING:
    from kho_sim.sweeps import Sweep

PANELS = {
    "extend_ns_max": Panel(
        "time of the extension, the worst boot of a chain (derived rates)",
        "time (cost model)",
        label_times,
        "none: no boot extended anything",
    ),
    "memory_regions_max": Panel(
        "regions of memblock.memory around it, the worst boot", "regions (count)", label_counts
    ),
    "digest_pages_max": Panel(
        "second tree, the worst boot", "pages (count)", label_counts, "none: no second tree"
    ),
}


@house_style
def extension_cost(sweep: Sweep | pd.DataFrame, over: str = "") -> Figure:
    """Return the extension's time, memblock's regions, and the pages of its second tree.

    ``sweep`` and ``over`` as for ``recovered``. Raises: InputError as that does, and if no chain
    came to a KHO boot.
    """
    chains = chains_of(sweep, over)
    if not any(name in chains.rows and chains.rows[name].notna().any() for name in PANELS):
        raise InputError("no chain of the sweep came to a KHO boot")
    return draw_panels("What the extension costs", sweep, chains, PANELS)
