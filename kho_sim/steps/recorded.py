"""The records of one boot at a time, in one pass over a trace.

A host of 12 TiB has a hundred thousand allocations and as many regions at each boot, so no more
than one boot is held. Left out: what a running kernel does later.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any, Generic, NamedTuple, TypeVar, cast

from kho_sim.base.extent import Extent, merged, subtracted
from kho_sim.memory.memblock import KHO_SCRATCH
from kho_sim.trace.records import Allocation, Boot, PreservedRun, RegionRow, TablePage
from kho_sim.trace.rows import Rows
from kho_sim.trace.trace import Trace

Record = TypeVar("Record")
MOMENTS = ("before_extend", "after_extend", "before_retrieve", "after_retrieve")
"""The moments at which regions are recorded, in the order of a boot."""


class Region(NamedTuple):
    """A memblock region: [start, end) in bytes, its node and its MEMBLOCK_* bits."""

    start: int
    end: int
    nid: int
    flags: int


@dataclass(frozen=True)
class Recorded:
    """What a trace has of one boot; what it lacks is empty."""

    boot: Boot
    regions: dict[tuple[str, str], list[Region]] = field(default_factory=dict)
    """(moment, array) -> regions in address order."""
    allocations: list[Allocation] = field(default_factory=list)
    preserved: list[PreservedRun] = field(default_factory=list)
    tree_pages: list[int] = field(default_factory=list)

    @property
    def scratch(self) -> list[Extent]:
        """The original scratch areas."""
        return merged((start, start + size) for start, size in self.boot.scratch_areas or ())

    def array(self, name: str, moment: str) -> list[Region]:
        """Return an array at a moment, or at the nearest one that is recorded, earlier ones
        first."""
        at = MOMENTS.index(moment)
        for one in (*MOMENTS[at::-1], *MOMENTS[at + 1 :]):
            if found := self.regions.get((one, name)):
                return found
        return []

    def reserved(self, moment: str) -> list[Extent]:
        """Return what is reserved at a moment, or at the last one before it that is recorded."""
        for one in MOMENTS[MOMENTS.index(moment) :: -1]:
            if found := self.regions.get((one, "reserved")):
                return merged((region.start, region.end) for region in found)
        return []

    def memory(self, moment: str) -> dict[str, list[Extent]]:
        """Return what memory is to early boot at a moment: ``scratch`` (original), ``extended``,
        ``kept_off``; in a cold boot, which reserves scratch at its end, ``free`` in place of the
        last two."""
        regions = self.array("memory", moment)
        everything = merged((one.start, one.end) for one in regions)
        if self.boot.kind == "cold" and moment != "after_retrieve":
            return {"free": everything}
        scratch = self.scratch
        if self.boot.kind == "cold":
            return {"free": subtracted(everything, scratch), "scratch": scratch}
        marked = merged((one.start, one.end) for one in regions if one.flags & KHO_SCRATCH)
        return {
            "kept_off": subtracted(everything, [*marked, *scratch]),
            "extended": subtracted(marked, scratch),
            "scratch": scratch,
        }


def recorded_boots(trace: Trace) -> Iterator[Recorded]:
    """Yield the records of each boot of a trace, in order."""
    regions = _ByBoot(trace[RegionRow])
    allocations = _ByBoot(trace[Allocation])
    preserved = _ByBoot(trace[PreservedRun])
    tree_pages = _ByBoot(trace[TablePage])
    for boot in trace[Boot]:
        yield Recorded(
            boot,
            _arrays(regions.of(boot.boot)),
            list(allocations.of(boot.boot)),
            list(preserved.of(boot.boot)),
            [row.address for row in tree_pages.of(boot.boot)],
        )


def _arrays(rows: Iterable[RegionRow]) -> dict[tuple[str, str], list[Region]]:
    arrays: dict[tuple[str, str], list[Region]] = {}
    for row in rows:
        region = Region(row.start, row.end, row.nid, row.flags)
        arrays.setdefault((row.moment, row.array), []).append(region)
    return arrays


class _ByBoot(Generic[Record]):
    """Rows of a kind, boot by boot, read once from front to back.

    They are named tuples with the fields of the record, which take a tenth of its time to make.
    """

    def __init__(self, rows: Rows[Record]):
        # Its fields are known at run time only.
        self._row: Any = namedtuple("_row", rows.names)  # type: ignore[misc]
        at = rows.names.index("boot")
        self._groups = groupby(rows.tuples(), key=itemgetter(at))
        self._next: tuple[int, Iterator[tuple[Any, ...]]] | None = next(self._groups, None)

    def of(self, boot: int) -> Iterator[Record]:
        """Yield the rows of a boot; boots are asked for in ascending order."""
        while self._next and self._next[0] <= boot:
            if self._next[0] == boot:
                yield from cast("Iterator[Record]", map(self._row._make, self._next[1]))
            self._next = next(self._groups, None)
