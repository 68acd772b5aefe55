"""A guest_memfd: memory of a virtual machine, in single pages.

Models the series that preserves fully shared guest memory (field notes, section 1.10; proposed in
June 2026, in no release yet): folios of one page only. Assumptions: its record and its array are
those of a memfd, and its pages are none that could be moved, so they never lie in scratch.
"""

from __future__ import annotations

from kho_sim.kho.preserve.kind import Home, LiveObject, NewObject
from kho_sim.kho.preserve.memfd import Memfd
from kho_sim.kho.preserve.page_cache import write_file
from kho_sim.memory.pages import UNMOVABLE


class GuestMemfd(Memfd):
    """Pages of one size, written from front to back as a guest would touch them."""

    name = "guest_memfd"

    def create(self, home: Home, wanted: NewObject) -> LiveObject:
        page_count = -(-wanted.size_bytes >> home.pages.geometry.page_shift)
        data, index = write_file(home.pages, page_count, False, UNMOVABLE)
        return LiveObject(wanted.name, self.name, wanted.size_bytes, data, wanted.session, index)
