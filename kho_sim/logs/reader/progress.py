"""What a log has shown of one boot's early requests so far: how many, how large, what is due."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from kho_sim.base import requesters
from kho_sim.base.command_line import parse_command_line
from kho_sim.base.extent import round_up
from kho_sim.logs.reader.facts import BootLog, MemblockCall
from kho_sim.logs.reader.vmemmap import is_in_pages, page_names

HVO_CALLER = "vmemmap_populate_address"
HVO_PAGES = 9
"""What a 1 GiB page takes with HVO: a table, the head page, and 7 more tables
(kernel-facts-distro 7)."""


@dataclass(slots=True)
class Progress:
    """The requests of one boot by name. ``begun``: there was one, of whatever name. ``extends``:
    the log shows the extension."""

    log: BootLog
    begun: bool = False
    extends: bool = False
    _answered: Counter[str] = field(default_factory=Counter)
    _sizes: dict[str, int] = field(default_factory=dict)
    _section_refused: bool = False
    _memmap_pages_due: int = 0
    _hvo_pages: int = 0
    _memmap_pages: Iterator[str] | None = None
    """What the pages of the present node's memory map are, where it has no blocks."""
    _next_page: str = ""

    def note(self, call: MemblockCall) -> None:
        """Take note of a request that has a name; it counts as answered until ``refused``."""
        self._answered[call.what] += 1
        self._sizes[call.what] = call.size
        if call.what == requesters.USAGE_MAP:
            self._memmap_pages, self._next_page = None, ""
        if call.what in (requesters.MEMMAP_PAGE, requesters.VMEMMAP_TABLE):
            self._next_page = ""
            self._count_memmap_page(call)

    def refused(self, call: MemblockCall) -> None:
        """Take note that the last request had no answer; it may be asked again, or otherwise."""
        self._answered[call.what] -= 1
        self._section_refused |= call.what == requesters.MEMMAP

    def has(self, *names: str) -> bool:
        """Tell whether a request of one of these names was answered."""
        return any(self._answered[name] > 0 for name in names)

    def asked(self, *names: str) -> bool:
        """Tell whether there was a request of one of these names, answered or not."""
        return any(name in self._sizes for name in names)

    def count(self, name: str) -> int:
        """Return the number of requests of that name that were answered."""
        return self._answered[name]

    def size_bytes(self, name: str) -> int:
        """Return the size of the last request of that name, answered or not; 0 if none was made."""
        return self._sizes.get(name, 0)

    def named_memory(self, call: MemblockCall) -> str:
        """Return the name of the ``reserve_mem=`` area that this asks for; '' if of none."""
        for area in parse_command_line(self.log.command_line).reserve_mem:
            name = requesters.reserve_mem(area.name)
            sizes = (area.size_bytes, round_up(area.size_bytes, self.log.geometry.page_bytes))
            if call.size in sizes and not self.has(name):
                return name
        return ""

    def is_memmap_page_due(self, call: MemblockCall) -> bool:
        """Tell whether a page is for struct pages, not for a table."""
        if is_in_pages(self.log.geometry):
            return self._name_of_page(call) == requesters.MEMMAP_PAGE
        head = call.caller == HVO_CALLER and self._hvo_pages % HVO_PAGES == 1
        return self._memmap_pages_due > 0 or (head and not self._section_refused)

    def _name_of_page(self, call: MemblockCall) -> str:
        if self._memmap_pages is None:
            self._memmap_pages = page_names(self.log, call.nid, call.min_address)
        self._next_page = self._next_page or next(self._memmap_pages, requesters.MEMMAP_PAGE)
        return self._next_page

    def _count_memmap_page(self, call: MemblockCall) -> None:
        """A section without a block of its own takes one table, and then single pages."""
        if self._memmap_pages_due:
            self._memmap_pages_due -= 1
        elif self._section_refused:
            self._section_refused = False
            geometry = self.log.geometry
            self._memmap_pages_due = geometry.section_memmap_bytes // geometry.page_bytes
        elif call.caller == HVO_CALLER:
            self._hvo_pages += 1
