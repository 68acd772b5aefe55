"""The trace of one chain: its records, where they came from, and a digest of both.

``trace.boots``, ``trace.allocations`` and ``trace.failures`` are the DataFrames that users want
first; all tables are made lazily by ``frames/``, so that reading a trace needs no pandas.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from kho_sim.trace.records import (
    Allocation,
    Alternative,
    Boot,
    Event,
    GiganticPage,
    Outcome,
    PreservedRun,
    RegionRow,
    Segment,
    TablePage,
)

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Everything that one chain of kernels did. Record tuples are in the order it happened.

    ``provenance`` says how the trace came to be: for a run the resolved scenario, the seed and the
    versions; for a log its name and what of it could not be read.
    """

    provenance: Mapping[str, Any]
    outcome: Outcome
    boot_records: tuple[Boot, ...] = ()
    allocation_records: tuple[Allocation, ...] = ()
    region_records: tuple[RegionRow, ...] = ()
    preserved_records: tuple[PreservedRun, ...] = ()
    table_records: tuple[TablePage, ...] = ()
    gigantic_records: tuple[GiganticPage, ...] = ()
    segment_records: tuple[Segment, ...] = ()
    event_records: tuple[Event, ...] = ()
    alternative_records: tuple[Alternative, ...] = ()
    twin: Trace | None = None
    """The paired chain without the extension (same seed), if one was simulated."""
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """What only one kind of trace has (a log's memblock calls); never part of the digest."""

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
        """SHA-256 over the outcome and all records: equal for equal results, on any machine."""
        sha = hashlib.sha256()
        for rows in self._rows():
            if rows:
                names = [column.name for column in fields(rows[0])]
                values = attrgetter(*names)
                sha.update(json.dumps(names).encode())
                for row in rows:
                    sha.update(json.dumps(values(row)).encode())
            sha.update(b"\f")
        if self.twin is not None:
            sha.update(self.twin.digest.encode())
        return sha.hexdigest()

    def _rows(self) -> tuple[tuple[Any, ...], ...]:
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
            *((self.alternative_records,) if self.alternative_records else ()),
        )
