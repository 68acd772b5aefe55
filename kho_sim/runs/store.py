"""A run in a folder, and back: scenario, provenance, the JSON document, and every table as Parquet.

The folder is complete once ``run.json`` is there, which comes into place last; each file appears
whole. The document has the SHA-256 of every other file, and its own. Tables hold every field of
every record, so ``load_run`` rebuilds the same Trace, twin included, and compares its digest with
the stored one. One writer at a time has the folder. Left out: ``Trace.extra``; protection from a
power cut beyond noticing the damage.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import groupby
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kho_sim.base.blocks import BLOCK_BYTES, SPANS, Blocks
from kho_sim.base.checksums import has_its_checksum, sha256, with_checksum
from kho_sim.base.errors import EngineError, TraceError
from kho_sim.base.files import TEMPORARY, atomic_write
from kho_sim.base.locks import FolderLock
from kho_sim.runs import parquet
from kho_sim.tables import TABLES
from kho_sim.trace.records import (
    RECORDS,
    Outcome,
)
from kho_sim.trace.rows import Rows
from kho_sim.trace.schema import columns_of
from kho_sim.trace.summary import SCHEMA, SCHEMA_VERSION, run_document
from kho_sim.trace.trace import Trace

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

DOCUMENT = "run.json"
PROVENANCE = "provenance.json"
SCENARIO = "scenario.yaml"
TWIN = "twin-"
FILES = "files"
"""The key of the document that has the SHA-256 of each other file."""

NO_SUMS = "it has no checksums; run the scenario again"
NOT_ITS_SUM = "its bytes are not those that were stored; run the scenario again"


def save_run(trace: Trace, directory: str | PathLike[str]) -> None:
    """Store a trace in a folder, in place of a run that is there already.

    Raises: EngineError if the folder holds something else, is in use, or cannot be written.
    """
    with folder_for_run(directory) as folder:
        write_run(trace, folder)


@contextmanager
def folder_for_run(directory: str | PathLike[str]) -> Iterator[Path]:
    """Keep a folder for one run, new or empty or that of an older run: no other writer gets it.

    Raises: EngineError if the folder holds something else, is in use, or cannot be made.
    """
    folder = Path(directory)
    if folder.exists() and not folder.is_dir():
        raise EngineError(f"{folder} is no folder; a run needs a folder of its own.")
    try:
        lock = FolderLock(folder)
    except OSError as error:
        raise EngineError(f"{folder} cannot be written: {error.strerror or error}") from error
    with lock:
        _ensure_nothing_foreign(folder)
        yield folder


def write_run(trace: Trace, folder: Path) -> None:
    """Store a trace in a folder that ``folder_for_run`` keeps.

    Raises: EngineError if it cannot be written, or has a table that could not be read again.
    """
    try:
        before = sorted(folder.iterdir(), key=lambda path: path.name != DOCUMENT)
        document = run_document(trace)
        with ExitStack() as files:
            last = files.enter_context(atomic_write(folder / DOCUMENT))
            sums = {}
            for name, content in _files(trace, document):
                files.enter_context(atomic_write(folder / name)).write(content)
                sums[name] = sha256(content)
            last.write(_json(with_checksum({**document, FILES: sums})))
            # All is on the disk. The old run goes, its document first, and the files of the new one
            # come into place in reverse order, its document last.
            for path in before:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise EngineError(f"{folder} cannot be written: {error.strerror or error}") from error


def _ensure_nothing_foreign(folder: Path) -> None:
    try:
        foreign = sorted(
            path.name for path in folder.iterdir() if not _is_ours(path.name) or path.is_dir()
        )
    except OSError as error:
        raise EngineError(f"{folder} cannot be read: {error.strerror or error}") from error
    if foreign:
        raise EngineError(
            f"{folder} holds {foreign[0]}, which is no part of a stored run; "
            "a run needs a folder of its own."
        )


def load_run(directory: str | PathLike[str]) -> Trace:
    """Return the trace that ``save_run`` stored. Raises: TraceError if it is not whole."""
    folder = Path(directory)
    document = _document(folder)
    tables = _Tables(folder, document[FILES])
    try:
        outcome = Outcome(**document["outcome"])
        provenance = dict(document["provenance"])
        digest = provenance.pop("digest")
        twin = None
        if "twin" in document:
            twin_outcome = Outcome(**document["twin"]["outcome"])
            twin = tables.trace(TWIN, {**provenance, "twin": True}, twin_outcome)
    except (KeyError, TypeError, ValueError) as error:
        raise TraceError(f"{folder / DOCUMENT} is damaged: {error!r}") from error
    trace = tables.trace("", provenance, outcome, twin)
    if trace.digest != digest:
        raise TraceError(f"{folder} is damaged: its tables are not those of {DOCUMENT}")
    return trace


def _is_ours(name: str) -> bool:
    stem, _, ending = name.rpartition(".")
    if ending == "parquet":
        return stem in TABLES or stem.removeprefix(TWIN) in RECORDS
    return name.startswith(TEMPORARY) or name in (DOCUMENT, PROVENANCE, SCENARIO)


def _files(trace: Trace, document: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every file beside the document."""
    if "scenario" in trace.provenance:
        from kho_sim.scenario import from_dict

        yield SCENARIO, from_dict(trace.provenance["scenario"]).to_yaml().encode()
    yield PROVENANCE, _json(document["provenance"])
    for name in TABLES:
        yield f"{name}.parquet", _parquet(trace, name)
    if trace.twin is not None:
        for name in RECORDS:
            yield f"{TWIN}{name}.parquet", _parquet(trace.twin, name)


