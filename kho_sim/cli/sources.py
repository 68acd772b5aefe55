"""Sources of a verb: a stored run, a scenario that is simulated first, a log, or a machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kho_sim.cli.say import say

if TYPE_CHECKING:
    from kho_sim.logs.importing import ImportedScenario
    from kho_sim.trace.trace import Trace


def is_sweep(path: Path) -> bool:
    """Tell whether a folder holds a stored sweep."""
    return path.is_dir() and (path / "manifest.json").exists()


def is_advice(path: Path) -> bool:
    """Tell whether a folder holds advice, which is a sweep as well."""
    return (path / "advice.json").is_file()


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


def show_gaps(imported: ImportedScenario) -> None:
    """Say what of a machine could not be read, and on what its sources disagree."""
    for note in imported.notes:
        say(f"note: {note}")
    for found in imported.disagreements:
        say(f"sources disagree on {found.key}:")
        say(f"  {found.taken_origin}: {found.taken}")
        say(f"  {found.other_origin}: {found.other}")
