"""Traces as pandas DataFrames: one per kind of record, and those that are derived from records.

Columns and dtypes are those of the record classes (``trace.schema``), for every trace, empty ones
too. Text columns have pandas' string dtype. Numbers that may be unknown are Int64 with missing
values, others int64. Sizes and addresses are bytes, times nanoseconds, ranges half-open. pandas is
imported for the first table that is made: the list of tables is read without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from kho_sim.base.errors import TraceError
from kho_sim.base.units import show
from kho_sim.trace.records import RECORDS, Boot, FailedAllocation, ScratchArea
from kho_sim.trace.rows import Rows
from kho_sim.trace.schema import columns_of
from kho_sim.trace.summary import failures
from kho_sim.trace.trace import Trace

if TYPE_CHECKING:
    import pandas as pd

IN_NOTEBOOK = (
    "boot", "kind", "release", "preserved_bytes", "extended_bytes", "extend_ns",
    "memory_regions_after", "gigantic_pages_allocated", "failures", "failures_avoided",
    "kernel_boot_ns", "blackout_ns",
)  # fmt: skip
"""Columns of boots that a notebook shows of a trace; the others have no room."""


def scratch_areas(trace: Trace) -> Iterator[ScratchArea]:
    """Yield the original scratch areas of each boot that has any, in array order."""
    for boot in trace[Boot]:
        for area, (start, size_bytes) in enumerate(boot.scratch_areas or ()):
            yield ScratchArea(
                boot=boot.boot,
                area=area,
                start=start,
                end=start + size_bytes,
                size_bytes=size_bytes,
            )


DERIVED: dict[str, tuple[type[Any], Callable[[Trace], Iterable[Any]]]] = {
    "failures": (FailedAllocation, failures),
    "scratch": (ScratchArea, scratch_areas),
}
"""Tables that follow from the records: name -> kind of row, and what makes the rows."""

TABLES: dict[str, type[Any]] = RECORDS | {name: kind for name, (kind, _) in DERIVED.items()}
"""Every table by its name -> the class that declares its columns."""


def table(trace: Trace, name: str) -> pd.DataFrame:
    """Return a table of ``TABLES``; None becomes a missing value.

    Raises: TraceError for another name, or if a value is not of its column, as an address above
    2^63 in a damaged log.
    """
    import pandas as pd

    if name not in TABLES:
        raise TraceError(f"a trace has no table {name}; known: {', '.join(TABLES)}")
    kind = TABLES[name]
    rows = Rows(kind, DERIVED[name][1](trace)) if name in DERIVED else trace[kind]
    data = {}
    for column in columns_of(kind):
        try:
            data[column.name] = pd.Series(list(rows.values(column.name)), dtype=column.dtype)
        except (OverflowError, TypeError, ValueError) as error:
            raise TraceError(f"table {name}, column {column.name}: {error}") from error
    return pd.DataFrame(data)


def boots_html(trace: Trace) -> str:
    """Return a table of boots for a notebook: sizes and times with their units, and only columns
    that have any values."""
    boots = table(trace, "boots").dropna(axis="columns", how="all")
    shown = boots[[name for name in IN_NOTEBOOK if name in boots]].astype(object)
    for name in shown:
        shown[name] = [_text(name, value) for value in shown[name]]
    return str(shown.to_html(index=False, max_rows=20))


def _text(name: str, value: Any) -> str:
    import pandas as pd

    if pd.isna(value):
        return ""
    return value if isinstance(value, str) else show(name, value)
