"""The three page sizes that tests run at: 4 KiB of x86_64, 16 and 64 KiB of arm64; two zones."""

from kho_sim.platform.geometry import ARM64_GEOMETRIES, PAGES_4K
from kho_sim.platform.rules import ZoneLimit

PAGES_16K, PAGES_64K = ARM64_GEOMETRIES[16 << 10], ARM64_GEOMETRIES[64 << 10]
GEOMETRIES = (PAGES_4K, PAGES_16K, PAGES_64K)
FOUR_GIB = 4 << 30
ZONES = (ZoneLimit("DMA32", 0, FOUR_GIB), ZoneLimit("Normal", FOUR_GIB, 1 << 52))
"""Those of x86_64 without ZONE_DMA."""
