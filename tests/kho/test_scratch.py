"""How large the scratch areas get, where they go, and what is left when one cannot be had."""

from dataclasses import replace

import pytest

from kho_sim.base.command_line import ScratchRequest
from kho_sim.kho.scratch import DISABLED, kernel_reserved_bytes, reserve_scratch
from kho_sim.memory.early.requests import Requests
from kho_sim.memory.memblock import RSRV_HUGETLB, RSRV_KERN, Memblock
from kho_sim.releases import load_release

MIB = 1 << 20
GIB = 1 << 30
PAGE = 4096


def machine(high_mib=256):
    """1 GiB below 4 GiB on node 0, and some memory above it on node 1."""
    memblock = Memblock()
    memblock.add(MIB, GIB - MIB, 0)
    memblock.add(4 * GIB, high_mib * MIB, 1)
    return memblock


RULES = load_release("7.3").scratch


def scratch(memblock, nodes=(0, 1), rules=RULES, **request):
    requests = Requests(memblock)
    return reserve_scratch(requests, ScratchRequest(**request), nodes, 4 * GIB - 1, rules), requests


def test_explicit_sizes_are_rounded_up_to_4_mib():
    sizes = {"lowmem_bytes": 5 * MIB, "global_bytes": 4 * MIB, "pernode_bytes": MIB}
    reservation, requests = scratch(machine(), scale_percent=0, **sizes)
    assert reservation.areas == (
        (GIB - 8 * MIB, 8 * MIB),
        (4 * GIB + 248 * MIB, 4 * MIB),
        (GIB - 12 * MIB, 4 * MIB),
        (4 * GIB + 244 * MIB, 4 * MIB),
    )
    assert not reservation.failed
    rows = [(row.what, row.size_bytes, row.align_bytes) for row in requests.rows]
    assert rows == [
        ("scratch array", 16 * 4, PAGE),
        ("lowmem scratch", 8 * MIB, 4 * MIB),
        ("global scratch", 4 * MIB, 4 * MIB),
        ("node 0 scratch", 4 * MIB, 4 * MIB),
        ("node 1 scratch", 4 * MIB, 4 * MIB),
    ]


