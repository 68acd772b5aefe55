"""Scenario files -> ``Scenario``, or every problem of the file at once.

``yaml_tree`` has the values and their places, ``spec`` the schema; ``findings`` compares the two.
Here files and kernel profiles are read, and all findings collected.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

from kho_sim.base.errors import Problem, ScenarioError
from kho_sim.scenario.fields import PROFILE_SUFFIXES
from kho_sim.scenario.findings import findings
from kho_sim.scenario.notes import Note, notes_of
from kho_sim.scenario.spec import Kernel, Scenario
from kho_sim.scenario.yaml_tree import MAX_BYTES, Document, Place, path_text, read_yaml
from kho_sim.scenario.yaml_tree import Path as Steps

SETTING = "-s"
"""The option whose values are in no file."""
_OWN_KEY = re.compile(
    rf"""^\{{? ?["']?({"|".join(Kernel.model_fields | Scenario.model_fields)})["']?\s*:""",
    re.MULTILINE,
)
"""A key of a kernel, or of a scenario that is taken for a profile, at the beginning of a line."""


def load(path: str | PathLike[str]) -> Scenario:
    """Return the scenario in a file. Raises ScenarioError with all problems, in file order."""
    return load_with_notes(path)[0]


def as_scenario(scenario: Scenario | str | PathLike[str]) -> Scenario:
    """Return a scenario as it is, or the one in a file. Raises ScenarioError."""
    return scenario if isinstance(scenario, Scenario) else load(scenario)


def load_with_notes(path: str | PathLike[str]) -> tuple[Scenario, tuple[Problem, ...]]:
    """Return the scenario in a file, and its notes (``scenario.notes``) with their places.

    Raises ScenarioError as ``load`` does.
    """
    file = Path(path)
    text = _text_of(file)
    document = read_yaml(text, str(path))
    scenario = _scenario(document, file.parent)
    return scenario, tuple(_placed(note, document, text) for note in notes_of(scenario))


@contextmanager
def scenario_of(source: Scenario | str | PathLike[str]) -> Iterator[Scenario]:
    """Give the scenario of a source; what is found of one in a file, while it is built or run, has
    its place there. Raises ScenarioError."""
    scenario = as_scenario(source)
    try:
        yield scenario
    except ScenarioError as error:
        if isinstance(source, Scenario):
            raise
        raise ScenarioError(with_places(error.problems, source)) from error


def with_places(
    problems: Iterable[Problem], path: str | PathLike[str], settings: Collection[str] = ()
) -> tuple[Problem, ...]:
    """Return problems that were found beyond the reading of a file, at the values they are about.

    What is not written in the file stands where its parent does. ``settings`` are the places of
    values that an option ``-s`` gave.
    """
    problems = tuple(problems)
    if all(one.file for one in problems):
        return problems
    document = read_yaml(_text_of(Path(path)), str(path))
    by_path = {path_text(steps): place for steps, place in document.places.items()}
    for key in settings:
        by_path = {
            at: place for at, place in by_path.items() if not at.startswith((f"{key}.", f"{key}["))
        }
        by_path[key] = Place(SETTING, 0, 0, 0, 0)
    return tuple(one if one.file else _at_value(one, by_path) for one in problems)


def _at_value(problem: Problem, places: Mapping[str, Place]) -> Problem:
    written = problem.path
    while written and written not in places:
        written = written[: max(written.rfind("."), written.rfind("["), 0)]
    place = places.get(written)
    if place is None:
        return problem
    return problem._replace(file=place.file, line=place.line, column=place.column)


def _placed(note: Note, document: Document, text: str) -> Problem:
    """Return a note at its key's value; a word of a value that is written on one line at the word.

    What is not written in the file itself (a default, a profile) stands where its parent does.
    """
    written = note.path
    while written and written not in document.places:
        written = written[:-1]
    place = document.places[written]
    column, value = place.column, document.value
    if written == note.path and place.file == document.file:
        for step in written:
            value = value[step]
        line = text.splitlines()[place.line - 1]
        start = line.find(str(value), place.column - 1)
        column = start + note.at + 1 if start >= 0 else place.column
    message = f"{note.kind}: {note.text}"
    return Problem(place.file, place.line, column, path_text(note.path), message)


def loads(text: str, name: str = "<string>", base: str | PathLike[str] | None = None) -> Scenario:
    """Return the scenario in a text; ``name`` stands for the file in messages.

    ``base`` is the folder that profiles are relative to; without one there can be none.
    Raises ScenarioError with all problems, in text order.
    """
    return _scenario(read_yaml(text, name), None if base is None else Path(base))


def from_dict(data: Mapping[str, Any], name: str = "<values>") -> Scenario:
    """Return the scenario of plain values, such as ``Scenario.to_dict()`` makes.

    Raises ScenarioError; its problems have a path, but no line.
    """
    return _scenario(Document(name, dict(data)), None)


def _scenario(document: Document, base: Path | None) -> Scenario:
    if isinstance(document.value, dict) and () not in document.refused:
        _read_profiles(document, base)
        scenario, problems = findings(document)
        document.problems += problems
        if scenario is not None and not document.problems:
            return scenario
    elif not document.problems:
        document.problems.append(_no_mapping(document))
    raise ScenarioError(
        sorted(
            dict.fromkeys(document.problems),
            key=lambda problem: (problem.file != document.file, problem.line, problem.column),
        )
    )


def _no_mapping(document: Document) -> Problem:
    place = document.places.get((), Place(document.file, 0, 0, 0, 0))
    what = "empty" if document.value is None else "no mapping"
    message = f"the scenario is {what}; it needs at least machine: {{memory: 64GiB}}"
    return Problem(document.file, place.line, place.column, "", message)


def _text_of(path: Path) -> str:
    """Return the text of a scenario or profile. Raises ScenarioError without a line."""
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is not there"
            if path.exists() and not path.is_dir():
                what = "is no regular file"
            raise ScenarioError([Problem(str(path), 0, 0, "", f"this {what}")])
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        message = f"this cannot be read: {error.strerror}"
        raise ScenarioError([Problem(str(path), 0, 0, "", message)])
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        # A cut in the middle of a character is no fault of a file that is too long anyway.
        if len(content) > MAX_BYTES:
            return content.decode(errors="replace")
        line = content[: error.start].count(b"\n") + 1
        column = len(content[: error.start].rpartition(b"\n")[2].decode(errors="replace")) + 1
        wide = (
            ", but UTF-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else ""
        )
        raise ScenarioError([Problem(str(path), line, column, "", f"this is not UTF-8 text{wide}")])


def _read_profiles(document: Document, base: Path | None) -> None:
    """Put the keys of each kernel's profile below its own ones."""
    kernel = document.value.get("kernel")
    if not isinstance(kernel, dict):
        return
    kernel = _with_profile(document, ("kernel",), kernel, base)
    releases = kernel.get("releases")
    if isinstance(releases, list):
        kernel["releases"] = [
            _with_profile(document, ("kernel", "releases", index), release, base)
            if isinstance(release, dict)
            else release
            for index, release in enumerate(releases)
        ]
    document.value = {**document.value, "kernel": kernel}


def _with_profile(
    document: Document, at: Steps, kernel: dict[str, Any], base: Path | None
) -> dict[str, Any]:
    named_by = "profile" if "profile" in kernel else "build"
    name = kernel.get(named_by)
    if not isinstance(name, str) or base is None:
        return dict(kernel)
    if named_by == "build" and not name.endswith(PROFILE_SUFFIXES):
        return dict(kernel)
    profile = _profile(document, (*at, named_by), base / name)
    explicit = {key: value for key, value in kernel.items() if key != named_by}
    for path, place in profile.places.items():
        if path and path[0] not in explicit:
            document.places[(*at, *path)] = place
    document.refused |= {
        (*at, *path) for path in profile.refused if path and path[0] not in explicit
    }
    return {**(profile.value or {}), **explicit}


def _profile(document: Document, at: Steps, file: Path) -> Document:
    """Return what a profile holds; its problems go to ``document``."""
    place = document.places[at]

    def refuse(message: str) -> Document:
        problem = Problem(place.file, place.line, place.column, path_text(at), message)
        document.problems.append(problem)
        return Document(str(file))

    try:
        text = _text_of(file)
    except ScenarioError as error:
        return refuse(f"the profile {error}")
    # Nothing is shown of what is in a file that may be anybody's.
    profile = read_yaml(text, str(file)) if _OWN_KEY.search(text) else Document(str(file))
    document.problems += profile.problems
    if profile.problems and profile.value is None:
        return Document(str(file))
    if not isinstance(profile.value, dict):
        return refuse(f"the profile {file} holds no mapping of kernel keys")
    for key in ("profile", "releases"):
        if key in profile.value:
            return refuse(f"the profile {file} has the key {key}, which only a scenario can have")
    return profile
