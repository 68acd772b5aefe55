"""ZONE_MOVABLE: where it begins, who is served from it, what leaves it (kernel-facts-distro 5)."""

from __future__ import annotations

import pytest

from kho_sim.base.command_line import MovableCore, parse_command_line
from kho_sim.memory.pages import (
    MOVABLE,
    UNMOVABLE,
    OutOfMemory,
    PageAllocator,
    migrate_out_of_cma,
)
from kho_sim.memory.pages.movable import movable_starts
from kho_sim.platform.geometry import PAGES_4K
from tests.geometries import ZONES

MIB, GIB = 1 << 20, 1 << 30
PAGE = 4096
Q35_8G = [(0x1000, 0x9F000, 0), (MIB, 0x7FFE0000, 0), (4 * GIB, 10 * GIB, 0)]
"""As recorded: 2 GiB below 4 GiB."""


def starts(text: str, memory=Q35_8G) -> dict[int, int]:
    """The first byte of ZONE_MOVABLE by node."""
    pages = [(start // PAGE, end // PAGE, nid) for start, end, nid in memory]
    core = parse_command_line(text).movable_core
    found = movable_starts(pages, core, 4 * GIB // PAGE, PAGES_4K)
    return {nid: pfn * PAGE for nid, pfn in found.items()}


def machine(core: MovableCore, scratch=(), kho_boot=False) -> PageAllocator:
    pages = PageAllocator(Q35_8G, scratch, [2], zones=ZONES, kho_boot=kho_boot, movable_core=core)
    pages.open([])
    return pages


def bounds(runs) -> tuple[int, int]:
    extents = [run.extent() for run in runs]
    return min(e.start for e in extents) * PAGE, max(e.end for e in extents) * PAGE


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("kernelcore=2G", 0x100400000),
        ("movablecore=50%", 0x180000000),
        ("movablecore=1G", 9 * GIB),
        ("kernelcore=4G movablecore=1G", 9 * GIB),
        ("kernelcore=50%", 0x180400000),
        ("kernelcore=1G", 4 * GIB),
    ],
)
def test_the_kernels_memory_is_counted_from_the_bottom_without_the_hole(text, first):
    """The first two are recorded."""
    assert starts(text) == {0: first}


@pytest.mark.parametrize("text", ["", "kernelcore=64G", "kernelcore=100%", "movablecore=0"])
def test_without_a_limit_below_all_memory_there_is_no_movable_zone(text):
    assert starts(text) == {}


def test_nodes_share_evenly_and_a_small_one_passes_its_share_on():
    equal = [(4 * GIB, 8 * GIB, 0), (8 * GIB, 12 * GIB, 1)]
    assert starts("kernelcore=2G", equal) == {0: 5 * GIB, 1: 9 * GIB}
    uneven = [(4 * GIB, 5 * GIB, 0), (5 * GIB, 12 * GIB, 1)]
    assert starts("kernelcore=4G", uneven) == {1: 8 * GIB}


def test_without_memory_above_4_gib_the_zone_below_is_shared():
    low = [(MIB, 2 * GIB, 0)]
    pages = [(start // PAGE, end // PAGE, nid) for start, end, nid in low]
    core = MovableCore(kernel_bytes=512 * MIB)
    assert movable_starts(pages, core, 0, PAGES_4K) == {0: (512 * MIB + 4 * MIB) // PAGE}


def test_user_pages_are_taken_there_first_and_kernel_pages_never():
    pages = machine(MovableCore(kernel_bytes=4 * GIB))
    (name,) = [zone for _, zone in pages.buddyinfo() if zone == "Movable"]
    border = 6 * GIB + 4 * MIB
    user = pages.alloc(GIB // PAGE, 0, MOVABLE)
    assert bounds(user)[0] >= border - 4 * MIB
    with pytest.raises(OutOfMemory) as short:
        pages.alloc(8 * GIB // PAGE, 0, UNMOVABLE)
    assert bounds(short.value.allocated)[1] <= border
    assert name == "Movable"
    pages.check()


def test_user_pages_fall_back_to_the_kernels_zones():
    pages = machine(MovableCore(movable_bytes=512 * MIB))
    user = pages.alloc(GIB // PAGE, 0, MOVABLE)
    assert bounds(user)[0] < 10 * GIB - 512 * MIB


def test_pinned_pages_leave_it_as_they_leave_scratch():
    area = (9 * GIB, 256 * MIB)
    pages = machine(MovableCore(kernel_bytes=4 * GIB), [area], kho_boot=True)
    user = pages.alloc(64 * MIB // PAGE, 0, MOVABLE)
    pinned = migrate_out_of_cma(pages, user)
    assert pinned.migrated == 64 * MIB // PAGE
    assert bounds(pinned.runs)[1] <= 6 * GIB + 4 * MIB
    pages.check()


def test_pinning_fails_where_the_kernels_memory_is_used_up():
    pages = machine(MovableCore(kernel_bytes=2 * GIB + 64 * MIB))
    user = pages.alloc(4 * GIB // PAGE, 0, MOVABLE)
    with pytest.raises(OutOfMemory):
        migrate_out_of_cma(pages, user)


def test_kernel_zones_keep_more_back_from_requests_that_prefer_the_movable_one():
    pages = machine(MovableCore(kernel_bytes=4 * GIB))
    zones = {zone.name: zone for zone in pages._zones}
    movable, normal = zones["Movable"].managed_pages, zones["Normal"].managed_pages
    assert zones["Normal"].kept_back(2) == movable // 32
    assert zones["Normal"].kept_back(1) == 0
    assert zones["DMA32"].kept_back(2) == (movable + normal) // 256
    assert zones["DMA32"].kept_back(1) == normal // 256
    assert zones["Movable"].kept_back(2) == 0
