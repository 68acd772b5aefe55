"""Sources of a verb's trace: a stored run, a scenario that is simulated first, or a log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kho_sim.trace.trace import Trace


def is_sweep(path: Path) -> bool:
    """True if a folder holds a stored sweep."""
    return path.is_dir() and (path / "manifest.json").exists()


def read_trace(path: Path) -> Trace:
    """Return the trace of a path. Raises InputError if it is nothing that has one."""
    if path.is_dir():
        from kho_sim.runs.store import load_run

        return load_run(path)
    if path.suffix in (".yaml", ".yml"):
        from kho_sim.chain import run_scenario

        return run_scenario(path)
    from kho_sim.logs.reader import read_boot_log

    return read_boot_log(path)
