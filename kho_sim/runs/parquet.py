"""Parquet files that are in memory: read on the thread that asks.

Tables of results are small. With pyarrow's pools a process that ends right after a read may still
be starting their threads, and is aborted then, with its work done and the wrong exit code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


ROWS_MAX = 20_000_000
"""Of a file; a few megabytes can say that they hold any number of equal rows."""


def table_of(content: bytes, columns: list[str] | None = None) -> pa.Table:
    """Return the table in the bytes of a file, or some of its columns.

    Raises OSError, ValueError (also for more than ROWS_MAX rows), ArrowException.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Not read_table(), which reads by way of a dataset: that has threads whatever it is told.
    with pq.ParquetFile(pa.BufferReader(content), pre_buffer=False) as file:
        rows = file.metadata.num_rows
        if rows > ROWS_MAX:
            raise ValueError(f"{rows} rows are too many; accepted: {ROWS_MAX} or fewer")
        return file.read(columns, use_threads=False)
