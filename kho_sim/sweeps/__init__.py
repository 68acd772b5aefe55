"""Many scenarios: designs, engines, a store that survives, tables, comparisons.

Names are resolved on first use, so that importing the room loads neither pandas nor pyarrow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kho_sim.sweeps.design import product, read_points, zipped
    from kho_sim.sweeps.results import Sweep, open_stored, open_sweep
    from kho_sim.sweeps.stop import SweepInterrupted
    from kho_sim.sweeps.sweeping import sweep

_HOMES = {
    "Sweep": "results",
    "SweepInterrupted": "stop",
    "sweep": "sweeping",
    "open_stored": "results",
    "open_sweep": "results",
    "product": "design",
    "read_points": "design",
    "zipped": "design",
}

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


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
