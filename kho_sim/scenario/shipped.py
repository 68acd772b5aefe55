"""The scenarios that come with the package, by name.

A wheel has them in ``kho_sim/scenarios_shipped``, a checkout in ``scenarios`` beside the package.
Left out: scenarios that refer to files; each of these is one file, and runs wherever it is copied.
"""

from __future__ import annotations

from pathlib import Path

from kho_sim.base.errors import InputError, nearest

PACKAGE = Path(__file__).parents[1]
FOLDER_OF_WHEEL = "scenarios_shipped"
"""In the package; ``pyproject.toml`` puts the scenarios there."""
FOLDER_OF_CHECKOUT = "scenarios"
SCHEMA_FILE = "scenario.schema.json"
"""Beside the scenarios, whose first line names it to editors; ``kho-sim schema -o`` writes it."""


def shipped_scenarios() -> dict[str, Path]:
    """Return the file of each scenario of the package, by name, in the order of names."""
    folders = (PACKAGE / FOLDER_OF_WHEEL, PACKAGE.with_name(FOLDER_OF_CHECKOUT))
    files = next((sorted(one.glob("*.yaml")) for one in folders if one.is_dir()), [])
    return {file.stem: file for file in files}


def shipped_scenario(name: str) -> Path:
    """Return the file of one scenario, named with or without ``.yaml``.

    Raises: InputError for a name that none has.
    """
    files = shipped_scenarios()
    wanted = name.removesuffix(".yaml")
    if wanted in files:
        return files[wanted]
    close = nearest(wanted, files)
    hint = f"; nearest: {close}" if close else ""
    accepted = ", ".join(files) or "none, as this installation has no scenarios"
    raise InputError(f"'{name}' is no scenario of the package; accepted: {accepted}{hint}")
