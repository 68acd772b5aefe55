"""Blackout and boot times over any axis of a sweep. Left out: which rates were measured; the
timeline of one chain has that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from kho_sim.base.errors import InputError
from kho_sim.plots.sizes import label_times
from kho_sim.plots.style import house_style
from kho_sim.plots.sweep_chains import chains_of
from kho_sim.plots.sweep_panels import Panel, draw_panels

if TYPE_CHECKING:
    from kho_sim.sweeps import Sweep

PANELS = {
    "blackout_ns_max": Panel(
        "blackout, the longest of a chain (user space and more of it assumed)",
        "time (central rates)",
        label_times,
    ),
    "kernel_boot_ns_max": Panel(
        "boot of a kernel, from its entry to its init, the longest of a chain",
        "time (central rates)",
        label_times,
    ),
}


@house_style
def blackout_by(sweep: Sweep | pd.DataFrame, over: str = "") -> Figure:
    """Return the longest blackout, and the longest boot of a kernel.

    ``sweep`` and ``over`` as for ``recovered``. Raises: InputError as that does, and if no chain
    has a time.
    """
    chains = chains_of(sweep, over)
    if not any(name in chains.rows and chains.rows[name].notna().any() for name in PANELS):
        raise InputError("no chain of the sweep has a blackout or a boot time")
    return draw_panels("How long it takes", sweep, chains, PANELS)
