"""The three page sizes that tests run at: 4 KiB of x86_64, 16 and 64 KiB of arm64; two zones."""

from kho_sim.platform.geometry import PAGES_4K, Geometry
from kho_sim.platform.rules import ZoneLimit

PAGES_16K = Geometry(
    page_shift=14, section_shift=27, max_order=11, contiguous_shifts=(7, 5), third_level_pages=False
)
PAGES_64K = Geometry(
    page_shift=16, section_shift=29, max_order=13, contiguous_shifts=(5, 5), third_level_pages=False
)
GEOMETRIES = (PAGES_4K, PAGES_16K, PAGES_64K)
FOUR_GIB = 4 << 30
ZONES = (ZoneLimit("DMA32", 0, FOUR_GIB), ZoneLimit("Normal", FOUR_GIB, 1 << 52))
"""Those of x86_64 without ZONE_DMA."""
