"""Whatever was stored, opened by its directory: a sweep, or a single run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kho_sim.runs.store import load_run
from kho_sim.sweeps.results import Sweep, open_sweep, runs_of_trace
from kho_sim.sweeps.store import MANIFEST

if TYPE_CHECKING:
    import pandas as pd

    from kho_sim.trace.trace import Trace


def open_stored(directory: str | Path) -> Sweep | Trace:
    """Return the sweep in a directory, or the trace of a single run. Raises InputError."""
    if (Path(directory) / MANIFEST).exists():
        return open_sweep(directory)
    return load_run(directory)


def stored_runs(directory: str | Path) -> pd.DataFrame:
    """Return the runs in a directory as ``Sweep.runs()`` does; a single run is a table of one."""
    stored = open_stored(directory)
    return stored.runs() if isinstance(stored, Sweep) else runs_of_trace(stored)
