"""Errors that the schema finds in plain values, in plain sentences and with places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from kho_sim.base import plugins
from kho_sim.base.errors import Problem
from kho_sim.base.results import RESULTS
from kho_sim.base.words import WORKLOADS
from kho_sim.scenario.expectations import is_result_name, no_result
from kho_sim.scenario.fields import found, one_of
from kho_sim.scenario.section import Section, kind_of, sections_in
from kho_sim.scenario.spec import Scenario
from kho_sim.scenario.yaml_tree import Document, Path, missing_space, path_text

_ACCEPTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true, false",
    "string_type": "text (a number in quotes)",
    "tuple_type": "a list",
    "dict_type": "a mapping, as in {key: value}",
    "model_type": "a mapping, as in {key: value}",
    "model_attributes_type": "a mapping, as in {key: value}",
}


def findings(document: Document) -> tuple[Scenario | None, list[Problem]]:
    """Return the scenario that ``document`` holds, or what is wrong with it.

    What the reader refused already is not reported again, nor rules that depend on it.
    """
    scenario, found_ = None, list(_unknown_results(document))
    _load_plugins(document)
    try:
        scenario = Scenario.model_validate(document.value)
    except ValidationError as errors:
        found_ += [finding for error in errors.errors() for finding in _findings(error, document)]
    problems = [_placed(document, *finding) for finding in found_]
    return (None if problems else scenario), problems


def _load_plugins(document: Document) -> None:
    """Ask for each kind of workload that is written, so that an installed plug-in is found."""
    entries = document.value.get("workload")
    for entry in entries if isinstance(entries, list) else ():
        kind = entry.get("kind") if isinstance(entry, Mapping) else None
        if isinstance(kind, str) and kind not in WORKLOADS:
            plugins.WORKLOADS.get(kind)


Finding = tuple[Path, str, bool]
"""Place, sentence, and whether it is about the key rather than its value."""


def _unknown_results(document: Document) -> Iterator[Finding]:
    expect = document.value.get("expect")
    for name in expect if isinstance(expect, dict) else ():
        if name not in RESULTS and is_result_name(name):
            yield ("expect", name), no_result(name), True


def _findings(error: Any, document: Document) -> Iterator[Finding]:
    path, kind = without_kind(error["loc"]), error["type"]
    if kind == "broken_rules":
        if not any(refused[: len(path)] == path for refused in document.refused):
            for inner, message in error["ctx"]["broken"]:
                yield (*path, *inner), message, False
        return
    # Both follow from a value that is wrong itself and reported: a default worked out from it, and
    # a list that is counted too short because its entries are wrong.
    if kind == "default_factory_not_called" or (kind == "too_short" and error["input"]):
        return
    if any(path[: len(refused)] == refused for refused in document.refused):
        return
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        path = (*path, "kind")
    yield path, _message(error, path, document.value), kind == "extra_forbidden"


def without_kind(loc: Path) -> Path:
    """Return the path in the file: the schema's own has an entry's kind after its index."""
    return loc[:2] + loc[3:] if len(loc) > 2 and loc[0] in LISTS_OF_KINDS else loc


def _message(error: Any, path: Path, data: Any) -> str:
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind in _ACCEPTED:
        return f"found {found(value)}; accepted: {_ACCEPTED[kind]}"
    sentence = _SENTENCES.get(kind)
    if sentence is not None:
        return sentence(found(value), context)
    if kind == "extra_forbidden":
        known, key = tuple(section_at(path[:-1], data).model_fields), str(path[-1])
        outer, dot, inner = key.partition(".")
        if dot and outer in known:
            return f"dots are for -s and -x; in a file this is {outer}: {_nested(inner)}"
        return missing_space(key) or f"this key is not known here; {one_of(known, key)}"
    if kind.startswith("union_tag"):
        entries = str(path[0])
        known = tuple(kind_of(s) for s in sections_in(Scenario.model_fields[entries].annotation))
        tag = value.get("kind") if isinstance(value, Mapping) else None
        entry = entries.removesuffix("s")
        what = "this is missing" if tag is None else f"{found(tag)} is no kind of {entry}"
        return f"{what}; {one_of(known, tag)}"
    return str(error["msg"])


def _nested(dotted: str) -> str:
    key, dot, inner = dotted.partition(".")
    return f"{{{key}: {_nested(inner) if dot else '...'}}}"


_SENTENCES: dict[str, Callable[[str, Any], str]] = {
    "missing": lambda _, __: "this is missing, and there is no default",
    "value_error": lambda _, context: str(context["error"]).removesuffix("."),
    "greater_than_equal": lambda value, context: (
        f"{value} is too small; accepted: {context['ge']} or more"
    ),
    "less_than_equal": lambda value, context: (
        f"{value} is too large; accepted: {context['le']} or less"
    ),
    "less_than": lambda value, context: f"{value} is too large; accepted: below {context['lt']}",
    "too_short": lambda _, __: "this list is empty; at least one entry is needed",
    "string_too_short": lambda _, __: "this text is empty",
    "string_too_long": lambda value, context: (
        f"{value} is too long; accepted: up to {context['max_length']} characters"
    ),
}

LISTS_OF_KINDS = ("workload", "faults")
"""Sections that are lists of entries whose ``kind`` picks the model."""


def section_at(path: Path, data: Any) -> type[Section]:
    """Return the model of the mapping at ``path``; ``data`` decides between kinds of workload."""
    section: type[Section] = Scenario
    for step in path:
        data = data[step]
        if isinstance(step, str):
            candidates = sections_in(section.model_fields[step].annotation)
        section = next(
            (one for one in candidates if len(candidates) > 1 and _is_kind(one, data)),
            candidates[0],
        )
    return section


def _is_kind(section: type[Section], data: Any) -> bool:
    return isinstance(data, Mapping) and data.get("kind") == kind_of(section)


def _placed(document: Document, path: Path, message: str, about_key: bool) -> Problem:
    """Put a finding at its key or value; what is not written stands where its parent does."""
    written = path
    while written and written not in document.places:
        written = written[:-1]
    place = document.places.get(written)
    if place is None:
        return Problem(document.file, 0, 0, path_text(path), message)
    line, column = (place.key_line, place.key_column) if about_key else (place.line, place.column)
    return Problem(place.file, line, column, path_text(path), message)
