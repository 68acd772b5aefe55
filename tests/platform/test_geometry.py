"""What follows from a page size: the table of kernel-facts-arm64 section 0, row by row."""

import pytest

from kho_sim.kho.key import decode_key, encode_key
from kho_sim.kho.radix import RadixTree
from kho_sim.platform.geometry import ARM64_GEOMETRIES, Geometry
from tests.geometries import GEOMETRIES, PAGES_4K

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
ARM64 = tuple(ARM64_GEOMETRIES.values())

ROWS = {
    "page_bytes": (4 * KIB, 16 * KIB, 64 * KIB),
    "scratch_align_bytes": (4 * MIB, 32 * MIB, 512 * MIB),
    "thp_order": (9, 11, 13),
    "huge_page_bytes": (2 * MIB, 32 * MIB, 512 * MIB),
    "pageblock_order": (9, 11, 13),
    "pageblock_bytes": (2 * MIB, 32 * MIB, 512 * MIB),
    "section_bytes": (128 * MIB, 128 * MIB, 512 * MIB),
    "section_pages": (32768, 8192, 8192),
    "section_memmap_bytes": (2 * MIB, 512 * KIB, 512 * KIB),
    "huge_page_orders": ((4, 9, 13, 18), (7, 11, 16), (5, 13, 18)),
    "gigantic_orders": ((13, 18), (16,), (18,)),
    "tree_levels": (6, 5, 4),
    "table_shift": (9, 11, 13),
    "table_entries": (512, 2048, 8192),
    "leaf_shift": (15, 17, 19),
    "key_bits": (53, 51, 49),
    "order_0_bit": (52, 50, 48),
    "max_order_pages": (1024, 2048, 8192),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_the_table(name):
    assert tuple(getattr(geometry, name) for geometry in ARM64) == ROWS[name]


def test_what_a_page_of_the_tree_covers_at_order_0():
    leaves = [g.page_bytes << g.leaf_shift for g in ARM64]
    assert leaves == [128 * MIB, 2 * GIB, 32 * GIB]
    first = [leaf << g.table_shift for leaf, g in zip(leaves, ARM64, strict=True)]
    assert first == [64 * GIB, 4 * TIB, 256 * TIB]
    busy = [GIB << g.leaf_shift for g in ARM64]
    assert busy == [32 * TIB, 128 * TIB, 512 * TIB], "by one leaf of 1 GiB blocks"


def test_x86_64_has_huge_pages_of_two_sizes():
    assert Geometry() == PAGES_4K
    assert PAGES_4K.huge_page_orders == (9, 18)
    assert PAGES_4K.gigantic_orders == (18,)


@pytest.mark.parametrize(
    ("size_bytes", "gigantic"),
    [(2 * MIB, (False,) * 3), (32 * MIB, (True, False, False)), (512 * MIB, (True, True, False)),
     (GIB, (True, True, True))],
)  # fmt: skip
def test_which_huge_pages_memblock_has_to_hold(size_bytes, gigantic):
    assert tuple(geometry.is_gigantic(size_bytes) for geometry in ARM64) == gigantic


@pytest.mark.parametrize("size_bytes", [0, 2 * KIB, 12 * KIB, 4 * KIB + 1])
def test_what_is_no_block_has_no_order(size_bytes):
    with pytest.raises(ValueError, match="no power of two of pages"):
        PAGES_4K.order_of(size_bytes)


def test_orders_of_sizes():
    assert [geometry.order_of(GIB) for geometry in GEOMETRIES] == [18, 16, 14]
    assert [geometry.order_of(geometry.page_bytes) for geometry in GEOMETRIES] == [0, 0, 0]


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=["4K", "16K", "64K"])
@pytest.mark.parametrize("order", [0, 1, 9, 18])
def test_keys_by_the_general_formula(geometry, order):
    """2^(64-s-o) + (p >> (s+o)); the bit of order o is 64-s-o."""
    shift = geometry.page_shift
    address = 5 << (shift + order)
    assert encode_key(address, order, geometry) == 2 ** (64 - shift - order) + 5
    assert encode_key(0, order, geometry) == 1 << geometry.order_0_bit - order
    assert decode_key(encode_key(address, order, geometry), geometry) == (address, order)
    with pytest.raises(ValueError, match=f"order {65 - shift} is not within"):
        encode_key(0, 65 - shift, geometry)


@pytest.mark.parametrize(("geometry", "nodes"), [*zip(GEOMETRIES, (6, 5, 4), strict=True)])
def test_nodes_when_all_keys_share_a_leaf_and_of_a_busy_tree(geometry, nodes):
    """Two memfds of 1 MiB near 4 GiB; and their busy blocks of 1 GiB."""
    tree = RadixTree(geometry=geometry)
    tree.add_pages((4 * GIB + 16 * MIB) >> geometry.page_shift, 2 * MIB >> geometry.page_shift)
    assert tree.nodes == nodes
    busy = RadixTree(geometry=geometry)
    for block in (4, 5, 31):
        busy.add_key(block)
    assert busy.nodes == nodes


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=["4K", "16K", "64K"])
def test_nodes_are_the_distinct_prefixes_of_keys(geometry):
    """1 + the number of distinct (key >> (leaf bits + n * table bits)) for each level below."""
    tree, keys = RadixTree(geometry=geometry), set()
    for order, pages in [(0, 5 << geometry.leaf_shift), (1, 64), (4, 1 << 20)]:
        tree.add_pages(1 << 24, pages, order)
        first = encode_key((1 << 24) << geometry.page_shift, order, geometry)
        keys |= set(range(first, first + (pages >> order), 1 << geometry.leaf_shift))
        keys.add(first + (pages >> order) - 1)
    shifts = [
        geometry.leaf_shift + level * geometry.table_shift
        for level in range(geometry.tree_levels - 1)
    ]
    assert tree.nodes == 1 + sum(len({key >> shift for key in keys}) for shift in shifts)
