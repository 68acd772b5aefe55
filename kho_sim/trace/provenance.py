"""The origin of a result: enough to make it again, and to see why another one differs.

Everything but ``environment`` decides the result and is the same on any machine. ``environment``
names the interpreter and libraries that did the work. Left out: time of day, names of hosts, paths.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from kho_sim._version import __version__

if TYPE_CHECKING:
    from kho_sim.scenario import Scenario

MODEL_VERSION = 6
"""Counts up whenever equal scenarios give other results than before."""

LIBRARIES = ("simpy", "numpy")
"""Those whose behaviour could reach into a result."""


def run_provenance(
    scenario: Scenario, notes: Iterable[object], sources: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """Return the provenance of one run: software, seed, resolved scenario, environment.

    ``notes``: what is to be said of the scenario (``scenario.notes``), kept as text. ``sources``:
    release or build -> where each of its values is from.
    """
    return {
        "source": "simulation",
        "software": {"name": "kho_sim", "version": __version__, "model_version": MODEL_VERSION},
        "seed": scenario.chain.seed,
        "scenario": scenario.to_dict(),
        "notes": [str(note) for note in notes],
        "sources": {name: dict(values) for name, values in sources.items()},
        "environment": environment(),
    }


def environment() -> dict[str, Any]:
    """Return the interpreter and the versions of ``LIBRARIES``; one that is missing is left out."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
        "libraries": {name: found for name in LIBRARIES if (found := _version_of(name))},
    }


def _version_of(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""
