"""What a build of the kernel fixes: one data file for each recorded build."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from kho_sim.base.data_file import names_in, read_data_file
from kho_sim.builds.build import Build, Config, EarlyRequest, ImageSections, PageDemand

FOLDER = Path(__file__).parent
PAGE_BYTES = 4096
"""Of a build whose name does not say another size."""
_PAGES_IN_NAME = re.compile(r"-\d+KiB$")
FILES = names_in(FOLDER)
BUILDS = tuple(name for name in FILES if not _PAGES_IN_NAME.search(name))
"""The builds that a scenario may name: a file in this folder is all that one needs, and one more
for each further page size, as NAME-64KiB."""
DEFAULT_BUILD = "lab"


def file_of(name: str, page_bytes: int) -> str:
    """Return the name of the file of a build with pages of a size; it need not be there."""
    return name if page_bytes == PAGE_BYTES else f"{name}-{page_bytes >> 10}KiB"


@cache
def load_build(name: str = DEFAULT_BUILD, page_bytes: int = PAGE_BYTES) -> Build:
    """Return a recorded build, one of BUILDS, with pages of a size that it is recorded with.

    Raises: ModelError if its file is wrong.
    """
    return read_data_file(FOLDER / f"{file_of(name, page_bytes)}.toml", Build)


__all__ = [
    "BUILDS",
    "DEFAULT_BUILD",
    "FILES",
    "FOLDER",
    "Build",
    "Config",
    "EarlyRequest",
    "ImageSections",
    "PageDemand",
    "file_of",
    "load_build",
]
