"""Sections and their struct pages: steps 22 to 26 of kernel-facts section 6.

Models sparse_init() with SPARSEMEM_VMEMMAP: the array of section roots, a usage map per node, page
tables of the virtual memmap, and its struct pages: in huge pages where those of a section are
whole ones (2 MiB, with pages of 4 KiB), else, and where none fits, in single pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from kho_sim.base import requesters
from kho_sim.builds import Build
from kho_sim.memory.early.requests import BootPanic, Requests
from kho_sim.memory.memblock import NOLEAKTRACE
from kho_sim.platform.geometry import STRUCT_PAGE_BYTES, Geometry
from kho_sim.platform.rules import EarlyRules, UpperTables

SECTION_RECORD_BYTES = 16
EXTENDED_SECTION_RECORD_BYTES = 32
"""struct mem_section, without and with CONFIG_PAGE_EXTENSION; a root is a page of them (4 KiB
pages: 32 or 16 GiB)."""
ROOT_POINTER_BYTES = 8


def section_root_array_bytes(geometry: Geometry, build: Build, rules: EarlyRules) -> int:
    """Return the size of the array that has a pointer for each root that there can be.

    Source: memory_present(); kernel-facts 6.1 [22], kernel-facts-distro 1 [22].
    """
    sections = 1 << rules.physical_address_bits - geometry.section_shift
    return sections // _sections_in_root(geometry, build) * ROOT_POINTER_BYTES


class NoMemmap(BootPanic):
    """There is no room for the struct pages of a section."""


def initialise_sections(
    requests: Requests,
    build: Build,
    rules: EarlyRules,
    memmap_or_panic: bool = True,
    optimised: Sequence[tuple[int, int]] = (),
) -> list[int]:
    """Allocate all that describes memory in sections; return the nodes that lack struct pages.

    ``optimised``: gigantic pages (start, end) that share what describes their tails (HVO).
    ``memmap_or_panic``: whether the kernel panics for the first section that has none; else it goes
    on with the next node (kernel-facts-releases 11). Raises BootPanic where the kernel would.
    """
    size = section_root_array_bytes(requests.geometry, build, rules)
    requests.alloc(
        requesters.SECTION_ROOT_ARRAY,
        size,
        64,
        or_panic=f"memory_present: Failed to allocate {size} bytes",
    )
    sections = _allocate_roots(requests, build)
    memmap = _Memmap(requests, rules)
    lacking: list[int] = []
    for nid, group in _groups(sections):
        requests.alloc(
            requesters.USAGE_MAP,
            build.usage_map_bytes * len(group),
            64,
            nid=nid,
            or_panic=f"Failed to allocate usemap for node {nid}",
        )
        try:
            described = memmap.optimise(optimised, group, nid)
            memmap.allocate([section for section in group if section not in described], nid)
        except NoMemmap:
            if memmap_or_panic:
                raise
            lacking.append(nid)
    return lacking


def _sections_in_root(geometry: Geometry, build: Build) -> int:
    extended = build.config.page_extension
    return geometry.page_bytes // (
        EXTENDED_SECTION_RECORD_BYTES if extended else SECTION_RECORD_BYTES
    )


def _allocate_roots(requests: Requests, build: Build) -> list[tuple[int, int]]:
    """Return (section, node) of every present section, ascending; its root is allocated on
    the way."""
    page_bytes, section_bytes = requests.geometry.page_bytes, requests.geometry.section_bytes
    in_root = _sections_in_root(requests.geometry, build)
    present: dict[int, int] = {}
    roots: set[int] = set()
    for region in requests.memblock.memory[:]:
        for section in range(region.base // section_bytes, -(-region.end // section_bytes)):
            root = section // in_root
            if root not in roots:
                roots.add(root)
                requests.alloc(
                    requesters.SECTION_ROOT,
                    page_bytes,
                    64,
                    nid=region.nid,
                    or_panic=f"sparse_index_alloc: Failed to allocate {page_bytes} bytes "
                    f"nid={region.nid}",
                )
            present.setdefault(section, region.nid)
    return sorted(present.items())


def _groups(sections: list[tuple[int, int]]) -> Iterator[tuple[int, list[int]]]:
    """Yield (node, its sections) for each run of sections on one node."""
    group: list[int] = []
    for index, (section, nid) in enumerate(sections):
        group.append(section)
        if index + 1 == len(sections) or sections[index + 1][1] != nid:
            yield nid, group
            group = []


class _Memmap:
    """The virtual memmap: struct pages, in blocks of one size, and the page tables that map them.

    A table of each level is requested right before the first section that needs it. Everything is
    looked for on the section's node, from the platform's lowest address up.
    """

    def __init__(self, requests: Requests, rules: EarlyRules):
        self._requests = requests
        self._low = rules.memmap_address
        self._origin = rules.memmap_origin
        geometry = requests.geometry
        self._in_huge_pages = geometry.section_memmap_bytes % geometry.huge_page_bytes == 0
        block_bytes = geometry.huge_page_bytes if self._in_huge_pages else geometry.page_bytes
        block_reach = block_bytes // STRUCT_PAGE_BYTES * geometry.page_bytes
        reach = geometry.table_entries * block_reach
        self._levels = (*rules.memmap_upper_tables, UpperTables(reach, reach))
        self._tables: set[tuple[int, int]] = set()

    def allocate(self, group: list[int], nid: int) -> None:
        """Allocate the struct pages of sections of one node, a table's worth at a time."""
        for _, window in groupby(group, key=self._window):
            sections = list(window)
            self._cover(sections[0], nid)
            if self._in_huge_pages:
                self._allocate_blocks(sections, nid)
            else:
                self._allocate_pages(sections, nid)

    def optimise(self, pages: Sequence[tuple[int, int]], group: list[int], nid: int) -> set[int]:
        """Describe gigantic pages of a node by single pages: a table for each section, a page for
        the head, and one for the tails of all of them. Return their sections.

        A page for which there is no room is left to ``allocate``. Source: hugetlb_vmemmap_init(),
        vmemmap_populate_hvo(); kernel-facts-distro 7.
        """
        section_bytes = self._requests.geometry.section_bytes
        described: set[int] = set()
        of_node = set(group)
        page_bytes = self._requests.geometry.page_bytes
        has_tail = False
        for start, end in pages:
            sections = range(start // section_bytes, end // section_bytes)
            if not self._in_huge_pages or sections.start not in of_node:
                continue
            if not has_tail and not self._run(requesters.MEMMAP_TAIL_PAGE, page_bytes, 1, nid):
                return described
            has_tail = True
            for section in sections:
                self._cover(section, nid)
                is_head = section == sections.start
                if not self._allocate_table(nid) or (
                    is_head and not self._run(requesters.MEMMAP_PAGE, page_bytes, 1, nid)
                ):
                    return described
            described.update(sections)
        return described

    def _window(self, section: int) -> int:
        return self._levels[-1].number_of(self._offset(section))

    def _offset(self, section: int) -> int:
        return section * self._requests.geometry.section_bytes - self._origin

    def _cover(self, section: int, nid: int) -> None:
        """Request the tables of a section that are not there yet, the highest first."""
        for level, tables in enumerate(self._levels):
            table = level, tables.number_of(self._offset(section))
            if table in self._tables:
                continue
            if not self._allocate_table(nid):
                raise _no_memmap(section)
            self._tables.add(table)

    def _allocate_blocks(self, sections: list[int], nid: int) -> None:
        """A huge page for each section; where there is none, a table of single ones."""
        size = self._requests.geometry.section_memmap_bytes
        while sections:
            done = self._run(requesters.MEMMAP, size, len(sections), nid)
            if done < len(sections):
                if not self._allocate_table(nid):
                    raise _no_memmap(sections[done])
                self._allocate_pages([sections[done]], nid)
            sections = sections[done + 1 :]

    def _allocate_pages(self, sections: list[int], nid: int) -> None:
        """Single pages for all of the sections."""
        geometry = self._requests.geometry
        pages = geometry.section_memmap_bytes // geometry.page_bytes
        size, count = geometry.page_bytes, pages * len(sections)
        done = self._run(requesters.MEMMAP_PAGE, size, count, nid)
        if done < count:
            raise _no_memmap(sections[done // pages])

    def _allocate_table(self, nid: int) -> int:
        size = self._requests.geometry.page_bytes
        return self._requests.alloc(
            requesters.VMEMMAP_TABLE, size, size, nid=nid, low=self._low, high=NOLEAKTRACE
        )

    def _run(self, what: str, size: int, count: int, nid: int) -> int:
        return self._requests.alloc_run(
            what, size, size, count, nid=nid, low=self._low, high=NOLEAKTRACE
        )


def _no_memmap(section: int) -> NoMemmap:
    return NoMemmap(f"Failed to allocate memmap for section {section}")
