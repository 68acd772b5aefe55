"""Invariants of every boot, checked from ground truth that no kernel reads.

What must survive is recorded when a kernel hands over, and checked in the next kernel. An invariant
that does not hold raises ModelError: then the model is wrong, not the simulated kernel. Not
checked: the contents of memory, and memory that was never preserved.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from kho_sim.base.errors import ModelError, ensure
from kho_sim.base.extent import Extent, merged, subtracted
from kho_sim.kernel.boot import BootedMemory
from kho_sim.kernel.running import RunningMemory
from kho_sim.kho.handover import HandedObject, Handover
from kho_sim.kho.radix import FrozenRadixTree
from kho_sim.memory.free_ranges import ADDRESS_MAX
from kho_sim.memory.memblock import RSRV_HUGETLB, RSRV_KERN, RSRV_NOINIT
from kho_sim.platform.geometry import Geometry


def check_early_boot(booted: BootedMemory, incoming: FrozenRadixTree) -> None:
    """Check that no early allocation touched preserved memory or a page of the tree that is still
    to be read; early memory of the kernel before that lies in scratch is not protected."""
    kept = subtracted(incoming.preserved_extents(), _scratch(booted.scratch_areas))
    page_bytes = incoming.geometry.page_bytes
    tables = [Extent(page, page + page_bytes) for page in incoming.table_pages()]
    occupied = sorted([*kept, *tables])
    for row in booted.early.requests.rows:
        if row.address:
            _ensure_clear(occupied, Extent(row.address, row.address + row.size_bytes), row.what)
    _, reserved = booted.regions["before_retrieve"]
    for region in reserved:
        if region.flags & (RSRV_KERN | RSRV_HUGETLB):
            _ensure_clear(occupied, Extent(region.base, region.end), region)


def check_survivors(
    booted: BootedMemory,
    handover: Handover,
    kept: Iterable[HandedObject],
    refused: Sequence[HandedObject] = (),
) -> None:
    """Check that the objects that were ``kept`` are those whose memory the retrieval reserved or
    skipped: no file was lost without need, and none lives in memory that anyone may have taken.
    What was ``refused`` is lost though its memory is still reserved.

    Of the kernel's own objects a later kernel need not ask for all.
    """
    _, reserved = booted.regions["after_retrieve"]
    kept_reserved = [
        (region.base, region.end)
        for region in reserved
        if region.flags & RSRV_NOINIT and not region.flags & (RSRV_KERN | RSRV_HUGETLB)
    ]
    skipped = booted.retrieval.skipped if booted.retrieval else ()
    protected = merged([*kept_reserved, *skipped])
    kept = list(kept)
    survivors = [
        handed
        for handed in handover.objects
        if not subtracted(sorted(_memory_of(handed, handover.tree.geometry)), protected)
        and (handed.session or handed in kept)
        and handed not in refused
    ]
    names = [[one.name for one in objects] for objects in (survivors, kept)]
    ensure(survivors == kept, "{} survived, but {} are kept", *names)


def _memory_of(handed: HandedObject, geometry: Geometry) -> Iterator[Extent]:
    """Yield the data of an object and its record, which even an empty one has."""
    for folios in handed.data:
        yield from folios.extents(geometry.page_shift)
    record = handed.record.first_pfn << geometry.page_shift
    yield Extent(record, record + geometry.page_bytes)


def check_running(memory: RunningMemory, handover: Handover) -> None:
    """Check that every object that was handed over and is asked for is there again, at the same
    place and as long as before; files always are, but for those that were refused."""
    for handed in handover.objects:
        if handed in memory.refused:
            continue
        if handed.session or handed in memory.retrieved:
            live = (memory.files if handed.session else memory.own).get(handed.name)
            if live is None:
                raise ModelError(f"{handed.name} was handed over and is lost")
            ensure(tuple(live.data) == handed.data, "{} is not where it was", handed.name)
            ensure(live.size_bytes == handed.size_bytes, "{} changed its size", handed.name)


def check_hand_over(handover: Handover) -> None:
    """Check that all that is handed over is in the tree, that no file lies in scratch, and that no
    two objects share, but for early memory, which may begin and end inside of a page."""
    kept = handover.tree.preserved_extents()
    shift = handover.tree.geometry.page_shift
    files, areas = (
        [
            extent
            for handed in handover.objects
            for folios in handed.data
            if bool(handed.session) is has_session
            for extent in folios.extents(shift)
        ]
        for has_session in (True, False)
    )
    spans = sorted([*files, *merged(areas)])
    for left, right in pairwise(spans):
        ensure(left.end <= right.start, "objects share {} and {}", left, right)
    lost = subtracted(spans, kept)
    ensure(not lost, "data at {} is not in the tree", lost[:1])
    not_early = subtracted(kept, merged(areas))
    for area in _scratch(handover.kho.scratch_areas):
        _ensure_clear(not_early, area, "a scratch area")


def _scratch(areas: Iterable[tuple[int, int]]) -> list[Extent]:
    return merged(Extent(start, start + size) for start, size in areas)


def _ensure_clear(occupied: list[Extent], extent: Extent, what: object) -> None:
    index = bisect_right(occupied, (extent.start, ADDRESS_MAX)) - 1
    for kept in occupied[max(index, 0) : index + 2]:
        ensure(not kept.overlaps(extent), "{} at {} touches preserved {}", what, extent, kept)