def _json(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, indent=2) + "\n").encode()


def _parquet(trace: Trace, name: str) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    frame = trace.table(name)
    if len(frame) > parquet.ROWS_MAX:
        rows, most = len(frame), parquet.ROWS_MAX
        raise EngineError(
            f"the run cannot be stored: table {name} has {rows:,} rows; accepted: {most:,} or fewer"
        )
    if "busy_blocks" in frame:
        frame = _with_plain_blocks(frame)
    lists = {column: kind for column, kind in _list_types(name).items() if column in frame}
    # Without values of its own, pyarrow does not know what such a column is a list of.
    plain = frame.drop(columns=[*lists])
    table = pa.Table.from_pandas(plain, preserve_index=False, nthreads=1)
    for column, kind in lists.items():
        table = table.append_column(column, pa.array(list(frame[column]), kind))
    sink = pa.BufferOutputStream()
    pq.write_table(table.select([*frame.columns]), sink)
    return bytes(sink.getvalue().to_pybytes())


def _with_plain_blocks(boots: pd.DataFrame) -> pd.DataFrame:
    """Return the boots with lists of busy blocks, and with two columns more if one is too long."""
    plain = [
        blocks.plain() if isinstance(blocks, Blocks) else blocks for blocks in boots["busy_blocks"]
    ]
    runs = [blocks if isinstance(blocks, dict) else {} for blocks in plain]
    boots["busy_blocks"] = [None if isinstance(blocks, dict) else blocks for blocks in plain]
    if any(runs):
        boots[BLOCK_BYTES] = [blocks.get(BLOCK_BYTES) for blocks in runs]
        boots[SPANS] = [blocks.get(SPANS) for blocks in runs]
        boots = boots.astype({BLOCK_BYTES: "Int64"})
    return boots


def _list_types(name: str) -> dict[str, pa.DataType]:
    """Return the columns of a table that hold sequences, with their types."""
    import pyarrow as pa

    kinds = (pa.int64(), pa.list_(pa.int64()), pa.list_(pa.list_(pa.int64())))
    found = {one.name: kinds[one.depth] for one in columns_of(TABLES[name]) if one.depth}
    return found | {SPANS: kinds[2]}


