"""Many scenarios: designs, engines, a store that survives, tables, comparisons.

Names are resolved on first use, so that importing the room loads neither pandas nor pyarrow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kho_sim.base.lazy import lazy_names

if TYPE_CHECKING:
    from kho_sim.sweeps.design import product, read_points, zipped
    from kho_sim.sweeps.results import Sweep, open_stored, open_sweep
    from kho_sim.sweeps.stop import SweepInterrupted
    from kho_sim.sweeps.sweeping import sweep

__all__ = [
    "Sweep",
    "SweepInterrupted",
    "open_stored",
    "open_sweep",
    "product",
    "read_points",
    "sweep",
    "zipped",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "Sweep": "kho_sim.sweeps.results",
            "SweepInterrupted": "kho_sim.sweeps.stop",
            "open_stored": "kho_sim.sweeps.results",
            "open_sweep": "kho_sim.sweeps.results",
            "product": "kho_sim.sweeps.design",
            "read_points": "kho_sim.sweeps.design",
            "sweep": "kho_sim.sweeps.sweeping",
            "zipped": "kho_sim.sweeps.design",
        },
        __all__,
    )
