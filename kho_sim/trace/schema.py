"""The columns of a kind of record: name, dtype, unit and meaning, each declared once.

A kind is a class under ``@record`` whose fields are made by ``column``. The dtype follows from the
annotation, the unit from the end of the name. Everything that shows, stores or explains records
reads ``columns_of``; nothing else lists columns.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from types import NoneType
from typing import Any, TypeVar, dataclass_transform, get_args, get_origin, get_type_hints

Kind = TypeVar("Kind")

UNITS = {"_bytes": "bytes", "_ns": "ns", "_pages": "pages"}
"""End of a column's name -> its unit."""

DTYPES = {
    frozenset({int}): "int64",
    frozenset({int, NoneType}): "Int64",
    frozenset({str}): "string",
    frozenset({bool}): "bool",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table. ``dtype`` is pandas' name of it.

    ``depth``: 0 for plain values, 1 for a sequence of ints in each row, 2 for one of pairs.
    """

    name: str
    dtype: str
    depth: int
    meaning: str

    @property
    def unit(self) -> str:
        """The unit that the end of the name gives, or ''."""
        return next((unit for end, unit in UNITS.items() if self.name.endswith(end)), "")


def column(meaning: str | type, *, dtype: str = "", late: bool = False, **usual: Any) -> Any:
    """Return a field of a record: what it means, and its ``default`` if it has one.

    ``meaning`` may be another kind of record, whose column of the same name means the same.
    ``dtype`` is given only where the annotation does not say it (an address up to 2^64 - 1).
    ``late``: the column came after the first digests, and is in one only if a record fills it.
    """
    return field(metadata={"meaning": meaning, "dtype": dtype, "late": late}, **usual)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(column,))
def record(kind: type[Kind]) -> type[Kind]:
    """Make a class a kind of record: a frozen dataclass with keyword arguments only."""
    return dataclass(frozen=True, slots=True, kw_only=True)(kind)


def columns_of(kind: type[Any]) -> tuple[Column, ...]:
    """Return the columns of a kind of record, in order.

    Raises: TypeError for an annotation that no dtype holds.
    """
    hints = get_type_hints(kind)
    return tuple(_column(kind, one.name, hints[one.name], one.metadata) for one in fields(kind))


def late_columns(kind: type[Any]) -> tuple[str, ...]:
    """Return the names of the columns that a digest reads only if a record fills them."""
    return tuple(one.name for one in fields(kind) if one.metadata.get("late"))


def caption_of(kind: type[Any]) -> str:
    """Return what a row of this kind is: the first paragraph of its docstring, on one line."""
    return " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())


def _column(kind: type[Any], name: str, hint: Any, said: Any) -> Column:
    meaning = said["meaning"]
    if not isinstance(meaning, str):
        meaning = next(one.meaning for one in columns_of(meaning) if one.name == name)
    depth = _depth(hint)
    dtype = said["dtype"] or ("object" if depth else DTYPES.get(_types(hint)))
    if dtype is None:
        raise TypeError(f"no dtype holds {kind.__name__}.{name}: {hint}")
    return Column(name, dtype, depth, meaning)


def _types(hint: Any) -> frozenset[Any]:
    """Return the types that a union unites."""
    return frozenset(get_args(hint) or (hint,))


def _depth(hint: Any) -> int:
    """Count the sequences inside of each other: 2 for ``tuple[tuple[int, int], ...] | None``."""
    if get_origin(hint) in (tuple, Sequence):
        return 1 + max(map(_depth, get_args(hint)))
    return max(map(_depth, get_args(hint)), default=0)