def test_a_percentage_is_of_what_the_kernel_reserved_for_itself():
    """Kernel-facts 3.2: what lies below 4 GiB, the rest, and each node's own part."""
    memblock = machine()
    memblock.reserve(MIB, 10 * MIB, 0, RSRV_KERN)
    memblock.reserve(4 * GIB, 6 * MIB, 1, RSRV_KERN)
    memblock.reserve(4 * GIB + 8 * MIB, 64 * MIB, 1, RSRV_KERN | RSRV_HUGETLB)
    memblock.reserve(100 * MIB, 50 * MIB, 0, 0)
    assert kernel_reserved_bytes(memblock, RULES) == 16 * MIB
    assert kernel_reserved_bytes(memblock, RULES, nid=1) == 6 * MIB
    assert kernel_reserved_bytes(memblock, RULES, limit=4 * GIB + 2 * MIB) == 12 * MIB
    reservation, _ = scratch(memblock, scale_percent=200)
    assert reservation.kernel_reserved_bytes == 16 * MIB
    assert [size // MIB for _, size in reservation.areas] == [20, 12, 20, 12]


def test_percentages_are_rounded_down_before_they_are_rounded_up():
    memblock = machine(high_mib=1024)
    memblock.reserve(MIB, 400 * MIB + 50, 0, RSRV_KERN)  # 1 % is 4 MiB and half a byte
    memblock.reserve(4 * GIB, 400 * MIB, 1, RSRV_KERN)
    reservation, _ = scratch(memblock, scale_percent=1)
    assert [size // MIB for _, size in reservation.areas] == [4, 4, 4, 4]


@pytest.mark.parametrize(
    ("wanted", "which"),
    [
        ({"lowmem_bytes": 2 * GIB}, "lowmem scratch buffer"),
        ({"lowmem_bytes": MIB, "global_bytes": 2 * GIB}, "global scratch buffer"),
        ({"lowmem_bytes": MIB, "pernode_bytes": 512 * MIB}, "nid 1 scratch buffer"),
        ({"lowmem_bytes": MIB, "pernode_bytes": 2 * GIB}, "nid 0 scratch buffer"),
    ],
)
def test_whatever_fails_everything_is_given_back(wanted, which):
    memblock = machine()
    memblock.reserve(MIB, 5 * PAGE, 0, RSRV_KERN)
    before = list(memblock.reserved)
    reservation, _ = scratch(memblock, scale_percent=0, **wanted)
    assert reservation.messages == (f"KHO: Failed to reserve {which}", DISABLED)
    assert (reservation.areas, reservation.failed) == ((), True)
    assert reservation.kernel_reserved_bytes == 5 * PAGE
    assert list(memblock.reserved) == before


def test_without_room_for_the_array_nothing_is_tried():
    memblock = Memblock()
    reservation, requests = scratch(memblock)
    assert reservation.messages[0] == "KHO: Failed to reserve scratch array"
    assert len(requests.rows) == 1


OLDER = replace(
    RULES,
    gigantic_pages_count=True,
    aligned_to_largest_block=False,
    explicit_sizes_rounded=False,
    global_excludes_rounded_lowmem=True,
)
"""The rules of 6.16 to 7.1 (kernel-facts-releases 2)."""


def test_older_kernels_round_no_size_but_that_of_a_node():
    sizes = {"lowmem_bytes": 5 * MIB, "global_bytes": 3 * MIB, "pernode_bytes": MIB}
    reservation, requests = scratch(machine(), rules=OLDER, scale_percent=0, **sizes)
    assert [size // MIB for _, size in reservation.areas] == [5, 3, 2, 2]
    assert all(start % (2 * MIB) == 0 for start, _ in reservation.areas)
    assert {row.align_bytes for row in requests.rows} == {PAGE, 2 * MIB}


def test_7_2_rounds_as_recorded():
    """Kernel-facts-releases 2: 65M,301M,203M became 68, 304 and 204 MiB."""
    rules = replace(RULES, gigantic_pages_count=True)
    sizes = {"lowmem_bytes": 65 * MIB, "global_bytes": 301 * MIB, "pernode_bytes": 203 * MIB}
    reservation, _ = scratch(machine(1024), rules=rules, scale_percent=0, **sizes)
    assert [size // MIB for _, size in reservation.areas] == [68, 304, 204, 204]


def test_gigantic_pages_count_before_7_3():
    memblock = machine()
    memblock.reserve(MIB, 10 * MIB, 0, RSRV_KERN)
    memblock.reserve(4 * GIB, 64 * MIB, 1, RSRV_KERN | RSRV_HUGETLB)
    assert kernel_reserved_bytes(memblock, RULES) == 10 * MIB
    assert kernel_reserved_bytes(memblock, OLDER) == 74 * MIB


@pytest.mark.parametrize(
    ("high_bytes", "older_mib", "newer_mib"),
    [(3 * MIB, 2, 4), (PAGE, 0, 4), (0, 0, 0)],
)
def test_the_global_area_is_what_low_memory_leaves(high_bytes, older_mib, newer_mib):
    """Up to 7.1 the rounded low area is taken off: less than nothing rounds up to nothing."""
    for rules, mib in ((OLDER, older_mib), (RULES, newer_mib)):
        memblock = machine()
        memblock.reserve(MIB, 11 * MIB, 0, RSRV_KERN)
        if high_bytes:
            memblock.reserve(4 * GIB, high_bytes, 1, RSRV_KERN)
        reservation, _ = scratch(memblock, rules=rules, scale_percent=100)
        assert reservation.areas[1][1] == mib * MIB
