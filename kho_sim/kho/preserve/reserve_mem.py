"""``reserve_mem=`` areas: named memory that every kernel of the chain finds at the same place.

Models mm/memblock.c's reserve_mem_kho_*() of Linux 7.3 (kernel-facts 10.1): one FDT page for all
areas, and each area as pieces of natural order.
"""

from __future__ import annotations

from kho_sim.kho.preserve.outgoing import Outgoing
from kho_sim.memory.pages import Run


def preserve_area(outgoing: Outgoing, start: int, size_bytes: int) -> None:
    """Preserve a range of whole pages in pieces of order min(ctz(pfn), log2(pages left))."""
    shift = outgoing.pages.geometry.page_shift
    for first_pfn, order in natural_pieces(start >> shift, size_bytes >> shift):
        outgoing.preserve([Run(first_pfn, 1)], order)


def natural_pieces(first_pfn: int, pages: int) -> list[tuple[int, int]]:
    """Cut pages into (first_pfn, order) pieces, each aligned to its size. Source:
    kho_preserve_pages()."""
    pieces = []
    while pages:
        order = pages.bit_length() - 1
        if first_pfn:
            order = min(order, (first_pfn & -first_pfn).bit_length() - 1)
        pieces.append((first_pfn, order))
        first_pfn += 1 << order
        pages -= 1 << order
    return pieces
