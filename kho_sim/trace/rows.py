"""Records of one kind, kept as columns: a large host makes a hundred thousand at each boot.

What is the same in a whole batch (the boot, the moment) is kept once; columns are tuples and
arrays, which the garbage collector does not go through. Records are made when somebody looks, and
kept if they are few.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, compress, islice, repeat
from operator import eq
from typing import Any, TypeVar, overload

from kho_sim.base.blocks import Blocks

Record = TypeVar("Record")
PIECE = 1 << 14
"""Records that are written together."""
MOST_SHOWN = 20
MOST_KEPT = 1 << 14
"""Rows of no more records keep those that they made: boots and events are read again and again."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Some records: a value that all share, or a column, for each field; one column at least."""

    same: dict[str, Any]
    columns: dict[str, Sequence[Any]]

    @property
    def length(self) -> int:
        return len(next(iter(self.columns.values())))

    def values(self, name: str) -> Iterable[Any]:
        return self.columns[name] if name in self.columns else repeat(self.same[name], self.length)

    def value(self, name: str, index: int) -> Any:
        return self.columns[name][index] if name in self.columns else self.same[name]

    def texts(self, name: str) -> Iterable[str]:
        """Yield one field of every record as JSON."""
        if name in self.same:
            return repeat(json.dumps(self.same[name]), self.length)
        column = self.columns[name]
        return map(_writer_of(set(map(type, column))), column)

    def matches(self, wanted: Mapping[str, Any]) -> Iterable[bool]:
        """Tell for each record whether its fields have the wanted values."""
        if any(self.same.get(name, value) != value for name, value in wanted.items()):
            return ()
        columns = [
            [one == value for one in self.columns[name]]
            for name, value in wanted.items()
            if name in self.columns
        ]
        return map(all, zip(*columns, strict=True)) if columns else repeat(True, self.length)


_ENCODER = json.JSONEncoder(default=Blocks.plain)


def _writer_of(kinds: set[type]) -> Callable[[Any], str]:
    """Return what makes JSON of values of these types, as fast as a column of one type allows."""
    if kinds == {int}:
        return repr
    if kinds == {bool}:
        return {True: "true", False: "false"}.__getitem__
    return _Words().__getitem__ if kinds == {str} else _ENCODER.encode


class _Words(dict[str, str]):
    """Words as JSON, each made once: a column repeats few of them."""

    def __missing__(self, word: str) -> str:
        text = self[word] = json.dumps(word)
        return text


class Rows(Sequence[Record]):
    """Records of one ``kind`` (a dataclass), in order; to be read like a tuple of them."""

    def __init__(self, kind: type[Record], records: Iterable[Record] = ()):
        self.kind = kind
        self.names: tuple[str, ...] = tuple(kind.__dataclass_fields__)  # type: ignore[attr-defined]
        """The fields of a record, in order."""
        self._batches: list[_Batch] = []
        self._open: dict[str, list[Any]] | None = None
        """Columns of the last batch while single records are appended to it."""
        self._kept: tuple[Record, ...] | None = None
        listed = list(records)
        self.extend({}, {name: [getattr(one, name) for one in listed] for name in self.names})

    def append(self, record: Record) -> None:
        """Append one record."""
        if self._open is None:
            self._open = {name: [] for name in self.names}
            self._batches.append(_Batch({}, {**self._open}))
        for name, column in self._open.items():
            column.append(getattr(record, name))
        self._kept = None

    def replace_last(self, record: Record) -> None:
        """Put a record in place of the last one, which was appended by itself."""
        if self._open is None:
            raise ValueError(f"the last {self.kind.__name__} came in a batch")
        for name, column in self._open.items():
            column[-1] = getattr(record, name)
        self._kept = None

    def extend(self, same: Mapping[str, Any], columns: Mapping[str, Iterable[Any]]) -> None:
        """Append a batch: what all its records have in common, and a column for each other field.

        Arrays and ranges are kept as they are. All columns are equally long.
        """
        kept = {
            name: values if isinstance(values, Sequence) and not isinstance(values, list)
            else tuple(values)
            for name, values in columns.items()
        }  # fmt: skip
        lengths = {len(values) for values in kept.values()}
        if len(lengths) != 1 or sorted([*same, *kept]) != sorted(self.names):
            raise ValueError(f"no batch of {self.kind.__name__}: {lengths} of {[*same, *kept]}")
        if lengths.pop():
            self._batches.append(_Batch(dict(same), kept))
            self._open = self._kept = None

    def __len__(self) -> int:
        return sum(batch.length for batch in self._batches)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._few()) if len(self) <= MOST_KEPT else self._made(self.tuples())

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Record, ...]: ...
    def __getitem__(self, index: int | slice) -> Record | tuple[Record, ...]:
        if isinstance(index, slice):
            return tuple(self)[index]
        if len(self) <= MOST_KEPT:
            return self._few()[index]
        rest = range(len(self))[index]
        for batch in self._batches:
            if rest < batch.length:
                return self._record(batch.value(name, rest) for name in self.names)
            rest -= batch.length
        raise IndexError(index)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(map(eq, self, other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        first = [*islice(self, MOST_SHOWN), *([...] if len(self) > MOST_SHOWN else [])]
        return f"Rows({self.kind.__name__}, {first})"

    def values(self, name: str) -> Iterator[Any]:
        """Yield one field of every record."""
        return chain.from_iterable(batch.values(name) for batch in self._batches)

    def tuples(self) -> Iterator[tuple[Any, ...]]:
        """Yield the values of every record, in the order of its fields."""
        for batch in self._batches:
            yield from self._tuples_of(batch)

    def as_json(self, names: Sequence[str] = ()) -> Iterator[str]:
        """Yield the records as JSON arrays of their values, one behind the other, many at a
        time; ``names``: the fields that are read, all by default."""
        for batch in self._batches:
            rows = zip(*map(batch.texts, names or self.names), strict=True)
            while piece := list(islice(rows, PIECE)):
                yield "[" + "][".join(map(", ".join, piece)) + "]"

    def where(self, **wanted: Any) -> Iterator[Record]:
        """Yield the records whose fields have these values; no other is made."""
        for batch in self._batches:
            yield from self._made(compress(self._tuples_of(batch), batch.matches(wanted)))

    def _few(self) -> tuple[Record, ...]:
        if self._kept is None:
            self._kept = tuple(self._made(self.tuples()))
        return self._kept

    def _tuples_of(self, batch: _Batch) -> Iterator[tuple[Any, ...]]:
        return zip(*(batch.values(name) for name in self.names), strict=True)

    def _made(self, tuples: Iterable[tuple[Any, ...]]) -> Iterator[Record]:
        return map(self._record, tuples)

    def _record(self, values: Iterable[Any]) -> Record:
        return self.kind(**dict(zip(self.names, values, strict=True)))
