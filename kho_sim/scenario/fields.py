"""The kinds of value that a scenario is made of: sizes, durations, choices, counts.

Each is an annotated type for ``spec.py``: it reads what people write, holds an int (bytes,
nanoseconds) or a str, and writes it back. A value that does not fit raises ValueError with the
sentence that the user gets to read; ``findings.py`` adds the place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, SerializationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from kho_sim.base.errors import nearest
from kho_sim.base.plugins import PluginFamily
from kho_sim.base.units import format_duration, format_exact, parse_duration, parse_size
from kho_sim.base.words import PAGE_SIZES
from kho_sim.builds import BUILDS
from kho_sim.platform.geometry import PAGES_4K
from kho_sim.releases import RELEASES, nearest_release, release_of

ADDRESS_LIMIT = 1 << 52
"""The end of physical addresses of x86_64, which has the most of them."""
PAGE_BYTES = PAGES_4K.page_bytes
"""Of a kernel that says nothing else."""
ALL_PAGE_SIZES = tuple(sorted({size for sizes in PAGE_SIZES.values() for size in sizes}))
PROFILE_SUFFIXES = (".yaml", ".yml", ".json")
"""Characters that distinguish a file from the name of a build."""

_T = TypeVar("_T")
_SIZE_PATTERN = r"^(0[xX][0-9a-fA-F]+|0|[1-9][0-9]*) ?([KMGTPEkmgtpe]([iI][bB]?)?|[bB])?$"


def one_of(known: Sequence[str], word: object) -> str:
    """Return 'accepted: a, b', with the nearest one if ``word`` is a word, and one is close."""
    close = nearest(word, known) if isinstance(word, str) else ""
    return f"accepted: {', '.join(known)}" + (f"; nearest: {close}" if close else "")


def found(value: object) -> str:
    """Return what a value is, for a message: never the whole of a long one."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= 64 else f"a text of {len(value)} characters"
    return str(value)


