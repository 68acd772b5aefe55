"""``reserve_mem=`` areas: named memory that every kernel of the chain finds at the same place.

Models mm/memblock.c's reserve_mem_kho_*() of Linux 7.3 (kernel-facts 10.1): one FDT page for all
areas, and each area as pieces of natural order. Early boot reserves an area, or finds it by its
name; no user opens it, and it stands in no session. Of an area that begins or ends inside of a page
the whole page is preserved (assumption).
"""

from __future__ import annotations

from collections.abc import Sequence

from kho_sim.kho.handover import Folios, HandedObject
from kho_sim.kho.preserve.kind import Home, LiveObject, NewObject
from kho_sim.kho.preserve.luo import LiveUpdate
from kho_sim.kho.preserve.outgoing import Outgoing, PreserveFailed
from kho_sim.memory.pages import Run

SUBTREE = "memblock"
"""Where KHO's FDT lists the areas."""


class ReserveMem:
    """An area that early boot has reserved."""

    name = "reserve_mem"
    subtree = SUBTREE

    def create(self, home: Home, wanted: NewObject) -> LiveObject:
        """Take an area of early boot as it is; its name decides."""
        area = home.named_areas[wanted.name]
        pages = home.pages.geometry.pages_around(*area.extent)
        run = Run(pages.start, pages.size)
        return LiveObject(area.name, self.name, area.size_bytes, [Folios.of([run], 0)], session="")

    def preserve(self, luo: LiveUpdate, live: LiveObject) -> HandedObject:
        record = luo.outgoing.subtree(self.subtree)
        try:
            for run, order in _pieces(live.data):
                luo.outgoing.preserve([run], order)
        except PreserveFailed:
            _delete_keys(luo.outgoing, live.data)
            raise
        return live.handed(record)

    def unpreserve(self, luo: LiveUpdate, handed: HandedObject) -> None:
        """Take the area's keys out; areas that are left still need the page that lists them."""
        _delete_keys(luo.outgoing, handed.data)

    def retrieve(self, home: Home, handed: HandedObject) -> LiveObject | None:
        """Return the area; None if the command line of this kernel does not name it, or if it was
        allocated anew, as its list could not be read."""
        area, shift = home.named_areas.get(handed.name), home.pages.geometry.page_shift
        if area is None or area.start >> shift != handed.data[0].runs[0].first_pfn:
            return None
        return LiveObject.of(handed)

    def close(self, home: Home, live: LiveObject) -> None:
        """Free the area; it was not the page allocator's before. Source:
        reserve_mem_release_by_name()."""
        shift = home.pages.geometry.page_shift
        home.pages.adopt(live.data[0].extents(shift), user=False)
        for run, order in _pieces(live.data):
            home.pages.free([run], order)


def natural_pieces(first_pfn: int, pages: int) -> list[tuple[int, int]]:
    """Cut pages into (first_pfn, order) pieces, each aligned to its size: of order
    min(ctz(pfn), log2(pages left)). Source: kho_preserve_pages()."""
    pieces = []
    while pages:
        order = pages.bit_length() - 1
        if first_pfn:
            order = min(order, (first_pfn & -first_pfn).bit_length() - 1)
        pieces.append((first_pfn, order))
        first_pfn += 1 << order
        pages -= 1 << order
    return pieces


def _pieces(data: Sequence[Folios]) -> list[tuple[Run, int]]:
    runs = (run for folios in data for run in folios.runs)
    pieces = (natural_pieces(run.first_pfn, run.blocks) for run in runs)
    return [(Run(pfn, 1), order) for part in pieces for pfn, order in part]


def _delete_keys(outgoing: Outgoing, data: Sequence[Folios]) -> None:
    for run, order in _pieces(data):
        outgoing.unpreserve([run], order)
