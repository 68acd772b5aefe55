"""What the platform has to say of a command line: the sizes of huge pages, and which options of it
the model follows. A room of its own, so that scenarios are checked without any early boot.
"""

from __future__ import annotations

from functools import cache

from kho_sim.base.command_line import OptionRules
from kho_sim.platform.geometry import GEOMETRIES

HUGEPAGE_OPTIONS_MAX = {"x86_64": 5, "arm64": 9}
"""HUGE_MAX_CMDLINE_ARGS: two for each size that a platform can have, and one."""
MODELLED = {"arm64": frozenset(("kfence.sample_interval", "rodata"))}


@cache
def option_rules(platform: str, page_bytes: int) -> OptionRules:
    """Return how kernels of a platform with pages of that size read their command lines."""
    geometry = GEOMETRIES[platform][page_bytes]
    return OptionRules(
        hugepage_sizes=tuple(page_bytes << order for order in geometry.huge_page_orders),
        default_hugepage_bytes=geometry.huge_page_bytes,
        hugepage_options_max=HUGEPAGE_OPTIONS_MAX[platform],
        modelled=MODELLED.get(platform, frozenset()),
    )
