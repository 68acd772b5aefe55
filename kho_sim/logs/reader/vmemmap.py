"""Which pages of a memory map hold struct pages, and which are the tables that map them.

With 16 and 64 KiB pages the struct pages of a section do not fill a huge page. They come in single
pages, of the size of the tables between them. What each one is follows from the addresses of the
sections, so it needs the regions of a ``MEMBLOCK configuration`` before it.

Source: kernel-facts-arm64 5.5. Left out: the second upper-level table, from 256 GiB on.
"""

from __future__ import annotations

from collections.abc import Iterator

from kho_sim.base import requesters
from kho_sim.logs.reader.facts import BootLog
from kho_sim.platform.geometry import STRUCT_PAGE_BYTES, Geometry

PAGE_SHIFT_WITH_UPPER_TABLE = 14
"""With these pages the memory map also needs a table above the others; with 64 KiB it is there."""


def is_in_pages(geometry: Geometry) -> bool:
    """Tell whether the struct pages of a section do not fill a huge page."""
    return geometry.section_memmap_bytes < geometry.huge_page_bytes


def page_names(log: BootLog, nid: int, memory_start: int) -> Iterator[str]:
    """Yield the name of each page of a node's memory map, in the order of requests.

    ``memory_start``: what addresses of the memory map are relative to (memstart).
    """
    geometry = log.geometry
    pages = geometry.section_memmap_bytes // geometry.page_bytes
    upper = geometry.page_shift == PAGE_SHIFT_WITH_UPPER_TABLE
    mapped: set[int] = set()
    for node, section in _sections(log):
        pages_before = (section * geometry.section_bytes - memory_start) >> geometry.page_shift
        table = pages_before * STRUCT_PAGE_BYTES // geometry.page_bytes // geometry.table_entries
        if table not in mapped:
            tables = 1 + (upper and not mapped)
            mapped.add(table)
            yield from [requesters.VMEMMAP_TABLE] * tables * (node == nid)
        yield from [requesters.MEMMAP_PAGE] * pages * (node == nid)


def _sections(log: BootLog) -> list[tuple[int, int]]:
    """(node, number) of each section that holds memory, in the order of their set-up."""
    size = log.geometry.section_bytes
    memory = log.dumps[-1].memory if log.dumps else []
    return sorted(
        {
            (max(region.nid, 0), section)
            for region in memory
            for section in range(region.base // size, -(-(region.base + region.size) // size))
        }
    )
