"""Keys and sets of keys."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kho_sim.base.errors import ModelError
from kho_sim.kho.key import KeySet, LeafBitmaps, bitmaps_of, decode_key, encode_key
from kho_sim.platform.geometry import PAGES_4K
from tests.geometries import GEOMETRIES

BITMAPS = bitmaps_of(PAGES_4K)
LEAF_BITS, FULL_LEAF = BITMAPS.length, BITMAPS.full
leaf_pieces = BITMAPS.pieces


def test_the_recorded_key_of_kernel_facts_4_1():
    assert encode_key(0x1004B7000, 0) == 0x100000001004B7
    assert decode_key(0x100000001004B7) == (0x1004B7000, 0)


@pytest.mark.parametrize(("order", "bit"), [(0, 52), (1, 51), (4, 48), (9, 43), (10, 42), (18, 34)])
def test_the_bit_of_an_order(order, bit):
    assert encode_key(0, order) == 1 << bit


@given(st.sampled_from(GEOMETRIES), st.integers(0, 52), st.integers(0, 2**52))
def test_decoding_undoes_encoding(geometry, order, number):
    order = min(order, geometry.order_0_bit)
    phys = number % (1 << geometry.order_0_bit - order) << (geometry.page_shift + order)
    assert decode_key(encode_key(phys, order, geometry), geometry) == (phys, order)


@pytest.mark.parametrize(
    ("geometry", "key"),
    [(geometry, 1 << bit) for geometry, bit in zip(GEOMETRIES, (52, 50, 48), strict=True)],
)
def test_the_bit_of_order_0_by_page_size(geometry, key):
    """kernel-facts-arm64 section 0: key width, and the bit of an order."""
    assert encode_key(0, 0, geometry) == key
    assert encode_key(1 << 30, 0, geometry) == key + (1 << 30) // geometry.page_bytes
    with pytest.raises(ValueError, match="is not the key"):
        decode_key(2 * key, geometry)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_leaf_is_a_page_of_bits(geometry):
    bitmaps = LeafBitmaps(geometry)  # not the one that is made once
    bits = 8 * geometry.page_bytes
    assert (bitmaps.length, 1 << bitmaps.shift) == (bits, bits)
    assert bitmaps.full == (1 << bits) - 1
    assert bitmaps.positions(bitmaps.borders(bitmaps.full)).tolist() == [0, bits]


@pytest.mark.parametrize(
    ("phys", "order", "why"),
    [
        (0x800, 0, "0x800 is not aligned to a block of order 0"),
        (0x1000, 1, "0x1000 is not aligned to a block of order 1"),
        (-4096, 0, "-0x1000 is not within 64 bits"),
        (2**64, 0, "0x10000000000000000 is not within 64 bits"),
        (0, 53, r"order 53 is not within 0\.\.52"),
        (0, -1, r"order -1 is not within 0\.\.52"),
    ],
)
def test_what_is_no_block_has_no_key(phys, order, why):
    with pytest.raises(ValueError, match=why):
        encode_key(phys, order)


@pytest.mark.parametrize("key", [0, -1, 2**53])
def test_what_is_no_key_is_not_decoded(key):
    with pytest.raises(ValueError, match="is not the key of a preservation"):
        decode_key(key)


def test_higher_orders_sort_first():
    ascending = [encode_key(2**30, o) for o in (18, 9, 4, 1)] + [
        encode_key(p << 12, 0) for p in (0, 1)
    ]
    assert ascending == sorted(ascending)


EDITS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 3 * LEAF_BITS), st.integers(0, 2 * LEAF_BITS)),
    max_size=5,
)


@given(EDITS)
def test_a_key_set_agrees_with_a_plain_set(edits):
    keys, naive = KeySet(), set()
    for add, first, count in edits:
        for leaf, bits in leaf_pieces(first, first + count):
            (keys.add_bits if add else keys.remove_bits)(leaf, bits)
        numbers = range(first, first + count)
        naive = naive.union(numbers) if add else naive.difference(numbers)
    assert len(keys) == len(naive)
    assert list(keys) == sorted(naive)
    runs = list(keys.runs())
    assert all(left[1] < right[0] for left, right in itertools.pairwise(runs))
    assert all((probe in keys) == (probe in naive) for probe in range(0, 5 * LEAF_BITS, 997))


@given(
    st.sets(st.sampled_from([leaf * LEAF_BITS + n for leaf in (1, 2, 4) for n in (-2, -1, 0, 1)]))
)
def test_runs_at_the_borders_of_leaves(numbers):
    keys = KeySet()
    for number in numbers:
        keys.add_bits(number // LEAF_BITS, 1 << number % LEAF_BITS)
    runs = list(keys.runs())
    assert [key for first, end in runs for key in range(first, end)] == sorted(numbers)
    assert all(left[1] < right[0] for left, right in itertools.pairwise(runs))
    assert keys.edges().tolist() == [edge for run in runs for edge in run]


@pytest.mark.parametrize(
    "runs",
    [
        [],
        [(1, 4)],
        [(LEAF_BITS - 9, LEAF_BITS - 5), (LEAF_BITS + 5, LEAF_BITS + 6)],
        [(LEAF_BITS - 2, 2 * LEAF_BITS + 3), (3 * LEAF_BITS, 3 * LEAF_BITS + 1)],
    ],
)
def test_runs_are_joined_across_leaves_and_nowhere_else(runs):
    keys = KeySet()
    for first, end in runs:
        for leaf, bits in leaf_pieces(first, end):
            keys.add_bits(leaf, bits)
    assert list(keys.runs()) == runs


def test_a_negative_key_is_a_bug():
    with pytest.raises(ModelError, match=r"^key -1 is negative"):
        list(leaf_pieces(-1, 3))


@given(st.sets(st.integers(0, LEAF_BITS - 1), max_size=40), st.integers(0, 15))
def test_coarser_bits(positions, shift):
    bits = sum(1 << position for position in positions)
    assert BITMAPS.coarser(bits, shift) == sum(1 << p for p in {p >> shift for p in positions})


@pytest.mark.parametrize("shift", [0, 1, 9, 15])
def test_a_full_leaf_is_like_any_other_bitmap(shift):
    nearly = FULL_LEAF ^ 1  # all but the first bit: not the shared object, so no short cut
    assert BITMAPS.runs(FULL_LEAF) == [(0, LEAF_BITS)]
    assert BITMAPS.runs(nearly) == [(1, LEAF_BITS)]
    whole = BITMAPS.coarser(FULL_LEAF, shift)
    assert whole == (BITMAPS.coarser(nearly, shift) if shift else nearly | 1)


def test_copies_are_independent():
    keys = KeySet()
    keys.add_bits(0, 1)
    copy = keys.copy()
    copy.add_bits(0, 2)
    assert (list(keys), list(copy)) == ([0], [0, 1])
    assert keys != copy


def test_borders_with_room_around_them():
    keys = KeySet()
    keys.add_bits(0, 0b1110)
    keys.add_bits(1, 1)
    edges = keys.edges(spare=1)
    assert edges[1:-1].tolist() == keys.edges().tolist() == [1, 4, 1 << 15, (1 << 15) + 1]
    assert KeySet().edges(spare=1).size == 2


def test_the_smallest_key_is_the_largest_block():
    assert decode_key(1) == (0, 52)
