"""Dotted overrides of a scenario, and the values of a sweep's axis.

``kernel.extend.shift``, ``workload[0].size`` and ``workload.0.size`` name places; ``kho.ext_shift``
is another name of the first. A value goes through the schema as if it stood in the file, and is
written as there: ``[{kind: memfd, size: 1GiB}]`` and ``{memory: 4GiB}`` are a list and a mapping.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from kho_sim.base.errors import Problem, ScenarioError, nearest
from kho_sim.base.units import parse_size
from kho_sim.scenario.findings import findings
from kho_sim.scenario.section import Section, kind_of, sections_in
from kho_sim.scenario.spec import Scenario
from kho_sim.scenario.yaml_tree import Document, Path, path_text, plain_value, read_yaml

ALIASES = {"kho.ext_shift": "kernel.extend.shift"}
MAX_VALUES = 1_000_000
COLLECTIONS = ("[", "{")
"""How a list and a mapping begin."""

_STEP = re.compile(r"(?:^|\.)([A-Za-z0-9_-]+)|\[([0-9]{1,6})\]")
_RANGE = re.compile(r"([^.\s]+)\s*\.\.\s*([^.\s]+?)(?:\s*\.\.\s*([^.\s]+))?", re.ASCII)


def with_values(scenario: Scenario, values: Mapping[str, Any], name: str = "<values>") -> Scenario:
    """Return the scenario with other values at dotted places; the given one stays as it is.

    Texts are read as in a file (``16MiB``, ``30``, ``true``, ``[...]``, ``{...}``), quotes around
    all of one are taken away; None takes a key out, so its default holds. ``name`` stands for the
    file in messages.
    Raises ScenarioError with all problems; an unknown place is answered with the nearest one.
    """
    written = scenario.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    document = Document(name, written)
    texts: dict[Path, str] = {}
    keys: dict[Path, str] = {}
    unreadable: dict[str, str] = {}
    for key, value in values.items():
        try:
            path = _path(ALIASES.get(key, key), written)
            if path in keys:
                raise ValueError(f"{keys[path]} names the same place; once is enough")
            if isinstance(value, str):
                texts[path] = _unquoted(value)
                value, why_not = _read(texts[path])
                unreadable |= {path_text(path): why_not} if why_not else {}
            _put(written, path, value)
            keys[path] = key
        except ValueError as error:
            document.problems.append(Problem(name, 0, 0, key, str(error)))
    changed, problems = findings(document)
    # What looks like a number or a truth value is text after all where the schema wants text.
    wants_text = {problem.path for problem in problems if "accepted: text" in problem.message}
    if wants_text:
        for path, text in texts.items():
            if path_text(path) in wants_text:
                _put(written, path, text)
        changed, problems = findings(document)
    for problem in problems:
        said = problem._replace(message=unreadable.get(problem.path, problem.message))
        document.problems.append(_with_nearest(said, keys, written))
    if changed is None or document.problems:
        raise ScenarioError(document.problems)
    return changed


def canonical_key(key: str) -> str:
    """Return the one name of a place that has several, as workload[0].size for workload.0.size."""
    return re.sub(r"\.(\d+)(?=\.|\[|$)", r"[\1]", ALIASES.get(key, key))


def _path(dotted: str, data: Any) -> Path:
    """Return the steps of a dotted path; a number is a position where ``data`` has a list."""
    steps: list[str | int] = []
    at = 0
    while at < len(dotted):
        match = _STEP.match(dotted, at)
        if match is None or (at > 0 and dotted[at] not in ".["):
            raise ValueError("this is no place; accepted: names with dots, as in workload[0].size")
        word: str | int = match[1] if match[1] is not None else int(match[2])
        if isinstance(data, list) and str(word).isdigit():
            word = int(word)
        steps.append(word)
        data = _inside(data, word)
        at = match.end()
    if not steps:
        raise ValueError("this is no place; accepted: names with dots, as in workload[0].size")
    return tuple(steps)


def _inside(data: Any, step: Any) -> Any:
    if isinstance(data, dict):
        return data.get(step)
    if isinstance(data, list) and isinstance(step, int) and step < len(data):
        return data[step]
    return None


def _put(data: Any, path: Path, value: Any) -> None:
    """Set the value at a path, making missing mappings; raises ValueError with a sentence."""
    for depth, step in enumerate(path):
        here = path_text(path[:depth]) or "a scenario"
        if isinstance(data, list):
            if isinstance(step, str) or step >= len(data):
                raise ValueError(f"{here} is a list with {len(data)} entries, counted from 0")
        elif not isinstance(data, dict) or isinstance(step, int):
            raise ValueError(f"{here} has no [{step}] inside")
        elif step not in data and depth + 1 < len(path) and isinstance(path[depth + 1], int):
            raise ValueError(f"{path_text(path[: depth + 1])} has no entries")
        if depth < len(path) - 1:
            data = _inside(data, step) if isinstance(data, list) else data.setdefault(step, {})
        elif value is None and isinstance(data, dict):
            data.pop(step, None)
        else:
            data[step] = value


def _with_nearest(problem: Problem, keys: dict[Path, str], data: Any) -> Problem:
    """Name the override that a problem comes from; an unknown place gets the nearest known one."""
    for path, key in keys.items():
        text = path_text(path)
        if problem.path == text or text.startswith((problem.path + ".", problem.path + "[")):
            places = list(known_places(Scenario, data))
            beyond = text != problem.path and text not in places
            if "not known here" not in problem.message and not beyond:
                return Problem(problem.file, 0, 0, problem.path, problem.message)
            close = nearest(text, places) or "machine.memory"
            message = f"there is no such place in a scenario; nearest: {close}"
            return Problem(problem.file, 0, 0, key, message)
    return problem


def known_places(section: type[Section], data: Any, prefix: Path = ()) -> Iterator[str]:
    """Yield the dotted path of everything that can be set; list entries as far as there are any."""
    for name, info in section.model_fields.items():
        path = (*prefix, name)
        yield path_text(path)
        value = _inside(data, name)
        inner = sections_in(info.annotation)
        if isinstance(value, list):
            for index, item in enumerate(value):
                kind = item.get("kind") if isinstance(item, dict) else None
                for one in inner:
                    if len(inner) == 1 or kind_of(one) == kind:
                        yield from known_places(one, item, (*path, index))
        elif len(inner) == 1 and "tuple" not in str(info.annotation):
            yield from known_places(inner[0], value, path)


def parse_values(text: str) -> list[Any]:
    """Return the values of an axis: ``0..9``, ``0..64..8``, ``1GiB..4GiB..1GiB``, ``a,b,0..3``.

    Ranges include both ends. A value in quotes is one value, whatever commas or dots are in it, and
    so is a list or a mapping, which stays the text that it is (``with_values`` reads it).
    Raises ValueError with a full sentence.
    """
    values: list[Any] = []
    for item in _split(text):
        if not item:
            raise ValueError(f"'{text}' has an empty value; accepted: 0..9, or 1,2,3, or both.")
        inner = _unquoted(item)
        values += [inner] if inner != item else _range(item) or [_typed(item)]
        if len(values) > MAX_VALUES:
            raise ValueError(
                f"'{text}' has more than {MAX_VALUES} values; accepted: a larger step."
            )
    return values


def _split(text: str) -> list[str]:
    """Split at the commas that stand outside of quotes, and of lists and mappings."""
    items, quote, depth = [""], "", 0
    for character in text:
        if character == "," and not quote and not depth:
            items.append("")
            continue
        if character in "'\"" and quote in ("", character):
            quote = "" if quote else character
        elif not quote and (depth or not items[-1].strip()):
            depth += (character in COLLECTIONS) - (character in "]}" and depth > 0)
        items[-1] += character
    if quote:
        raise ValueError(f"'{text}' opens a quote ({quote}) and does not close it.")
    if depth:
        raise ValueError(f"'{text}' opens a list or a mapping and does not close it.")
    return [item.strip() for item in items]


def _range(item: str) -> range | None:
    match = _RANGE.fullmatch(item)
    if match is None:
        return None
    try:
        first, last, step = (_number(part) for part in (match[1], match[2], match[3] or "1"))
    except ValueError:
        return None
    if last < first or step < 1:
        raise ValueError(
            f"'{item}' does not count upwards; accepted: first..last or first..last..step."
        )
    if (last - first) // step >= MAX_VALUES:
        raise ValueError(f"'{item}' has more than {MAX_VALUES} values; accepted: a larger step.")
    return range(first, last + 1, step)


def _number(text: str) -> int:
    return -parse_size(text[1:]) if text.startswith("-") else parse_size(text)


def _unquoted(text: str) -> str:
    """Take away quotes around all of a text, if there are no more of them inside."""
    quote = text[:1]
    if quote in ("'", '"') and len(text) > 1 and text.endswith(quote) and text.count(quote) == 2:
        return text[1:-1]
    return text


def _read(text: str) -> tuple[Any, str]:
    """Return the value of a text, and why it is no list or mapping if it begins as one."""
    if not text.startswith(COLLECTIONS):
        return _typed(text), ""
    read = read_yaml(text, "")
    if not read.problems:
        return read.value, ""
    first = read.problems[0]
    return text, f"{first.message} (at {first.path})" if first.path else first.message


def _typed(word: str) -> Any:
    """Return what a word is in a file; a null is only its text here."""
    value = plain_value(word)
    return word if value is None else value
