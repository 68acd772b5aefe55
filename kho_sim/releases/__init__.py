"""What a release of the kernel rules: one data file for each release."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from kho_sim.base.data_file import names_in, read_data_file
from kho_sim.releases.release import (
    EVIDENCE,
    ListLayout,
    LuoLayout,
    Release,
    ScratchRules,
    Tracker,
)

FOLDER = Path(__file__).parent
RELEASES = names_in(FOLDER)
"""The releases that a scenario may name: a file in this folder is all that one needs."""
DEFAULT_RELEASE = "7.3"
SERIES = r"([0-9]{1,4})\.([0-9]{1,4})"
VERSION = r"([0-9]{1,4}\.[0-9]{1,4})(\.[0-9]{1,6}([-+.~_][\w.+~-]*)?|-rc[0-9]{1,4}([-+][\w.+~-]*)?)"
"""A kernel's own version: its series, then a number and what a distribution adds, or -rcN."""


@cache
def load_release(name: str = DEFAULT_RELEASE) -> Release:
    """Return a release, one of RELEASES. Raises: ModelError if its file is wrong."""
    return read_data_file(FOLDER / f"{name}.toml", Release)


def strategy_in(release: str, wanted: str) -> str:
    """Return the way in which a kernel of that release extends scratch: none where it cannot. A
    release that is not known here is taken to be able to."""
    return load_release(release).strategy(wanted) if release in RELEASES else wanted


def release_of(text: str) -> str:
    """Return the release that a text names, '' if it is none of RELEASES.

    A release is named by itself, by an alias, or by a version of its series: '7.3.4', '7.3-rc7',
    '7.3.0-1-amd64'.
    """
    if text in RELEASES:
        return text
    version = re.fullmatch(VERSION, text, re.ASCII)
    if version:
        return version[1] if version[1] in RELEASES else ""
    return next((name for name in RELEASES if text in load_release(name).aliases), "")


def nearest_release(text: str) -> str:
    """Return the release of RELEASES whose series is nearest to the one in a text; the default
    for a text without a number as '7.3'. The later one of two that are as near."""
    number = re.search(SERIES, text, re.ASCII)
    if not number:
        return DEFAULT_RELEASE
    major, minor = map(int, number.groups())
    known = [tuple(map(int, name.split("."))) for name in RELEASES if re.fullmatch(SERIES, name)]
    later = [one for one in known if one >= (major, minor)][:1]
    earlier = [one for one in known if one <= (major, minor)][-1:]
    near = min(later + earlier, key=lambda one: (abs(one[0] - major), abs(one[1] - minor)))
    return f"{near[0]}.{near[1]}"


__all__ = [
    "DEFAULT_RELEASE",
    "EVIDENCE",
    "FOLDER",
    "RELEASES",
    "ListLayout",
    "LuoLayout",
    "Release",
    "ScratchRules",
    "Tracker",
    "load_release",
    "nearest_release",
    "release_of",
    "strategy_in",
]