class FieldRule:
    """Base of the annotations: ``check`` reads, ``write`` writes, ``schema`` is for editors."""

    def check(self, value: object) -> object:
        raise NotImplementedError

    def write(self, value: Any, info: SerializationInfo) -> object:  # noqa: ARG002
        return value

    def schema(self) -> JsonSchemaValue:
        raise NotImplementedError

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.check,
            serialization=core_schema.plain_serializer_function_ser_schema(
                self.write, info_arg=True
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return self.schema()


@dataclass(frozen=True)
class Choice(FieldRule):
    """One word out of ``known``; ``what`` names its kind, as in 'a strategy'."""

    known: tuple[str, ...]
    what: str

    def check(self, value: object) -> str:
        if isinstance(value, str) and value in self.known:
            return value
        raise ValueError(f"{found(value)} is not {self.what}; {one_of(self.known, value)}")

    def schema(self) -> JsonSchemaValue:
        return {"type": "string", "enum": list(self.known)}


@dataclass(frozen=True)
class PluginChoice(Choice):
    """The same, or the name of a plug-in of ``family``."""

    family: PluginFamily[Any]

    def check(self, value: object) -> str:
        if isinstance(value, str) and (value in self.known or self.family.get(value) is not None):
            return value
        return Choice((*self.known, *self.family.names()), self.what).check(value)

    def schema(self) -> JsonSchemaValue:
        return {"type": "string", "enum": [*self.known, *self.family.names()]}


@dataclass(frozen=True)
class SizeRule(FieldRule):
    """Bytes within bounds; a multiple of something, or a power of two."""

    least_bytes: int = 1
    most_bytes: int = ADDRESS_LIMIT
    multiple_bytes: int = 1
    power_of_two: bool = False
    among_bytes: tuple[int, ...] = ()

    def check(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise ValueError(f"{found(value)} is not a size; accepted: 64GiB, 512M, 0x1000, 4096")
        size_bytes = parse_size(value)
        if self.among_bytes and size_bytes not in self.among_bytes:
            known = ", ".join(map(format_exact, self.among_bytes))
            raise ValueError(f"{value} is not among the sizes possible here; accepted: {known}")
        if not self.least_bytes <= size_bytes <= self.most_bytes:
            least, most = format_exact(self.least_bytes), format_exact(self.most_bytes)
            raise ValueError(f"{value} is out of bounds; accepted: {least} to {most}")
        if size_bytes % self.multiple_bytes:
            unit = format_exact(self.multiple_bytes)
            raise ValueError(f"{value} is not a whole number of {unit} pages")
        if self.power_of_two and size_bytes & (size_bytes - 1):
            below = 1 << size_bytes.bit_length() - 1
            near = f"{format_exact(below)}, {format_exact(2 * below)}"
            raise ValueError(f"{value} is not a power of two; nearest: {near}")
        return size_bytes

    def write(self, value: Any, info: SerializationInfo) -> int | str:
        """Return an int for machines, or text for people where the caller asks for it."""
        as_text = isinstance(info.context, Mapping) and info.context.get("sizes") == "text"
        return format_exact(value) if as_text else value

    def schema(self) -> JsonSchemaValue:
        return {
            "anyOf": [
                {"type": "integer", "minimum": self.least_bytes, "maximum": self.most_bytes},
                {"type": "string", "pattern": _SIZE_PATTERN},
            ]
        }


@dataclass(frozen=True)
class DurationRule(FieldRule):
    """Nanoseconds; written as '90s', '30m' or '2h'."""

    least_ns: int = 1
    most_ns: int = parse_duration("1000000h")

    def check(self, value: object) -> int:
        if not isinstance(value, str):
            raise ValueError(f"{found(value)} is not a duration; accepted: 90s, 30m, 2h")
        duration_ns = parse_duration(value)
        if not self.least_ns <= duration_ns <= self.most_ns:
            least, most = "1s" if self.least_ns else "0s", format_duration(self.most_ns)
            raise ValueError(f"{value} is out of bounds; accepted: {least} to {most}")
        return duration_ns

    def write(self, value: Any, info: SerializationInfo) -> str:  # noqa: ARG002
        return format_duration(value)

    def schema(self) -> JsonSchemaValue:
        return {"type": "string", "pattern": "^(0|[1-9][0-9]*) ?[smh]$"}


@dataclass(frozen=True)
class ReleaseRule(FieldRule):
    """A release by its name, by an alias, or by a version of its series, as '7.3.4'."""

    def check(self, value: object) -> str:
        # YAML makes a number of an unquoted 7.3; there is no doubt about what is meant.
        text = str(value) if isinstance(value, float) else value
        release = release_of(text) if isinstance(text, str) else ""
        if release:
            return release
        known = f"accepted: {', '.join(RELEASES)}, and versions of these, as 7.3.4"
        close = ""
        if isinstance(text, str):
            spelling = None if re.match(r"[0-9]+\.[0-9]+(\.|$)", text) else nearest(text, RELEASES)
            close = f"; nearest: {spelling or nearest_release(text)}"
        raise ValueError(f"{found(text)} is not a release known here; {known}{close}")

    def schema(self) -> JsonSchemaValue:
        numbers = [float(name) for name in RELEASES if re.fullmatch(r"[0-9]+\.[0-9]+", name)]
        return {"anyOf": [{"type": "string"}, {"enum": numbers}]}


@dataclass(frozen=True)
class BuildRule(FieldRule):
    """A recorded build; a file with sizes stands here only until the loader has read it."""

    def check(self, value: object) -> str:
        if isinstance(value, str) and value in BUILDS:
            return value
        if isinstance(value, str) and value.endswith(PROFILE_SUFFIXES):
            where = "only in a scenario file, and only without profile"
            raise ValueError(f"{found(value)}: a file can be named {where}")
        raise ValueError(f"{found(value)} is not a build known here; {one_of(BUILDS, value)}")

    def schema(self) -> JsonSchemaValue:
        suffixes = "|".join(re.escape(suffix) for suffix in PROFILE_SUFFIXES)
        return {"anyOf": [{"enum": list(BUILDS)}, {"type": "string", "pattern": f"({suffixes})$"}]}


Size = Annotated[int, SizeRule()]
SizeOrZero = Annotated[int, SizeRule(least_bytes=0)]
PowerOfTwo = Annotated[int, SizeRule(power_of_two=True)]
PageSize = Annotated[int, SizeRule(among_bytes=ALL_PAGE_SIZES)]
Duration = Annotated[int, DurationRule()]
DurationOrZero = Annotated[int, DurationRule(least_ns=0)]
Release = Annotated[str, ReleaseRule()]
BuildName = Annotated[str, BuildRule()]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
AtLeastOne = Annotated[int, Field(ge=1, le=1_000_000)]
Node = Annotated[int, Field(ge=0, le=63)]
ListOf = Annotated[tuple[_T, ...], Field(strict=False)]
"""A list in the file, a tuple in the model; its items stay strict."""
