"""Physical memory of each boot, taken from a trace's records for the memory map."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from kho_sim.base import requesters
from kho_sim.base.errors import TraceError
from kho_sim.base.extent import Extent, merged, subtracted
from kho_sim.memory.memblock import KHO_SCRATCH
from kho_sim.trace.records import Allocation, Boot, GiganticPage, PreservedRun, RegionRow
from kho_sim.trace.trace import Trace

GIB = 1 << 30

NODES = range(64)
MOMENTS = ("after_extend", "before_extend", "before_retrieve", "after_retrieve")
"""Moments whose regions show what a boot may allocate from, the best first."""


@dataclass(frozen=True)
class BootMemory:
    """The memory of one boot, as sorted disjoint ranges of bytes. Ranges of a cold boot's ordinary
    memory are in ``free``; a KHO boot's are either ``extended`` or ``kept_off``. Inherited gigantic
    pages are in ``inherited`` alone.
    """

    boot: Boot
    known: bool
    free: list[Extent] = field(default_factory=list)
    extended: list[Extent] = field(default_factory=list)
    kept_off: list[Extent] = field(default_factory=list)
    scratch: tuple[Extent, ...] = ()
    inherited: list[Extent] = field(default_factory=list)
    gigantic: list[Extent] = field(default_factory=list)
    early: list[Extent] = field(default_factory=list)


def memory_of_boots(trace: Trace) -> list[BootMemory]:
    """Return the memory of each boot, in order."""
    regions = _by_boot(_memory_rows(trace))
    return [_memory_of(trace, boot, regions.get(boot.boot, [])) for boot in trace[Boot]]


def machine_memory(trace: Trace) -> list[Extent]:
    """Return all memory that any boot had. Raises TraceError if the trace has no regions."""
    extents = merged((row.start, row.end) for row in _memory_rows(trace))
    if not extents:
        raise TraceError(
            "this trace has no memblock regions, which the memory map is drawn from; "
            "a log has them if it was recorded with memblock_dump_all() (obs_dump)"
        )
    return extents


def nodes_of(trace: Trace) -> dict[int, list[Extent]]:
    """Return the memory of each node, as far as regions name one."""
    parts: dict[int, list[tuple[int, int]]] = {}
    for row in _memory_rows(trace):
        if row.nid in NODES:
            parts.setdefault(row.nid, []).append((row.start, row.end))
    return {nid: merged(extents) for nid, extents in sorted(parts.items())}


def _memory_rows(trace: Trace) -> Iterable[RegionRow]:
    return trace[RegionRow].where(array="memory")


def _by_boot(rows: Iterable[RegionRow]) -> dict[int, list[RegionRow]]:
    found: dict[int, list[RegionRow]] = {}
    for row in rows:
        found.setdefault(row.boot, []).append(row)
    return found


def _memory_of(trace: Trace, boot: Boot, rows: list[RegionRow]) -> BootMemory:
    moments = {row.moment for row in rows}
    moment = next((name for name in MOMENTS if name in moments), "")
    regions = [row for row in rows if row.moment == moment]
    memory = merged((row.start, row.end) for row in regions)
    marked = merged((row.start, row.end) for row in regions if row.flags & KHO_SCRATCH)
    scratch = tuple(Extent(start, start + size) for start, size in boot.scratch_areas or ())
    inherited = merged((row.start, row.end) for row in trace[PreservedRun].where(boot=boot.boot))
    cold = boot.kind == "cold"
    return BootMemory(
        boot=boot,
        known=bool(regions),
        free=subtracted(memory, scratch) if cold else [],
        extended=[] if cold else subtracted(marked, scratch),
        kept_off=[] if cold else subtracted(memory, [*marked, *scratch]),
        scratch=scratch,
        inherited=inherited,
        gigantic=subtracted(_gigantic(trace, boot).items(), inherited),
        early=_early(trace, boot),
    )


def _gigantic(trace: Trace, boot: Boot) -> dict[int, int]:
    """Gigantic pages, start -> end: allocated ones also of a kernel that died before it counted
    them, and those that were handed on. Of what was not seen being allocated the size is that of
    all but few, 1 GiB."""
    pages = {row.start: row.start + GIB for row in trace[GiganticPage] if row.boot == boot.boot}
    return pages | {
        row.address: row.address + row.size_bytes
        for row in trace[Allocation].where(boot=boot.boot, what=requesters.GIGANTIC_PAGE)
        if row.address
    }


def _early(trace: Trace, boot: Boot) -> list[Extent]:
    """Early allocations that obtained memory; gigantic pages and the cold boot's scratch areas have
    marks of their own."""
    apart = set(_gigantic(trace, boot))
    if boot.kind == "cold":
        apart.update(start for start, _ in boot.scratch_areas or ())
    return merged(
        (row.address, row.address + row.size_bytes)
        for row in trace[Allocation].where(boot=boot.boot)
        if row.address and row.address not in apart
    )
