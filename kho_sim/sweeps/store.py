"""A sweep on disk: manifest, design, ledger, parts. Killed at any moment, it is still a sweep.

    manifest.json    scenario, keys, tables, versions, a fingerprint of all that
    design.parquet   one row per run: id, parameters, replicate, seed
    ledger*.jsonl    what happened beside results, one line each
    runs/ boots/ allocations/    results, in parts; a run is done if it is in a readable part
    unfinished/      files that are being written

Each file carries its own checksum, the ledger one a line. What is damaged counts as not there, and
the same sweep, asked for again, mends it; only a damaged manifest is refused, for it says which
sweep this is. One sweep has the directory alone, or shards share it.

A design that only grew is taken over, and nothing is run again. Any other change is refused, with
the differences.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa

from kho_sim._version import __version__
from kho_sim.base.checksums import has_its_checksum, with_checksum
from kho_sim.base.errors import EngineError, InputError
from kho_sim.base.files import atomic_write
from kho_sim.base.locks import FolderLock
from kho_sim.sweeps.design import Design
from kho_sim.sweeps.ledger import Ledger
from kho_sim.sweeps.parts import (
    UNFINISHED,
    finished_runs,
    part_names,
    read_parquet,
    remove_unfinished,
    write_parquet,
)
from kho_sim.sweeps.tables import SCHEMAS
from kho_sim.trace.provenance import MODEL_VERSION, environment

SCHEMA = "kho-sim/sweep"
SCHEMA_VERSION = 2
MANIFEST = "manifest.json"
DESIGN = "design.parquet"

VALUES_SHOWN_MAX = 8
MANIFEST_TYPES = {
    "fingerprint": str,
    "model_version": int,
    "scenario": dict,
    "keys": list,
    "replicates": int,
    "tables": list,
}
"""Keys that a manifest must have."""


class Store:
    """The directory of a sweep, open for writing."""

    def __init__(self, directory: Path, design: Design, tables: tuple[str, ...], shard: str = ""):
        """Make the directory, or go on with what is there.

        ``shard`` names this process's part of the work. Raises EngineError if the directory holds
        something else, another design, or is in use.
        """
        self.directory = directory
        self.tables = tables
        with ExitStack() as opened:
            try:
                opened.enter_context(FolderLock(directory, shared=bool(shard)))
                _make_folders(directory, tables)
                self.ledger = Ledger(directory / f"ledger{'-' if shard else ''}{shard}.jsonl")
                opened.callback(self.ledger.close)
                self.take(design)
                if not shard:
                    remove_unfinished(directory, tables)
            except OSError as error:
                raise EngineError(f"{directory}: {error.strerror or error}") from error
            self._opened = opened.pop_all()

    def finished(self) -> set[str]:
        """Return the ids of all runs whose results are readable."""
        names = part_names(self.directory)
        return {run_id for name in names for run_id in self.finished_in(name)}

    def finished_in(self, part: str) -> list[str]:
        """Return the ids of the runs whose results are in one part."""
        return finished_runs(self.directory, part, self.tables)

    def close(self) -> None:
        """Let the next sweep have the directory."""
        self._opened.close()

    def take(self, design: Design) -> None:
        """Make this the design. Raises EngineError unless it is the stored one, or that grown."""
        wanted = manifest_of(design, self.tables)
        if (self.directory / MANIFEST).exists():
            stored = read_manifest(self.directory)
            if stored["fingerprint"] == wanted["fingerprint"]:
                if self._has_design(design):
                    return
            elif found := list(differences(stored, self.directory, wanted, design)):
                text = "\n".join(f"  {difference}" for difference in found)
                raise EngineError(f"{self.directory} holds another sweep:\n{text}")
        try:
            write_parquet(self.directory, Path(DESIGN), design_table(design))
            with atomic_write(self.directory / MANIFEST, self.directory / UNFINISHED) as file:
                text = json.dumps(with_checksum(wanted), indent=1, sort_keys=True)
                file.write(text.encode())
        except OSError as error:
            raise EngineError(f"{self.directory}: {error.strerror or error}") from error

    def _has_design(self, design: Design) -> bool:
        """Return whether the stored table is this design: not damaged, nor of one that was to grow
        when its sweep was killed."""
        try:
            return bool(read_design(self.directory).num_rows == len(design.runs))
        except InputError:
            return False


def _make_folders(directory: Path, tables: tuple[str, ...]) -> None:
    known = {DESIGN, UNFINISHED, *SCHEMAS}
    entries = set(os.listdir(directory))
    if MANIFEST not in entries:
        foreign = sorted(name for name in entries - known if not name.startswith(("ledger", ".")))
        if foreign:
            raise EngineError(f"{directory} is no sweep; it holds {foreign[0]}")
    for name in (UNFINISHED, *tables):
        (directory / name).mkdir(exist_ok=True)


def manifest_of(design: Design, tables: tuple[str, ...]) -> dict[str, Any]:
    """Return the manifest of a design: what decides the results, and who wrote it."""
    ids = "\n".join([str(SCHEMA_VERSION), str(MODEL_VERSION), *tables, *design.keys, *design.runs])
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "fingerprint": hashlib.sha256(ids.encode()).hexdigest(),
        "model_version": MODEL_VERSION,
        "software": {"name": "kho_sim", "version": __version__},
        "environment": environment(),
        "scenario": design.scenario.to_dict(),
        "keys": list(design.keys),
        "replicates": design.replicates,
        "runs": len(design.runs),
        "tables": list(tables),
    }


def read_document(
    path: Path, schema: tuple[str, int], *, again: str, if_unread: str = "", if_damaged: str = ""
) -> dict[str, Any]:
    """Return a stored JSON document that is of this schema and version, and whole.

    ``again``, ``if_unread``, ``if_damaged``: what the user can do about one of another version, one
    that cannot be read, one whose checksum is wrong. Raises FileNotFoundError, InputError.
    """
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        known = (document["schema"], document["schema_version"]) == schema
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}{if_unread}") from error
    if not known:
        name, version = schema
        raise InputError(
            f"{path} is not of a schema that this version of kho_sim reads; accepted: {name}, "
            f"{version}; {again}"
        )
    if not has_its_checksum(document):
        raise InputError(
            f"{path} is damaged: its values are not those that were stored{if_damaged}"
        )
    return document


def read_manifest(directory: Path) -> dict[str, Any]:
    """Return the manifest of a sweep. Raises InputError if there is none that can be read."""
    try:
        manifest = read_document(
            directory / MANIFEST,
            (SCHEMA, SCHEMA_VERSION),
            again="sweep again into another folder",
            if_damaged="; without it, the same sweep goes on",
        )
    except FileNotFoundError as error:
        raise InputError(f"{directory} is no sweep: it has no {MANIFEST}") from error
    for name, kind in MANIFEST_TYPES.items():
        if not isinstance(manifest.get(name), kind):
            raise InputError(f"{directory / MANIFEST} is damaged: it has no {name}")
    if not all(isinstance(key, str) for key in manifest["keys"]):
        raise InputError(f"{directory / MANIFEST} is damaged: its keys are no texts")
    if strange := [table for table in manifest["tables"] if table not in list(SCHEMAS)]:
        raise InputError(f"{directory / MANIFEST} is damaged: {strange[0]} is no table of sweeps")
    return dict(manifest)


def design_table(design: Design) -> pa.Table:
    """Return the design as a table by run id: run id, one column per key, replicate, seed."""
    runs = list(design.runs.values())
    columns: dict[str, pa.Array] = {"run_id": pa.array([run.run_id for run in runs], pa.string())}
    for index, key in enumerate(design.keys):
        columns[key] = _column([run.values[index] for run in runs])
    columns["replicate"] = pa.array([run.replicate for run in runs], pa.int64())
    columns["seed"] = pa.array([run.seed for run in runs], pa.int64())
    return pa.table(columns)


def _column(values: list[Any]) -> pa.Array:
    """Return values as one type: integers, numbers, truth values, else text."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int}:
        return pa.array(values, pa.int64())
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds <= {int, float}:
        return pa.array(values, pa.float64())
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def read_design(directory: Path) -> pa.Table:
    """Return the stored design. Raises InputError."""
    table = read_parquet(directory / DESIGN)
    wanted = {"run_id": pa.string(), "replicate": pa.int64(), "seed": pa.int64()}
    for name, kind in wanted.items():
        if name not in table.column_names or table.schema.field(name).type != kind:
            raise InputError(f"{directory / DESIGN} is damaged: it has no column {name}")
    return table


