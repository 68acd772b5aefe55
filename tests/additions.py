"""What docs/extending.md says of new members, and a copy of the package that has one."""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "kho_sim"
GUIDE = ROOT / "docs" / "extending.md"
ROW = re.compile(r"^\| ([a-z ,-]+?) \| (\d+) \| .* \|$", re.MULTILINE)
FILES_OF = {name: int(count) for name, count in ROW.findall(GUIDE.read_text(encoding="utf-8"))}
"""What is added -> the number of files that the guide names for it."""


def add_to_a_copy(files: Mapping[str, str | Sequence[tuple[str, str]]], directory: Path) -> None:
    """Copy the package into a directory and change files of the copy.

    A file has its text, or the file of the package that it repeats (``*.toml``), or pairs of
    the text that it has and the text that replaces it.
    """
    copy = directory / "kho_sim"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for place, change in files.items():
        path = copy / place
        if isinstance(change, str):
            assert not path.exists(), f"{place} is no new file"
            content = (PACKAGE / change).read_text() if change.endswith(".toml") else change
        else:
            content = path.read_text(encoding="utf-8")
            for old, new in change:
                assert content.count(old) == 1, f"{place} has {old} not once"
                content = content.replace(old, new, 1)
        path.write_text(content, encoding="utf-8")
