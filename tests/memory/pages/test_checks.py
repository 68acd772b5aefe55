"""What the allocator's own check finds."""

import pytest

from kho_sim.errors import ModelError
from kho_sim.memory.pages import PageAllocator

MIB = 1 << 20


def test_per_cpu_lists_that_hold_less_than_nothing():
    pages = PageAllocator([(MIB, 17 * MIB, 0)], [], [1], kho_boot=False)
    pages.check()
    zone = pages._zones[0]
    zone.pcp.pages = -1
    with pytest.raises(ModelError, match=f"^per-CPU lists of {zone.name} hold -1$"):
        pages.check()
