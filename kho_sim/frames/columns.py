"""Rows to a DataFrame whose columns and dtypes are the same for every trace, empty ones too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from kho_sim.base.errors import TraceError
from kho_sim.trace.rows import Rows


def frame(name: str, rows: Iterable[Any], columns: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows, records or mappings, as a table of exactly these columns (name -> dtype).

    None becomes a missing value, which only Int64, string and object columns can hold.
    Raises: TraceError if a value is not of its column, as an address above 2^63 in a damaged log.
    """
    data = {}
    for column, values in _values(rows, columns):
        dtype = columns[column]
        try:
            data[column] = pd.Series(values, dtype=dtype)
        except (OverflowError, TypeError, ValueError) as error:
            raise TraceError(f"table {name}, column {column}: {error}") from error
    return pd.DataFrame(data)


def _values(rows: Iterable[Any], columns: Iterable[str]) -> Iterator[tuple[str, list[Any]]]:
    """Yield each column with its values."""
    if isinstance(rows, Rows):
        yield from ((column, list(rows.values(column))) for column in columns)
        return
    listed = [row if isinstance(row, Mapping) else _Fields(row) for row in rows]
    yield from ((column, [row[column] for row in listed]) for column in columns)


class _Fields:
    """A record's fields by name."""

    def __init__(self, record: Any):
        self._record = record

    def __getitem__(self, name: str) -> Any:
        return getattr(self._record, name)
