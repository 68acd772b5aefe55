"""The trace of one chain: its records, where they came from, and a digest of both.

``trace[Boot]`` or ``trace["boots"]`` are the records of one kind; ``trace.boots`` is the same as a
DataFrame. DataFrames are made by ``kho_sim.tables``, which is imported when the first is asked for,
so that reading a trace needs no pandas.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from kho_sim.base.notebook import sentence_html
from kho_sim.trace.records import (
    CHAIN_ENDS,
    RECORDS,
    FileOutcome,
    Incident,
    Outcome,
    PreservedFile,
)
from kho_sim.trace.rows import Rows
from kho_sim.trace.schema import late_columns

if TYPE_CHECKING:
    import pandas as pd

Kind = TypeVar("Kind")

DIGESTED_IF_EMPTY = (
    "boots",
    "allocations",
    "regions",
    "preserved",
    "tree_pages",
    "gigantic",
    "segments",
    "events",
)
"""Kinds that the first digests had; one that came later is in a digest only if it has records."""


def no_records() -> dict[type[Any], Rows[Any]]:
    """Return empty rows for each kind of ``RECORDS``."""
    return {kind: Rows(kind) for kind in RECORDS.values()}


@dataclass(frozen=True, kw_only=True, repr=False)
class Trace:
    """Everything that one chain of kernels did. Records are in the order it happened.

    ``provenance`` records how the trace came to be: for a run the resolved scenario, the seed and
    the versions; for a log its name and what of it could not be read.
    """

    provenance: Mapping[str, Any]
    outcome: Outcome
    records: Mapping[type[Any], Iterable[Any]] = field(default_factory=dict)
    """By kind, to be read by ``trace[kind]``. A kind that is not given has no records; what is
    given is kept as ``Rows``.
    """
    twin: Trace | None = None
    """The paired chain without the extension (same seed), if one was simulated."""
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """Data that only one kind of trace has (a log's memblock calls); never part of the digest."""

    def __post_init__(self) -> None:
        if unknown := self.records.keys() - set(RECORDS.values()):
            raise ValueError(f"no kinds of record: {unknown}")
        rows = {
            kind: given if isinstance(given, Rows) else Rows(kind, given)
            for kind, given in self.records.items()
        }
        object.__setattr__(self, "records", no_records() | rows)

    @overload
    def __getitem__(self, kind: type[Kind]) -> Rows[Kind]: ...
    @overload
    def __getitem__(self, kind: str) -> Rows[Any]: ...
    def __getitem__(self, kind: type[Kind] | str) -> Rows[Kind]:
        """Return the records of one kind: by its class, or by the name of its table."""
        found = RECORDS[kind] if isinstance(kind, str) else kind
        return cast("Rows[Kind]", self.records[found])

    def table(self, name: str) -> pd.DataFrame:
        """Return one of ``kho_sim.tables.TABLES``: records of a kind, or a derived table.

        Raises: TraceError for another name, or a value that its column cannot hold.
        """
        from kho_sim.tables import table

        return table(self, name)

    @property
    def boots(self) -> pd.DataFrame:
        """One row per boot; columns as ``records.Boot``, facts that are unknown are missing
        values."""
        return self.table("boots")

    @property
    def allocations(self) -> pd.DataFrame:
        """One row per early allocation; columns as ``records.Allocation``."""
        return self.table("allocations")

    @property
    def alternatives(self) -> pd.DataFrame:
        """One row per KHO boot and extension strategy that was tried beside it (``what_if``)."""
        return self.table("alternatives")

    @property
    def failures(self) -> pd.DataFrame:
        """The early allocations that failed, here and in the twin (column ``extended``)."""
        return self.table("failures")

    @property
    def digest(self) -> str:
        """SHA-256 over the outcome and all records: equal for equal results, on any machine.

        The kinds follow each other as in ``RECORDS``. Three rules keep the digest of results that
        are older than a kind or a column. A kind that came after the first ones is read only if it
        has records, a column (``late``) only if a record fills it.
        What adds nothing to the outcome is left out: the names of preserved files, and incidents
        that say no more than the outcome does.
        """
        sha = hashlib.sha256()
        for rows in (Rows(Outcome, [self.outcome]), *self._digested()):
            if rows:
                names = _digested_names(rows)
                sha.update(json.dumps(names).encode())
                for text in rows.as_json(names):
                    sha.update(text.encode())
            sha.update(b"\f")
        if self.twin is not None:
            sha.update(self.twin.digest.encode())
        return sha.hexdigest()

    def _digested(self) -> Iterator[Rows[Any]]:
        for name, kind in RECORDS.items():
            rows = self[kind]
            if kind in (Incident, FileOutcome):
                read = self._has_more_incidents()
            else:
                read = kind is not PreservedFile and (name in DIGESTED_IF_EMPTY or bool(rows))
            if read:
                yield rows

    def _has_more_incidents(self) -> bool:
        return any(row.injected or row.then != CHAIN_ENDS for row in self[Incident])

    def __repr__(self) -> str:
        counts = [f"{len(rows):,} {name}" for name in RECORDS if (rows := self[name])]
        twin = f"; twin: {_ending(self.twin.outcome)}" if self.twin else ""
        return f"<Trace: {_ending(self.outcome)}{twin}; {', '.join(counts) or 'no records'}>"

    def _repr_html_(self) -> str:
        """The headlines of the chain and of its twin, and what is known of each boot."""
        from kho_sim.tables import boots_html
        from kho_sim.trace.headline import headline

        said = {"": headline(self)}
        if self.twin is not None:
            said["Twin without the extension: "] = headline(self.twin)
        lines = (sentence_html(f"{whose}{one}", one.colour) for whose, one in said.items())
        return "".join(lines) + boots_html(self)


def _digested_names(rows: Rows[Any]) -> tuple[str, ...]:
    """Return the columns that a digest reads."""
    empty = {name for name in late_columns(rows.kind) if not any(map(_is_known, rows.values(name)))}
    return tuple(name for name in rows.names if name not in empty)


def _is_known(value: object) -> bool:
    return value not in (None, "")


def _ending(outcome: Outcome) -> str:
    said = f": {outcome.message}" if outcome.message else ""
    return f"{outcome.kind} in boot {outcome.boot}{said}"
