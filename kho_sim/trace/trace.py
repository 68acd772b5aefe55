"""The trace of one chain: its records, where they came from, and a digest of both.

``trace.boots``, ``trace.allocations`` and ``trace.failures`` are the DataFrames that users want
first; all tables are made lazily by ``frames/``, so that reading a trace needs no pandas.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from kho_sim.base.blocks import Blocks
from kho_sim.trace.records import (
    CHAIN_ENDS,
    Allocation,
    Alternative,
    Boot,
    Event,
    FileOutcome,
    GiganticPage,
    Incident,
    Outcome,
    PreservedFile,
    PreservedRun,
    RegionRow,
    Segment,
    TablePage,
)
from kho_sim.trace.rows import Rows

if TYPE_CHECKING:
    import pandas as pd


KEPT_AS_ROWS = {
    "allocation_records": Allocation,
    "region_records": RegionRow,
    "preserved_records": PreservedRun,
}
"""What there may be millions of; any sequence of records may be handed in."""


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Everything that one chain of kernels did. Records are in the order it happened.

    ``provenance`` says how the trace came to be: for a run the resolved scenario, the seed and the
    versions; for a log its name and what of it could not be read.
    """

    provenance: Mapping[str, Any]
    outcome: Outcome
    boot_records: tuple[Boot, ...] = ()
    allocation_records: Rows[Allocation] = field(default_factory=lambda: Rows(Allocation))
    region_records: Rows[RegionRow] = field(default_factory=lambda: Rows(RegionRow))
    preserved_records: Rows[PreservedRun] = field(default_factory=lambda: Rows(PreservedRun))
    table_records: tuple[TablePage, ...] = ()
    gigantic_records: tuple[GiganticPage, ...] = ()
    segment_records: tuple[Segment, ...] = ()
    event_records: tuple[Event, ...] = ()
    file_records: tuple[PreservedFile, ...] = ()
    incident_records: tuple[Incident, ...] = ()
    file_outcome_records: tuple[FileOutcome, ...] = ()
    alternative_records: tuple[Alternative, ...] = ()
    twin: Trace | None = None
    """The paired chain without the extension (same seed), if one was simulated."""
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """What only one kind of trace has (a log's memblock calls); never part of the digest."""

    def __post_init__(self) -> None:
        for name, kind in KEPT_AS_ROWS.items():
            records = getattr(self, name)
            if not isinstance(records, Rows):
                object.__setattr__(self, name, Rows(kind, records))

    @property
    def boots(self) -> pd.DataFrame:
        """One row a boot; columns as ``records.Boot``, facts that are unknown are missing
        values."""
        from kho_sim.frames import boots_table

        return boots_table(self)

    @property
    def allocations(self) -> pd.DataFrame:
        """One row an early allocation; columns as ``records.Allocation``."""
        from kho_sim.frames import allocations_table

        return allocations_table(self)

    @property
    def alternatives(self) -> pd.DataFrame:
        """What other ways to extend scratch would have made of each KHO boot (``what_if``)."""
        from kho_sim.frames import alternatives_table

        return alternatives_table(self)

    @property
    def failures(self) -> pd.DataFrame:
        """The early allocations that failed, here and in the twin (column ``extended``)."""
        from kho_sim.frames import failures_table

        return failures_table(self)

    @property
    def digest(self) -> str:
        """SHA-256 over the outcome and all records: equal for equal results, on any machine.

        Left out, so that results from before they were written down keep their digest: the names of
        preserved files, and incidents that say no more than the outcome does.
        """
        sha = hashlib.sha256()
        for rows in self._rows():
            if rows:
                names = [column.name for column in fields(rows[0])]
                sha.update(json.dumps(names).encode())
                for text in _texts(rows, names):
                    sha.update(text.encode())
            sha.update(b"\f")
        if self.twin is not None:
            sha.update(self.twin.digest.encode())
        return sha.hexdigest()

    def _rows(self) -> tuple[Sequence[Any], ...]:
        return (
            (self.outcome,),
            self.boot_records,
            self.allocation_records,
            self.region_records,
            self.preserved_records,
            self.table_records,
            self.gigantic_records,
            self.segment_records,
            self.event_records,
            *(
                (self.incident_records, self.file_outcome_records)
                if self._has_more_incidents()
                else ()
            ),
            *((self.alternative_records,) if self.alternative_records else ()),
        )

    def _has_more_incidents(self) -> bool:
        return any(row.injected or row.then != CHAIN_ENDS for row in self.incident_records)


def _texts(rows: Sequence[Any], names: list[str]) -> Iterator[str]:
    """Yield the JSON of records, one behind the other."""
    if isinstance(rows, Rows):
        return rows.as_json()
    return map(json.JSONEncoder(default=Blocks.plain).encode, map(attrgetter(*names), rows))
