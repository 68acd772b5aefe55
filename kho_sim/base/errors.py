"""What can go wrong, said so that the reader can mend it.

Three families: the user's input is wrong (``ScenarioError``, ``TraceError``: exit code 3), a tool
around the model is unusable (``EngineError``: exit code 5), or the model broke its own rule
(``ModelError``: a bug of ours). A kernel that dies in the simulation is a result, never an
exception.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class KhoSimError(Exception):
    """Base of all errors that the package raises on purpose."""


class InputError(KhoSimError):
    """Something that the user handed in (a scenario, a log, a stored result) is not usable."""


class Problem(NamedTuple):
    """One thing wrong with an input: where it is, and what would be right.

    A named tuple, as a dataclass costs each start of ``kho-sim`` 2 ms more.

    ``line`` and ``column`` count from 1; 0 means that the place has none (a value from ``-s``).
    ``path`` is the dotted place in the scenario, as in ``kernel.extend.shift``.
    """

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return one_line(": ".join(part for part in (place, self.path, self.message) if part))


class ScenarioError(InputError):
    """A scenario that cannot be read; ``problems`` holds every finding, in file order."""

    def __init__(self, problems: Iterable[Problem]):
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class TraceError(InputError):
    """A log or a stored trace that cannot be read, or that lacks what was asked of it."""


class EngineError(KhoSimError):
    """An executor or a store that cannot be used."""


class ModelError(KhoSimError):
    """The model contradicts itself: a bug in kho_sim, never in the input."""


def ensure(condition: bool, message: str, *values: object) -> None:
    """Raise ``ModelError`` unless ``condition`` holds; cannot be switched off, unlike
    ``assert``."""
    if not condition:
        raise ModelError(message.format(*values))


def one_line(text: str) -> str:
    """Return a text without line ends and other control characters: each as its escape."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word closest to ``word`` in any case of letters, or '' if none is close."""
    import difflib  # not when kho-sim starts up

    by_folded = {one.casefold(): one for one in known}
    matches = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.5)
    return by_folded[matches[0]] if matches else ""