def _document(folder: Path) -> dict[str, Any]:
    path = folder / DOCUMENT
    try:
        document = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        what = "holds no complete run" if folder.is_dir() else "is no folder"
        raise TraceError(f"{folder} {what}: {DOCUMENT} is not there") from error
    except OSError as error:
        raise TraceError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise TraceError(f"{path} is damaged: {error}") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise TraceError(f"{path} is no document of a run (schema {SCHEMA})")
    if document.get("schema_version") != SCHEMA_VERSION:
        found = document.get("schema_version")
        raise TraceError(f"{path} has schema version {found}; this is for {SCHEMA_VERSION}")
    if not isinstance(document.get(FILES), dict):
        raise TraceError(f"{path} is damaged, or of an earlier version of kho_sim: {NO_SUMS}")
    if not has_its_checksum(document):
        raise TraceError(f"{path} is damaged: {NOT_ITS_SUM}")
    return document


class _Tables:
    """The files of a stored run: each is what the document says, or TraceError names it."""

    def __init__(self, folder: Path, sums: dict[str, str]):
        self._folder = folder
        self._contents = {name: self._content(name, wanted) for name, wanted in sums.items()}

    def _content(self, name: str, wanted: str) -> bytes:
        path = self._folder / name
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise TraceError(f"{self._folder} is damaged: {name} is not there") from error
        except OSError as error:
            raise TraceError(f"{path} cannot be read: {error.strerror or error}") from error
        if sha256(content) != wanted:
            raise TraceError(f"{path} is damaged: {NOT_ITS_SUM}")
        return content

    def trace(
        self,
        prefix: str,
        provenance: dict[str, Any],
        outcome: Outcome,
        twin: Trace | None = None,
    ) -> Trace:
        """Return the trace in the tables whose names begin with ``prefix``."""
        records = {
            kind: self._records(f"{prefix}{name}.parquet", kind) for name, kind in RECORDS.items()
        }
        return Trace(provenance=provenance, outcome=outcome, twin=twin, records=records)

    def _records(self, name: str, kind: type[Any]) -> Rows[Any]:
        path = self._folder / name
        if name not in self._contents:
            raise TraceError(
                f"{path.parent} was stored by another version of kho_sim: {name} is not there"
            )
        return _records(path, self._contents[name], kind)


def _records(path: Path, content: bytes, kind: type[Any]) -> Rows[Any]:
    import pyarrow as pa

    rows: Rows[Any] = Rows(kind)
    try:
        columns = parquet.table_of(content).to_pydict()
        if differing := (columns.keys() - {SPANS, BLOCK_BYTES}) ^ set(rows.names):
            raise TraceError(
                f"{path} was stored by another version of kho_sim, which has other "
                f"columns: {', '.join(sorted(differing))}"
            )
        for column in columns_of(kind):
            if column.depth:
                columns[column.name] = [_frozen(value) for value in columns[column.name]]
        if SPANS in columns:
            spans, sizes = columns.pop(SPANS), columns.pop(BLOCK_BYTES)
            columns["busy_blocks"] = list(map(_blocks, columns["busy_blocks"], spans, sizes))
        _extend_by_boot(rows, columns)
    except MemoryError:
        raise
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TraceError(f"{path} is damaged: {reason}") from error
    return rows


def _extend_by_boot(rows: Rows[Any], columns: dict[str, list[Any]]) -> None:
    """Append a batch for each boot, as a simulated chain has them: whoever looks for the records of
    one boot then passes over those of all others at once."""
    boots = columns.pop("boot", None)
    if boots is None:
        rows.extend({}, columns)
        return
    start = 0
    for boot, same in groupby(boots):
        end = start + sum(1 for _ in same)
        part = {name: values[start:end] for name, values in columns.items()}
        rows.extend({"boot": boot}, part)
        start = end


def _blocks(listed: Any, spans: Any, block_bytes: Any) -> Any:
    """Return the busy blocks of a boot, which are stored as a list or as runs."""
    if spans is None:
        return listed
    return Blocks.from_spans(spans, int(block_bytes).bit_length() - 1)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
