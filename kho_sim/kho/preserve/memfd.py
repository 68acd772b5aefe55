"""A memfd: a shared-memory file that is written from front to back.

Models a program that fills mm/shmem.c's pages, and mm/memfd_luo.c of Linux 7.3 (kernel-facts 10.1,
11): the next kernel puts the restored folios into a new file's index. Left out: holes but at
the end of a file.
"""

from __future__ import annotations

from kho_sim.kho.handover import HandedObject
from kho_sim.kho.preserve.folio_file import FolioFile
from kho_sim.kho.preserve.kind import Home, LiveObject, NewObject
from kho_sim.kho.preserve.page_cache import forget_file, index_restored_file, write_file


class Memfd(FolioFile):
    """Folios of one page, or huge ones as long as there are any."""

    name = "memfd"

    def create(self, home: Home, wanted: NewObject) -> LiveObject:
        geometry = home.pages.geometry
        page_count = -(-wanted.size_bytes >> geometry.page_shift)
        huge = wanted.folio_bytes == geometry.huge_page_bytes
        data, index = write_file(home.pages, page_count, huge)
        return LiveObject(wanted.name, self.name, wanted.size_bytes, data, wanted.session, index)

    def retrieve(self, home: Home, handed: HandedObject) -> LiveObject:
        live = LiveObject.of(handed)
        shift = home.pages.geometry.page_shift
        home.pages.adopt(extent for folios in live.data for extent in folios.extents(shift))
        live.index = list(index_restored_file(home.pages, live.data))
        return live

    def close(self, home: Home, live: LiveObject) -> None:
        forget_file(home.pages, live.data, live.index)
