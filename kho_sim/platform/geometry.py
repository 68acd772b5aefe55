"""Geometry: everything that follows from the page size of a kernel, derived and not listed.

A build chooses its page size; the architecture fixes how large a memory section is, and the
highest order of the page allocator follows from both. The rest is arithmetic: how many entries a
page table has, which blocks a huge page can be, how deep KHO's radix tree is, what scratch areas
are aligned to. Left out: builds with an unusual ARCH_FORCE_MAX_ORDER or PAGE_BLOCK_MAX_ORDER.

Sources: kernel-facts 0, 3 and 4 (x86_64); kernel-facts-arm64 section 0 (4, 16 and 64 KiB pages).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from kho_sim.base.extent import Extent

KEY_ADDRESS_BITS = 64
"""A key of the radix tree holds a 64-bit address less the bits of the page."""
BITS_PER_BYTE_SHIFT = 3
TABLE_ENTRY_SHIFT = 3
"""A page table entry and a slot of a radix node take 8 bytes."""
STRUCT_PAGE_BYTES = 64


@dataclass(frozen=True)
class Geometry:
    """The sizes that a page size implies.

    ``page_shift``: log2 of the page size. ``section_shift``: log2 of a memory section.
    ``max_order``: highest order of the page allocator (MAX_PAGE_ORDER). ``contiguous_shifts``: log2
    of how many entries of a last-level and of a second-level table one huge page can span (arm64's
    contiguous bit; empty without one). ``third_level_pages``: whether an entry of a third-level
    table can be a huge page.
    """

    page_shift: int = 12
    section_shift: int = 27
    max_order: int = 10
    contiguous_shifts: tuple[int, ...] = ()
    third_level_pages: bool = True

    # Pages and page tables

    def pages_inside(self, start: int, end: int) -> Extent:
        """Return the pages that lie in [start, end) bytes as a whole, as page frame numbers."""
        return Extent(-(-start >> self.page_shift), end >> self.page_shift)

    def pages_around(self, start: int, end: int) -> Extent:
        """Return the pages that have a byte of [start, end), as page frame numbers."""
        return Extent(start >> self.page_shift, -(-end >> self.page_shift))

    @cached_property
    def page_bytes(self) -> int:
        return 1 << self.page_shift

    @cached_property
    def table_shift(self) -> int:
        """log2 of the entries of a page table, and of the slots of a radix node."""
        return self.page_shift - TABLE_ENTRY_SHIFT

    @cached_property
    def table_entries(self) -> int:
        return 1 << self.table_shift

    # The page allocator

    @cached_property
    def max_order_pages(self) -> int:
        return 1 << self.max_order

    @cached_property
    def thp_order(self) -> int:
        """Order of a PMD block: the transparent and the default huge page size."""
        return self.table_shift

    @cached_property
    def huge_page_bytes(self) -> int:
        return self.page_bytes << self.thp_order

    @cached_property
    def pageblock_order(self) -> int:
        """The unit that migratetypes are kept for; CMA areas are aligned to it."""
        return min(self.thp_order, self.max_order)

    @cached_property
    def pageblock_pages(self) -> int:
        return 1 << self.pageblock_order

    @cached_property
    def pageblock_bytes(self) -> int:
        return self.page_bytes << self.pageblock_order

    # Sections and their memory map

    @cached_property
    def section_bytes(self) -> int:
        return 1 << self.section_shift

    @cached_property
    def section_pages(self) -> int:
        return 1 << self.section_shift - self.page_shift

    @cached_property
    def section_memmap_bytes(self) -> int:
        return self.section_pages * STRUCT_PAGE_BYTES

    # Huge pages

    @cached_property
    def huge_page_orders(self) -> tuple[int, ...]:
        """Orders that hugetlb has pages of, ascending.

        An entry of a second-level or third-level table, and runs of entries where there are any.
        """
        orders = {self.thp_order}
        orders |= {
            level * self.table_shift + shift for level, shift in enumerate(self.contiguous_shifts)
        }
        if self.third_level_pages:
            orders.add(2 * self.table_shift)
        return tuple(sorted(orders))

    @cached_property
    def gigantic_orders(self) -> tuple[int, ...]:
        """Orders of huge pages that the page allocator cannot hold: memblock has to, at boot."""
        return tuple(order for order in self.huge_page_orders if order > self.max_order)

    def order_of(self, size_bytes: int) -> int:
        """Return the order of a block of that size. Raises ValueError if it is no such block."""
        order = size_bytes.bit_length() - 1 - self.page_shift
        if order < 0 or size_bytes != self.page_bytes << order:
            raise ValueError(f"{size_bytes} bytes are no power of two of pages")
        return order

    def is_gigantic(self, size_bytes: int) -> bool:
        """Tell whether a huge page is gigantic: memblock has to hold it, at boot."""
        return self.order_of(size_bytes) > self.max_order

    # KHO

    @cached_property
    def scratch_align_bytes(self) -> int:
        """Alignment and rounding of scratch areas: a block of the highest order."""
        return self.page_bytes << self.max_order

    @cached_property
    def order_0_bit(self) -> int:
        """log2 of the bit of a key that marks order 0; order o is marked by the bit o below."""
        return KEY_ADDRESS_BITS - self.page_shift

    @cached_property
    def key_bits(self) -> int:
        return self.order_0_bit + 1

    @cached_property
    def leaf_shift(self) -> int:
        """log2 of the keys of a leaf: a page of bits."""
        return self.page_shift + BITS_PER_BYTE_SHIFT

    @cached_property
    def tree_levels(self) -> int:
        """Levels of the radix tree, the leaves included."""
        return -(-(self.key_bits - self.leaf_shift) // self.table_shift) + 1


PAGES_4K = Geometry()
"""Pages of 4 KiB, as x86_64 has them: the default of everything that takes a geometry."""

ARM64_GEOMETRIES = {
    geometry.page_bytes: geometry
    for geometry in (
        Geometry(contiguous_shifts=(4, 4)),
        Geometry(page_shift=14, max_order=11, contiguous_shifts=(7, 5), third_level_pages=False),
        Geometry(
            page_shift=16,
            section_shift=29,
            max_order=13,
            contiguous_shifts=(5, 5),
            third_level_pages=False,
        ),
    )
}
"""Those of arm64, by page size in bytes."""
GEOMETRIES = {"x86_64": {PAGES_4K.page_bytes: PAGES_4K}, "arm64": ARM64_GEOMETRIES}
"""By platform, and by page size in bytes."""