def differences(
    stored: dict[str, Any], directory: Path, wanted: dict[str, Any], design: Design
) -> Iterator[str]:
    """Yield in words why a stored sweep cannot go on as ``design``; nothing if that only grew."""
    rows = read_design(directory)
    for name in ("schema_version", "model_version", "tables"):
        if stored[name] != wanted[name]:
            yield f"{name}: {_value_text(stored[name])} there, {_value_text(wanted[name])} here"
    gone = set(rows.column("run_id").to_pylist()) - design.runs.keys()
    if not gone:
        return
    yield f"{len(gone)} of its {rows.num_rows} runs are not in this design"
    varied = {*stored["keys"], *wanted["keys"]}
    before, now = _flat(stored["scenario"]), _flat(wanted["scenario"])
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key) and not _inside(key, varied):
            yield f"{key}: {_value_text(before.get(key))} there, {_value_text(now.get(key))} here"
    for key in sorted(varied):
        yield from _axis_difference(key, rows, design)
    if stored["replicates"] > design.replicates:
        yield f"replicates: {stored['replicates']} there, {design.replicates} here"


def _axis_difference(key: str, rows: pa.Table, design: Design) -> Iterator[str]:
    if key not in design.keys:
        yield f"{key}: varied there, not here"
    elif key in rows.column_names:
        index = design.keys.index(key)
        here = {run.values[index] for run in design.runs.values()}
        gone = [value for value in dict.fromkeys(rows.column(key).to_pylist()) if value not in here]
        if gone:
            values = ", ".join(map(_value_text, sorted(gone, key=str)[:VALUES_SHOWN_MAX]))
            more = ", ..." if len(gone) > VALUES_SHOWN_MAX else ""
            yield f"{key}: {values}{more} there, not here"


DECIDES_NOTHING = ("description", "sources", "expect")


def _flat(node: Any, path: str = "") -> dict[str, Any]:
    """Return the leaves of a resolved scenario by their dotted places."""
    if isinstance(node, dict):
        items = [(f"{path}.{name}" if path else name, value) for name, value in node.items()]
    elif isinstance(node, list) and node:
        items = [(f"{path}[{index}]", value) for index, value in enumerate(node)]
    else:
        return {path: node}
    return {
        place: leaf
        for name, value in items
        if path or name not in DECIDES_NOTHING
        for place, leaf in _flat(value, name).items()
    }


def _inside(place: str, keys: set[str]) -> bool:
    return any(place == key or place.startswith((f"{key}.", f"{key}[")) for key in keys)


def _value_text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "nothing" if value is None else str(value)


def in_shard(run_id: str, shard: tuple[int, int]) -> bool:
    """Return whether a run is in shard (number, of): by its id, so any number splits any design."""
    number, of = shard
    return int(run_id, 16) % of == number - 1
