"""memblock, tree and scratch areas as a log shows them at a moment of a boot.

From these the single steps are modelled, so that a step is held to the real kernel whatever the
steps before it did in the model.
"""

from __future__ import annotations

from collections.abc import Iterable

from kho_sim.base.extent import Extent
from kho_sim.kho.radix import RadixTree
from kho_sim.logs.importing.landing import names_its_areas
from kho_sim.logs.reader import BootLog
from kho_sim.logs.reader.facts import Dump
from kho_sim.memory.memblock import MAX_NUMNODES, Memblock
from kho_sim.memory.region_array import STATIC_CAPACITY
from kho_sim.platform.geometry import Geometry
from kho_sim.trace.records import Boot, PreservedRun, TablePage
from kho_sim.trace.trace import Trace

Areas = tuple[tuple[int, int], ...]
RegionTuple = tuple[int, int, int, int]
"""(start, end, nid, flags)."""


def memblock_at(log: BootLog, moment: str, areas: Areas | None, kho: bool) -> Memblock | None:
    """Return memblock as the instrumented rows show it at ``moment``; None if they do not."""
    arrays: dict[str, list[RegionTuple]] = {"memory": [], "reserved": []}
    for row in log.regions:
        if row.moment == moment:
            arrays[row.array].append((row.start, row.end, row.nid, row.flags))
    if not arrays["memory"]:
        return None
    return make_memblock(arrays["memory"], arrays["reserved"], areas, kho, log.geometry)


def memblock_of_dump(dump: Dump, areas: Areas | None, kho: bool, geometry: Geometry) -> Memblock:
    """Return memblock as a ``MEMBLOCK configuration`` dump shows it."""
    memory = [
        (r.base, r.base + r.size, r.nid if r.nid >= 0 else MAX_NUMNODES, r.flags)
        for r in dump.memory
    ]
    reserved = [(r.base, r.base + r.size, r.nid, r.flags) for r in dump.reserved]
    return make_memblock(memory, reserved, areas, kho, geometry)


def make_memblock(
    memory: Iterable[RegionTuple],
    reserved: Iterable[RegionTuple],
    areas: Areas | None,
    kho: bool,
    geometry: Geometry,
) -> Memblock:
    """Return a memblock with these regions; a KHO boot is in scratch-only mode."""
    memblock = Memblock(geometry)
    for array, rows in ((memblock.memory, list(memory)), (memblock.reserved, list(reserved))):
        array.capacity = _capacity_for(len(rows))
        add = memblock.add if array is memblock.memory else memblock.reserve
        for start, end, nid, flags in rows:
            add(start, end - start, nid, flags)
    memblock.current_limit = memblock.end_of_dram()
    if kho:
        memblock.scratch_only = True
        memblock.original_scratch = tuple(Extent(s, s + size) for s, size in areas or () if size)
    return memblock


def tree_of(trace: Trace, boot: int) -> RadixTree | None:
    """Return the incoming tree of a boot; its own pages only where the log has them.

    None without keys, or with keys that do not fit the pages (a tree that has seen deletions).
    """
    keys = [(r.order, r.start, r.end) for r in trace[PreservedRun].where(boot=boot)]
    pages = [page.address for page in trace[TablePage] if page.boot == boot]
    if not keys:
        return None
    geometry = next(log.geometry for log in trace.extra["boots"] if log.boot == boot)
    tree = RadixTree(geometry=geometry)
    if pages:
        try:
            return RadixTree.from_runs(keys, pages, geometry)
        except ValueError:
            return None
    for order, start, end in keys:
        tree.add_pages(start >> geometry.page_shift, (end - start) >> geometry.page_shift, order)
    return tree


def chain_areas(trace: Trace) -> Areas | None:
    """Return the scratch areas of the chain in array order, as one of its kernels reports them."""
    logs: tuple[BootLog, ...] = trace.extra["boots"]
    for log, boot in zip(logs, trace[Boot], strict=True):
        if boot.scratch_areas and (boot.kind == "cold" or names_its_areas(log)):
            return boot.scratch_areas
    return None


def _capacity_for(count: int) -> int:
    capacity = STATIC_CAPACITY
    while capacity < count:
        capacity *= 2
    return capacity
