"""Parquet parts: files that are there whole or not at all, and that carry their own checksum.

One writer per part, and the name is only a random number: a worker that is started again
never meets its own leavings. A part has a file in each table's folder, that of ``runs`` written
last. Any reader of Parquet reads them; the checksum is verified here, each time.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kho_sim.base.checksums import sha256
from kho_sim.base.errors import InputError
from kho_sim.base.files import atomic_write
from kho_sim.runs.parquet import table_of

UNFINISHED = "unfinished"
"""The folder for files that are still being written."""
LAST = "runs"
"""The table that a part gets last: a part that has it has all."""

CHECKSUM_KEY = b"kho-sim-sha256"
ZEROS = b"0" * 64


def part_name() -> str:
    """Return a name that no other part has."""
    return f"{uuid.uuid4().hex}.parquet"


def write_part(directory: Path, table: str, name: str, batches: list[pa.RecordBatch]) -> None:
    """Put rows of one table into ``directory/table/name``. Raises OSError."""
    write_parquet(directory, Path(table) / name, pa.Table.from_batches(batches))


def write_parquet(directory: Path, place: Path, table: pa.Table) -> None:
    """Put a table at ``directory/place``, replacing what is there. Raises OSError."""
    with atomic_write(directory / place, directory / UNFINISHED) as file:
        file.write(parquet_bytes(table))


def parquet_bytes(table: pa.Table) -> bytes:
    """Return a table as a Parquet file with the SHA-256 of its own bytes in its footer.

    The digits of the checksum count as zeros, and are put in their place at the end.
    """
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, compression="zstd") as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({CHECKSUM_KEY.decode(): ZEROS.decode()})
    content = bytearray(sink.getvalue())
    place = _place_of_checksum(content)
    content[place] = sha256(bytes(content)).encode()
    return bytes(content)


def _place_of_checksum(content: bytes | bytearray) -> slice:
    """Return where the digits are: behind the last occurrence of the key and two bytes of Thrift,
    which are the number of the field and the length of the text."""
    begin = content.rfind(CHECKSUM_KEY) + len(CHECKSUM_KEY) + 2
    return slice(begin, begin + len(ZEROS))


def read_parquet(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Return the table in a file, or some of its columns. Raises InputError for one that is
    damaged, wherever in it."""
    content = _sound_bytes(path)
    try:
        return table_of(content, columns)
    except MemoryError:
        raise
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path} cannot be read: {reason}") from error


def _sound_bytes(path: Path) -> bytes:
    """Return the bytes of a file as they were written. Raises InputError if they are others."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    place = _place_of_checksum(content)
    view = memoryview(content)
    if sha256(view[: place.start], ZEROS, view[place.stop :]).encode() != view[place]:
        raise InputError(
            f"{path} is damaged: its bytes are not those that were stored; the same sweep, asked "
            "for again, mends it"
        )
    return content


def finished_runs(directory: Path, name: str, tables: tuple[str, ...]) -> list[str]:
    """Return the ids of the runs in a part; none unless all of its tables are sound."""
    try:
        for table in tables:
            if table != LAST:
                _sound_bytes(directory / table / name)
        ids = read_parquet(directory / LAST / name, ["run_id"])["run_id"]
    except (InputError, KeyError):
        return []
    return [run_id for run_id in ids.to_pylist() if run_id]


def part_names(directory: Path) -> Iterator[str]:
    """Yield the names of the parts that are in place, readable or not, in a fixed order."""
    yield from sorted(path.name for path in (directory / LAST).glob("*.parquet"))


def remove_unfinished(directory: Path, tables: tuple[str, ...]) -> None:
    """Take away what killed writers left: half files, and tables of parts that never got all.

    Only for somebody who has the directory alone.
    """
    whole = set(part_names(directory))
    leavings = [*(directory / UNFINISHED).iterdir()]
    for table in tables:
        parts = (directory / table).glob("*.parquet")
        leavings += [path for path in parts if path.name not in whole]
    for path in leavings:
        path.unlink(missing_ok=True)
