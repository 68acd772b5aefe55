"""A hugetlb file: pages from a pool that was filled at boot, and goes back to it.

Models the series that the patch is from (kernel-facts 10.1; assumption: the same record and array
as a memfd's). Left out: surplus pages, and reservations that are not used.
"""

from __future__ import annotations

from kho_sim.kho.handover import Folios, HandedObject
from kho_sim.kho.preserve.folio_file import FolioFile
from kho_sim.kho.preserve.kind import Home, LiveObject, NewObject
from kho_sim.memory.pages import Run


class Hugetlb(FolioFile):
    """Huge pages of one size; a new file gets as many as the pool still has."""

    name = "hugetlb"

    def create(self, home: Home, wanted: NewObject) -> LiveObject:
        pool, count = home.pool_of(wanted.folio_bytes), wanted.size_bytes // wanted.folio_bytes
        geometry = home.pages.geometry
        order, shift = geometry.order_of(wanted.folio_bytes), geometry.page_shift
        taken, pool[:] = pool[:count], pool[count:]
        runs = (Run(address >> shift, 1) for address in taken)
        data = [Folios.of(runs, order)] if taken else []
        size_bytes = len(taken) * wanted.folio_bytes
        return LiveObject(wanted.name, self.name, size_bytes, data, wanted.session)

    def retrieve(self, home: Home, handed: HandedObject) -> LiveObject:
        shift = home.pages.geometry.page_shift
        for folios in handed.data:
            home.pages.adopt_gigantic(folios.extents(shift))
        return LiveObject.of(handed)

    def close(self, home: Home, live: LiveObject) -> None:
        geometry = home.pages.geometry
        for folios in live.data:
            pool = home.pool_of(geometry.page_bytes << folios.order)
            pool.extend(folios.addresses(geometry.page_shift))
