"""Sections and their struct pages: steps 22 to 26 of kernel-facts section 6.

Models sparse_init() with SPARSEMEM_VMEMMAP: the array of section roots, a usage map per node, page
tables of the virtual memmap, and 2 MiB of struct pages a section, or single pages where no 2 MiB
fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from kho_sim.base import requesters
from kho_sim.builds.profile import KernelProfile
from kho_sim.memory.early.requests import BootPanic, Requests
from kho_sim.memory.memblock import NOLEAKTRACE, PAGE_SIZE

SECTION_BYTES = 128 << 20
SECTIONS_PER_ROOT = 256
"""One 4 KiB page of section records covers 32 GiB."""
MEMMAP_BYTES = 2 << 20
"""32768 struct pages of 64 bytes."""
SECTIONS_PER_TABLE = 512
"""One page of PMD entries maps the memmap of 64 GiB."""
MAX_DMA_ADDRESS = 0x1000000


def initialise_sections(requests: Requests, profile: KernelProfile) -> None:
    """Allocate all that describes memory in sections. Raises BootPanic where the kernel would."""
    size = profile.section_root_array_bytes
    requests.alloc(
        requesters.SECTION_ROOT_ARRAY,
        size,
        64,
        or_panic=f"memory_present: Failed to allocate {size} bytes",
    )
    sections = _allocate_roots(requests)
    tables = _VmemmapTables(requests)
    for nid, group in _groups(sections):
        requests.alloc(
            requesters.USAGE_MAP,
            profile.usage_map_bytes * len(group),
            64,
            nid=nid,
            or_panic=f"Failed to allocate usemap for node {nid}",
        )
        _allocate_memmaps(requests, tables, group, nid)


def _allocate_roots(requests: Requests) -> list[tuple[int, int]]:
    """Return (section, node) of every present section, ascending; its root is allocated on
    the way."""
    present: dict[int, int] = {}
    roots: set[int] = set()
    for region in requests.memblock.memory[:]:
        for section in range(region.base // SECTION_BYTES, -(-region.end // SECTION_BYTES)):
            if section // SECTIONS_PER_ROOT not in roots:
                roots.add(section // SECTIONS_PER_ROOT)
                requests.alloc(
                    requesters.SECTION_ROOT,
                    PAGE_SIZE,
                    64,
                    nid=region.nid,
                    or_panic=f"sparse_index_alloc: Failed to allocate {PAGE_SIZE} bytes "
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


class _VmemmapTables:
    """Page tables of the virtual memmap: two upper levels once, then one page per 64 GiB window."""

    def __init__(self, requests: Requests):
        self._requests = requests
        self._windows: set[int] = set()

    def cover(self, section: int, nid: int) -> None:
        window = section // SECTIONS_PER_TABLE
        if window in self._windows:
            return
        for _ in range(1 if self._windows else 3):
            if not _memmap_page(self._requests, requesters.VMEMMAP_TABLE, nid):
                raise _no_memmap(section)
        self._windows.add(window)


def _allocate_memmaps(
    requests: Requests, tables: _VmemmapTables, group: list[int], nid: int
) -> None:
    """Allocate the struct pages of sections of one node, a table's worth of sections at a time."""
    for _, window in groupby(group, key=lambda section: section // SECTIONS_PER_TABLE):
        sections = list(window)
        tables.cover(sections[0], nid)
        while sections:
            done = requests.alloc_run(
                requesters.MEMMAP,
                MEMMAP_BYTES,
                MEMMAP_BYTES,
                len(sections),
                nid=nid,
                low=MAX_DMA_ADDRESS,
                high=NOLEAKTRACE,
            )
            if done < len(sections):
                _allocate_memmap_pages(requests, sections[done], nid)
            sections = sections[done + 1 :]


def _allocate_memmap_pages(requests: Requests, section: int, nid: int) -> None:
    pages = MEMMAP_BYTES // PAGE_SIZE
    low, high = MAX_DMA_ADDRESS, NOLEAKTRACE
    if (
        not _memmap_page(requests, requesters.VMEMMAP_TABLE, nid)
        or requests.alloc_run(
            requesters.MEMMAP_PAGE, PAGE_SIZE, PAGE_SIZE, pages, nid=nid, low=low, high=high
        )
        < pages
    ):
        raise _no_memmap(section)


def _memmap_page(requests: Requests, what: str, nid: int) -> int:
    return requests.alloc(
        what, PAGE_SIZE, PAGE_SIZE, nid=nid, low=MAX_DMA_ADDRESS, high=NOLEAKTRACE
    )


def _no_memmap(section: int) -> BootPanic:
    return BootPanic(f"Failed to allocate memmap for section {section}")
