"""Parquet parts: files that are there whole or not at all.

One writer per part, and the name is only a random number: a worker that is started again
never meets its own leavings.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kho_sim.base.errors import InputError
from kho_sim.base.files import atomic_write

UNFINISHED = "unfinished"
"""The folder for files that are still being written."""


def part_name() -> str:
    """Return a name that no other part has."""
    return f"{uuid.uuid4().hex}.parquet"


def write_part(directory: Path, table: str, name: str, batches: list[pa.RecordBatch]) -> None:
    """Put rows of one table into ``directory/table/name``. Raises OSError."""
    write_parquet(directory, Path(table) / name, pa.Table.from_batches(batches))


def write_parquet(directory: Path, place: Path, table: pa.Table) -> None:
    """Put a table at ``directory/place``, replacing what is there. Raises OSError."""
    with atomic_write(directory / place, directory / UNFINISHED) as file:
        pq.write_table(table, file, compression="zstd")


def read_parquet(path: Path) -> pa.Table:
    """Return the table in a file. Raises InputError for one that is damaged."""
    try:
        return pq.read_table(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path} cannot be read: {reason}") from error


def finished_runs(directory: Path, name: str, tables: tuple[str, ...]) -> list[str]:
    """Return the ids of the runs in a part; none unless it is readable in all of its tables."""
    try:
        for table in tables:
            pq.read_metadata(directory / table / name)
        ids = pq.read_table(directory / "runs" / name, columns=["run_id"])
    except (OSError, ValueError, pa.ArrowException):
        return []
    return [str(row["run_id"]) for row in ids.to_pylist() if row]


def part_names(directory: Path) -> Iterator[str]:
    """Yield the names of the parts that are in place, readable or not, in a fixed order."""
    yield from sorted(path.name for path in (directory / "runs").glob("*.parquet"))
