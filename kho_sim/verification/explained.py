"""Known differences between the model and real kernels, each with its reason: a YAML list.

- log: numa4-*            # name of the log without its endings; * and ? as in a shell
  of: facts               # placements, steps, facts or outcome
  name: gigantic_pages_allocated
  boot: 1                 # left out: any boot
  why: what is known of the cause
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import yaml

from kho_sim.base.errors import Problem, ScenarioError
from kho_sim.verification.log_check import Difference

KINDS = ("placements", "steps", "facts", "outcome")
REQUIRED = ("log", "of", "name", "why")
CHARACTERS_MAX = 1 << 20
ENDINGS = (".xz", ".gz", ".log", ".txt")


class Explained(NamedTuple):
    """One known difference; ``boot`` None stands for any."""

    log: str
    of: str
    name: str
    why: str
    boot: int | None = None

    def matches(self, difference: Difference) -> bool:
        """Tell whether this is the difference meant."""
        return (
            self.of == difference.of
            and fnmatchcase(difference.name, self.name)
            and fnmatchcase(_stem(difference.log), self.log)
            and self.boot in (None, difference.boot)
        )


def read_explained(path: str | PathLike[str]) -> list[Explained]:
    """Return the entries of a file. Raises ScenarioError with everything that is wrong in it."""
    try:
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(CHARACTERS_MAX + 1)
        if len(text) > CHARACTERS_MAX:
            raise ValueError(f"more than {CHARACTERS_MAX} characters")
        entries = yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise ScenarioError([Problem(str(path), 0, 0, "", f"cannot be read: {error}")]) from error
    if not isinstance(entries, list):
        raise ScenarioError([Problem(str(path), 0, 0, "", "is no list of known differences")])
    problems = [
        Problem(str(path), 0, 0, f"[{number}]", wrong)
        for number, entry in enumerate(entries)
        for wrong in _wrong_with(entry)
    ]
    if problems:
        raise ScenarioError(problems)
    return [Explained(**entry) for entry in entries]


def reason(difference: Difference, explained: Iterable[Explained]) -> str:
    """Return why a difference is known, or ''."""
    return next((entry.why for entry in explained if entry.matches(difference)), "")


def outdated(explained: Sequence[Explained], differences: Sequence[Difference]) -> list[Explained]:
    """Return the entries that no difference matches any more."""
    return [entry for entry in explained if not any(entry.matches(found) for found in differences)]


def _wrong_with(entry: object) -> list[str]:
    if not isinstance(entry, dict):
        return ["is no mapping"]
    wrong = [f"lacks {key}" for key in REQUIRED if not isinstance(entry.get(key), str)]
    wrong += [f"has the unknown key {key}" for key in entry if key not in Explained._fields]
    if entry.get("of") not in KINDS:
        wrong.append(f"of: accepted: {', '.join(KINDS)}")
    if not isinstance(entry.get("boot", 0), int):
        wrong.append("boot: is no whole number")
    return wrong


def _stem(log: str) -> str:
    for ending in ENDINGS:
        log = log.removesuffix(ending)
    return log
