"""Branches that the tests took, room by room, of the data that ``make coverage`` has measured.

    python -m tests.branch_coverage

Exits with 1 if a room has less than ``LEAST_PERCENT`` of its branches covered, and prints what is
not. Lines are printed beside them. Left out: what subprocesses execute.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from coverage import Coverage

ROOMS = ("memory", "kho", "scenario")
LEAST_PERCENT = 95.0


def main() -> int:
    """Print a line a room and, of a room with too little, the branches that are missing."""
    files = measured()
    code = 0
    for room in ROOMS:
        mine = {path: file for path, file in files.items() if f"kho_sim/{room}/" in path}
        branches, lines = (percent(mine, of) for of in ("branches", "lines"))
        say(f"{room:10} {branches:6.1f} % of branches {lines:6.1f} % of lines")
        if branches < LEAST_PERCENT:
            code = 1
            for path, file in mine.items():
                for start, end in file["missing_branches"]:
                    say(f"  {path}:{start} -> {end if end > 0 else 'out'}")
    return code


def measured() -> dict[str, Any]:
    """Return coverage's report of each file."""
    coverage = Coverage()
    coverage.load()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coverage.json"
        coverage.json_report(outfile=str(path))
        files: dict[str, Any] = json.loads(path.read_text())["files"]
    return {path.replace("\\", "/"): file for path, file in files.items()}


def percent(files: dict[str, Any], of: str) -> float:
    """Return how much of the branches or lines of some files is covered."""
    all_, covered = {
        "branches": ("num_branches", "covered_branches"),
        "lines": ("num_statements", "covered_lines"),
    }[of]
    total = sum(file["summary"][all_] for file in files.values())
    return 100 * sum(file["summary"][covered] for file in files.values()) / max(total, 1)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
