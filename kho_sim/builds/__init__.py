"""What a build of the kernel fixes: one data file for each recorded build."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from kho_sim.base.data_file import names_in, read_data_file
from kho_sim.builds.build import Build, Config, EarlyRequest, PageDemand

FOLDER = Path(__file__).parent
BUILDS = names_in(FOLDER)
"""The builds that a scenario may name: a file in this folder is all that one needs."""
DEFAULT_BUILD = "lab"


@cache
def load_build(name: str = DEFAULT_BUILD) -> Build:
    """Return a recorded build, one of BUILDS. Raises: ModelError if its file is wrong."""
    return read_data_file(FOLDER / f"{name}.toml", Build)


__all__ = [
    "BUILDS",
    "DEFAULT_BUILD",
    "FOLDER",
    "Build",
    "Config",
    "EarlyRequest",
    "PageDemand",
    "load_build",
]
