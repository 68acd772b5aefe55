"""What memblock answers about sizes (kernel-facts 2.5), worked by hand."""

import pytest

from kho_sim.memory.memblock import ADDRESS_MAX, RSRV_HUGETLB, RSRV_KERN, Memblock

MIB = 1 << 20
BOTH = RSRV_KERN | RSRV_HUGETLB


@pytest.fixture
def memblock():
    """Reservations of 1, 2, 4, 8 and 16 MiB; at 10 MiB begins the first gigantic page."""
    memblock = Memblock()
    memblock.add(0, 100 * MIB)
    memblock.reserve(1 * MIB, 1 * MIB, 0, RSRV_KERN)
    memblock.reserve(4 * MIB, 2 * MIB, 1, 0)
    memblock.reserve(10 * MIB, 4 * MIB, 1, BOTH)
    memblock.reserve(20 * MIB, 8 * MIB, -1, RSRV_KERN)
    memblock.reserve(40 * MIB, 16 * MIB, 0, BOTH)
    return memblock


@pytest.mark.parametrize(
    ("limit", "nid", "kern", "hugetlb"),
    [
        (ADDRESS_MAX, -1, 1 + 4 + 8 + 16, 4 + 16),
        (ADDRESS_MAX, 0, 1 + 16, 16),
        (ADDRESS_MAX, 1, 4, 4),
        (ADDRESS_MAX, 2, 0, 0),
        (56 * MIB, -1, 1 + 4 + 8 + 16, 4 + 16),
        (43 * MIB, -1, 1 + 4 + 8 + 3, 4 + 3),
        (43 * MIB, 0, 1 + 3, 3),
        (40 * MIB, -1, 1 + 4 + 8, 4),
        (15 * MIB, -1, 1 + 4, 4),
        (11 * MIB, 1, 1, 1),
        (0, -1, 0, 0),
    ],
)
def test_kernel_memory_is_counted_up_to_a_limit_and_on_a_node(memblock, limit, nid, kern, hugetlb):
    """A region that crosses the limit counts in part; one of no node counts for no node."""
    assert memblock.kern_size(limit, nid) == kern * MIB
    assert memblock.hugetlb_size(limit, nid) == hugetlb * MIB


def test_all_is_counted_unless_said_otherwise(memblock):
    assert (memblock.kern_size(), memblock.hugetlb_size()) == (29 * MIB, 20 * MIB)
    assert (memblock.memory_size(), memblock.reserved_size()) == (100 * MIB, 31 * MIB)


def test_memory_ends_where_its_last_region_does(memblock):
    assert Memblock().end_of_dram() == 0
    assert memblock.end_of_dram() == 100 * MIB
