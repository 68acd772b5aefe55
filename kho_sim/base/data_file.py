"""Data files of the package: TOML in which every value stands beside its source.

    image_bytes = { value = 0x87f000, source = "kernel-facts 1" }

A file becomes a frozen dataclass, a subclass of ``DataFile``. Fields that are ints, truth values,
texts or lists of texts are such pairs; fields that are dataclasses (or one and None)
are tables of pairs. A field with a default may be left out; fields of any other type are never read
from a file. Nothing here knows what the values mean.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, get_args, get_type_hints

from kho_sim.base.errors import ModelError, Problem, nearest

PLAIN_TYPES: dict[object, str] = {
    int: "a whole number",
    int | None: "a whole number",
    bool: "true or false",
    str: "a text",
    tuple[str, ...]: "a list of texts",
}
PAIR = '{ value = ..., source = "..." }'


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """What every data file holds: its name, what it describes, and where each value is from."""

    name: str
    """The name of the file without its suffix."""
    description: str
    """One line: the only key of a file that needs no source."""
    sources: dict[str, str] = field(compare=False)
    """Dotted name of a value -> where it is from, in file order."""

    def values(self) -> Iterator[tuple[str, object, str]]:
        """Yield (dotted name, value, source) of every value that has a source, in file order."""
        for dotted, source in self.sources.items():
            value: object = self
            for part in dotted.split("."):
                value = getattr(value, part)
            yield dotted, value, source


def value_text(dotted: str, value: object) -> str:
    """Return a value of a data file as people read it: addresses in hex, counts in groups."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:#x}" if dotted.endswith("_address") else f"{value:,}"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


HEAD = tuple(one.name for one in fields(DataFile))
_File = TypeVar("_File", bound=DataFile)


def names_in(folder: Path) -> tuple[str, ...]:
    """Return the names of the data files in a folder, numbers in them ordered as numbers."""
    return tuple(sorted((file.stem for file in folder.glob("*.toml")), key=_natural_order))


def read_data_file(file: Path, kind: type[_File]) -> _File:
    """Return what a data file holds.

    Raises: ModelError with every problem and its line: a key that ``kind`` does not have, a value
    that is missing, of another type, or without a source.
    """
    text = file.read_text(encoding="utf-8")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"{file.name}: {error}") from None
    reading = _Reading(file.name, text)
    description = document.pop("description", None)
    if not isinstance(description, str) or not description:
        reading.refuse(("description",), "there is no description; accepted: one line of text")
    values = reading.values_of((), document, kind)
    if reading.problems:
        raise ModelError("\n".join(map(str, reading.problems)))
    return kind(name=file.stem, description=description, sources=reading.sources, **values)


class _Reading:
    """One file on its way to a dataclass: the sources and the problems found so far."""

    def __init__(self, name: str, text: str):
        self.name = name
        self.lines = text.splitlines()
        self.sources: dict[str, str] = {}
        self.problems: list[Problem] = []

    def values_of(
        self, at: tuple[str, ...], table: Mapping[str, Any], kind: type
    ) -> dict[str, object]:
        """Return the fields of a dataclass that a table gives."""
        hints = {key: _table_type(hint) for key, hint in get_type_hints(kind).items()}
        known = {one.name: one for one in fields(kind) if one.name not in HEAD}
        known = {key: one for key, one in known.items() if _is_read(hints[key])}
        values = {}
        for key, given in table.items():
            if key not in known:
                close = nearest(key, known)
                hint = f"; nearest: {close}" if close else ""
                self.refuse((*at, key), f"this key is not known here{hint}")
            elif is_dataclass(hints[key]):
                values[key] = self._table((*at, key), given, hints[key])
            else:
                values[key] = self._value((*at, key), given, hints[key])
        for key, one in known.items():
            if key not in table and _is_required(one):
                self.refuse((*at, key), "this key is missing")
        return values

    def _table(self, at: tuple[str, ...], given: object, kind: Any) -> object:
        if not isinstance(given, dict):
            self.refuse(at, f"this is no table; accepted: [{'.'.join(at)}]")
            return None
        before = len(self.problems)
        values = self.values_of(at, given, kind)
        return kind(**values) if len(self.problems) == before else None

    def _value(self, at: tuple[str, ...], given: object, wanted: object) -> object:
        if not isinstance(given, dict) or set(given) != {"value", "source"}:
            self.refuse(at, f"a value stands beside its source; accepted: {PAIR}")
            return None
        value, source = given["value"], given["source"]
        if not isinstance(source, str) or not source.strip():
            self.refuse(at, "the source is empty; accepted: one line of text")
        if not _fits(value, wanted):
            self.refuse(at, f"{value!r} is not {PLAIN_TYPES[wanted]}")
        self.sources[".".join(at)] = source
        return tuple(value) if isinstance(value, list) else value

    def refuse(self, at: tuple[str, ...], message: str) -> None:
        """Add a problem at a key, or at the table where a key should be."""
        line = self._line_of(at)
        self.problems.append(Problem(self.name, line, min(line, 1), ".".join(at), message))

    def _line_of(self, at: tuple[str, ...]) -> int:
        """Return the line of a key, else that of its table; 0 if neither is written."""
        table: tuple[str, ...] = ()
        found = 0
        for number, line in enumerate(self.lines, start=1):
            if header := re.match(r"\[([\w.-]+)\]", line):
                table = tuple(header[1].split("."))
                if table == at:
                    return number
                if table == at[:-1]:
                    found = number
            elif table == at[:-1] and re.match(rf"{re.escape(at[-1])}\s*=", line):
                return number
        return found


def _table_type(hint: Any) -> Any:
    """Return the dataclass of a field that may be None, any other type as it is."""
    given = [part for part in get_args(hint) if part is not NoneType]
    return given[0] if len(given) == 1 and is_dataclass(given[0]) else hint


def _is_read(hint: object) -> bool:
    return hint in PLAIN_TYPES or is_dataclass(hint)


def _is_required(one: Field[Any]) -> bool:
    return one.default is MISSING and one.default_factory is MISSING


def _fits(value: object, wanted: object) -> bool:
    if wanted == tuple[str, ...]:
        return isinstance(value, list) and all(isinstance(part, str) for part in value)
    if wanted in (int, int | None):
        return type(value) is int
    return type(value) is wanted


def _natural_order(name: str) -> list[tuple[int, str]]:
    """Split a name so that 7.10 comes after 7.3."""
    parts = re.findall(r"\d+|\D+", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
