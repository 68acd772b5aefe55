"""The lock has a hash for all that it names, and all that the package asks for."""

import re
import tomllib

from tests.package.lowest import PYPROJECT, lowest

LOCK = (PYPROJECT.parent / "constraints.txt").read_text()
PINS = re.compile(
    r"^([a-z0-9.-]+)(?:\[\w+\])?==(\S+)[^\\\n]*((?:\\\n    --hash=sha256:[0-9a-f]{64} ?)*)", re.M
)
TOOLS = {"pip", "setuptools", "hatchling", "editables"}
"""What makes the environment and the package."""


def version(text):
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def test_each_version_in_the_lock_has_its_hashes():
    pins = PINS.findall(LOCK)
    assert len(pins) == len(re.findall(r"^\w", LOCK, re.M)) > 100
    assert [name for name, _, hashes in pins if not hashes] == []


def test_the_lock_holds_all_that_is_asked_for_and_the_tools():
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    pinned = {name: text for name, text, _ in PINS.findall(LOCK)}
    assert pinned.keys() >= TOOLS
    for text in lowest(project):
        name, least = text.lower().split("==")
        assert version(pinned[name]) >= version(least), name
