"""Early memory that a kernel hands on by itself: what may be preserved, and what was in vain.

Scratch never holds preserved memory, as page allocator and pins see to it, but for what early boot
took in it: in a KHO boot without the extension that is nearly all of early memory. Preserving does
not look at the place, unless the kernel was built with a debug option, with which it says -EINVAL.
Without it the next kernel boots over what was preserved, and nobody is told.

Source: kernel-facts 3.4, field notes 1.13. Left out: KFENCE's pool, from which objects of the
kernel may come that are preserved later; a scenario can name such memory (``kernel.early``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from kho_sim.base.extent import Extent, intersected, merged
from kho_sim.kernel.boot import BootedMemory
from kho_sim.kho.handover import HandedObject, Handover
from kho_sim.memory.early import EarlyBoot, NamedArea

LOADED = "kernel, initrd and parameters"


class Overwritten(NamedTuple):
    """An object that was handed over in scratch: which part of it is gone, and who has that."""

    handed: HandedObject
    lost: list[Extent]
    by: tuple[str, ...]


def areas_by_name(early: EarlyBoot) -> dict[str, NamedArea]:
    """Return all early memory that is to be preserved: ``reserve_mem=``, and what has an owner."""
    return {area.name: area for area in (*early.named_areas, *early.owned_areas)}


def named_areas_of(early: EarlyBoot, handed: Iterable[HandedObject]) -> tuple[NamedArea, ...]:
    """Return the ``reserve_mem=`` areas that are among what is handed on."""
    names = {one.name for one in handed if one.kind == "reserve_mem"}
    return tuple(area for area in early.named_areas if area.name in names)


def lies_in_scratch(booted: BootedMemory, area: NamedArea) -> bool:
    """Tell whether an area has a byte in original scratch."""
    scratch = [Extent(start, start + size) for start, size in booted.scratch_areas]
    return any(area.extent.overlaps(part) for part in scratch)


def handed_out(booted: BootedMemory, handover: Handover) -> Iterator[tuple[str, int, int]]:
    """Yield what a booting kernel wrote over: (whose it is, start, end), in order of time."""
    loaded = handover.loaded
    for place in (loaded.image, loaded.initrd, loaded.parameters):
        if place is not None:
            yield LOADED, place.start, place.end
    for row in booted.early.requests.rows:
        if row.address:
            yield row.what, row.address, row.address + row.size_bytes


def overwritten(booted: BootedMemory, handover: Handover) -> list[Overwritten]:
    """Return the objects of a handover that a kernel wrote over while it booted."""
    scratch = sorted(Extent(start, start + size) for start, size in handover.kho.scratch_areas)
    shift = handover.tree.geometry.page_shift
    exposed = {}
    for number, handed in enumerate(handover.objects):
        if not handed.session:
            memory = merged(extent for folios in handed.data for extent in folios.extents(shift))
            if inside := intersected(memory, scratch):
                exposed[number] = inside
    if not exposed:
        return []
    taken = list(handed_out(booted, handover))
    found = (_part(handover.objects[number], inside, taken) for number, inside in exposed.items())
    return [one for one in found if one.lost]


def _part(
    handed: HandedObject, inside: Sequence[Extent], taken: Iterable[tuple[str, int, int]]
) -> Overwritten:
    lost: list[Extent] = []
    by: dict[str, None] = {}
    for what, start, end in taken:
        if hit := intersected(inside, [Extent(start, end)]):
            lost += hit
            by[what] = None
    return Overwritten(handed, merged(lost), tuple(by))
