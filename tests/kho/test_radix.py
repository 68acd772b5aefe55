"""The radix tree against a tree that adds one key at a time, and against recorded ones."""

import itertools
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kho_sim.kho.radix import FEW_RUNS, RadixTree, decode_key, encode_key
from kho_sim.memory.pages.kinds import run_of
from tests.geometries import GEOMETRIES
from tests.naive.radix import NaiveTree, PageSource


def visits(tree):
    """What the callbacks of a walk see, in the form of the naive tree."""
    seen = []
    tree.walk(
        leaf=lambda key: seen.append(("leaf", key)), node=lambda page: seen.append(("node", page))
    )
    return seen


# Runs of pages around the borders of leaves and tables (4 KiB pages: 128 MiB and 64 GiB of order
# 0), and what lies between.
def borders(geometry):
    leaf, table = geometry.leaf_shift, geometry.leaf_shift + geometry.table_shift
    return [0, 2**leaf, 2**table, 2**table + 2**leaf, 2 ** (table + geometry.table_shift)]


RUN = st.tuples(
    st.sampled_from(["add upwards", "add downwards", "delete"]),
    st.integers(0, 2),
    st.integers(0, 4),
    st.integers(-40, 40),
    st.integers(1, 60),
)


def blocks_of(order, border, offset, count):
    return max(border // 2**order + offset, 0), count


@settings(max_examples=60)
@given(st.sampled_from(GEOMETRIES), st.lists(RUN, max_size=6), st.integers(0, 30))
def test_runs_of_pages_equal_single_keys(geometry, edits, pages_left):
    bulk_source, naive_source = PageSource(pages_left), PageSource(pages_left)
    bulk = RadixTree(bulk_source.allocate, bulk_source.free, geometry)
    naive = NaiveTree(naive_source.allocate, naive_source.free, geometry.page_shift)
    for edit, order, border, offset, count in edits:
        first, count = blocks_of(order, borders(geometry)[border], offset, count)
        shift = geometry.page_shift + order
        keys = [encode_key(b << shift, order, geometry) for b in range(first, first + count)]
        if edit != "delete":
            step = 1 if edit == "add upwards" else -1
            expected = next((error for error in map(naive.add, keys[::step]) if error), 0)
            assert bulk.add_pages(first << order, count << order, order, step) == expected
        elif naive.root:
            for key in keys:
                naive.delete(key)
            bulk.del_pages(first << order, count << order, order)
    assert visits(bulk) == naive.visits()
    assert bulk.nodes == len(naive.pages)
    assert (bulk_source.given, bulk_source.freed) == (naive_source.given, naive_source.freed)
    if naive.root:
        bulk.destroy()
        naive.destroy()
    assert (bulk.nodes, len(bulk), bulk.root) == (0, 0, 0)
    assert bulk_source.freed == naive_source.freed


PLACE = st.tuples(
    st.integers(0, 4), st.integers(-40, 40), st.integers(1, 60), st.sampled_from([1, -1])
)
MANY = st.lists(PLACE, min_size=FEW_RUNS, max_size=2 * FEW_RUNS)


@settings(max_examples=40)
@given(st.sampled_from(GEOMETRIES), MANY, st.integers(0, 2), st.integers(5, 40))
def test_many_runs_equal_single_keys(geometry, places, order, pages_left):
    """The same tables in the same pages, the same keys, the same failure."""
    bulk_source, naive_source = PageSource(pages_left), PageSource(pages_left)
    bulk = RadixTree(bulk_source.allocate, bulk_source.free, geometry)
    naive = NaiveTree(naive_source.allocate, naive_source.free, geometry.page_shift)
    runs = []
    for border, offset, count, step in places:
        first, count = blocks_of(order, borders(geometry)[border], offset, count)
        run = run_of((first << order, first + count << order), order, step)
        runs.append(run)
    shift = geometry.page_shift
    keys = [encode_key(b << shift, order, geometry) for run in runs for b in run.pfns(order)]
    expected = next((error for error in map(naive.add, keys) if error), 0)
    assert bulk.add_runs(runs, order) == expected
    assert (bulk_source.given, bulk_source.freed) == (naive_source.given, naive_source.freed)
    if not expected:
        assert visits(bulk) == naive.visits()


@settings(max_examples=40)
@given(
    st.sampled_from(GEOMETRIES),
    st.sets(st.integers(0, 3 * 2**19), max_size=30),
    st.integers(0, 2**40),
    st.integers(2, 20),
)
def test_bits_equal_single_keys(geometry, positions, first, pages_left):
    positions = {position % (3 << geometry.leaf_shift) for position in positions}
    bulk_source, naive_source = PageSource(pages_left), PageSource(pages_left)
    bulk = RadixTree(bulk_source.allocate, bulk_source.free, geometry)
    naive = NaiveTree(naive_source.allocate, naive_source.free, geometry.page_shift)
    expected = next((e for e in (naive.add(first + p) for p in sorted(positions)) if e), 0)
    assert bulk.add_bits(first, sum(1 << p for p in positions)) == expected
    assert visits(bulk) == naive.visits()
    assert naive_source.freed == bulk_source.freed


@settings(max_examples=60)
@given(st.lists(RUN, min_size=1, max_size=5))
def test_sums_and_runs_of_a_tree(edits):
    tree = RadixTree()
    for _, order, border, offset, count in edits:
        first, count = blocks_of(order, border, offset, count)
        tree.add_pages(first << order, count << order, order)
    blocks = [decode_key(key) for key in tree.walk()]
    from_runs = []
    for order, start, end in tree.runs():
        from_runs += [(address, order) for address in range(start, end, 4096 << order)]
    assert from_runs == blocks
    runs = list(tree.runs())
    assert not any(a[0] == b[0] and a[2] == b[1] for a, b in itertools.pairwise(runs)), (
        "neighbouring keys of one order are one run"
    )
    counts = tree.counts_by_order()
    assert counts == {o: sum(b[1] == o for b in blocks) for o in sorted({b[1] for b in blocks})}
    assert len(tree) == len(blocks)
    assert tree.preserved_bytes == sum(4096 << order for _, order in blocks)
    pages = {
        page for start, order in blocks for page in range(start >> 12, (start >> 12) + 2**order)
    }
    extents = tree.preserved_extents()
    assert {p for e in extents for p in range(e.start >> 12, e.end >> 12)} == pages
    assert all(left.end < right.start for left, right in itertools.pairwise(extents))


def test_the_tree_of_machine_64g():
    """Kernel-facts 4.3 and 5.3; the log's own pages and runs of boot 1."""
    pages = [0x1004B6000, 0x1004B8000, 0x1004B9000, 0x1004BA000, 0x1004BB000, 0x100538000]
    runs = [
        (0, 0x1004B7000, 0x1004B8000),
        (0, 0x100539000, 0x10053A000),
        (0, 0x1005FE000, 0x1005FF000),
        (0, 0x100600000, 0x100607000),
        (0, 0x100BB3000, 0x100C00000),
        (0, 0x100C65000, 0x100C67000),
        (0, 0x101000000, 0x1011B3000),
    ]
    tree = RadixTree.from_runs(runs, pages)
    assert (tree.nodes, len(tree), tree.preserved_bytes) == (0x6, 0x20C, 0x20C000)
    assert tree.table_pages() == pages
    assert list(tree.runs()) == runs
    with pytest.raises(ValueError, match="6 table pages, not 5"):
        RadixTree.from_runs(runs, pages[:-1])


@pytest.mark.parametrize(
    ("runs", "nodes"),
    [
        ([(0, 0x40000, 0x40000), (0, 0x80000, 0x40000), (0, 0x100000, 1)], 5 + 17),
        ([(0, 0x40000, 1), (1, 0x40000, 2), (4, 0x40000, 16)], 16),
        ([(0, 2**24 - 1, 2)], 8),
    ],
)
def test_node_counts_of_kernel_facts_4_3(runs, nodes):
    tree = RadixTree()
    for order, first_pfn, page_count in runs:
        tree.add_pages(first_pfn, page_count, order)
    assert tree.nodes == nodes


def test_a_walk_stops_at_the_first_result():
    tree = RadixTree()
    tree.add_pages(5, 3)
    seen = []
    assert tree.walk(leaf=lambda key: seen.append(key) or (7 if key % 8 == 6 else 0)) == 7
    assert seen == [encode_key(5 << 12, 0), encode_key(6 << 12, 0)]
    assert tree.walk(node=lambda _: -12) == -12
    assert tree.walk(leaf=lambda _: None, node=lambda _: 0) == 0


def test_a_walk_may_see_pages_only():
    tree = RadixTree()
    tree.add_pages(5, 3)
    pages = []
    assert tree.walk(node=pages.append) == 0
    assert pages == tree.table_pages()


def test_a_leaf_may_have_the_number_of_a_table_above():
    """2 MiB blocks below 64 GiB fill leaf 2**28, as 4 KiB pages there do table 2**28 of level 1."""
    tree = RadixTree()
    tree.add_pages(1, 1)
    tree.add_pages(512, 512, 9)
    assert tree.nodes == 1 + 5 + 5, "the root, and a path of its own for either order"
    assert all(page % 4096 == 0 for page in tree.table_pages())


def test_membership_and_the_smallest_runs():
    tree = RadixTree()
    assert tree.add_pages(7, 0) == 0
    assert (len(tree), tree.nodes) == (0, 1)
    assert tree.add_pages(2**52 - 1, 1) == 0
    assert encode_key((2**52 - 1) << 12, 0) in tree
    assert encode_key(0, 0) not in tree


def test_bits_right_behind_a_leaf_belong_to_the_next():
    tree = RadixTree()
    tree.add_bits(0, 1 << 32768)
    assert list(tree.walk()) == [32768]
    assert [bits for table, bits in tree.walk_tables() if table.level == 0] == [1]


def test_a_tree_of_large_blocks_is_rebuilt_from_its_runs():
    runs = [(4, 0x40000, 0x80000), (1, 0x2000, 0x4000)]
    pages = list(range(0x100000, 0x100000 + 11 * 4096, 4096))
    tree = RadixTree.from_runs(runs, pages)
    assert list(tree.runs()) == runs
    assert tree.table_pages() == pages


def test_tables_outlive_their_keys():
    tree = RadixTree()
    tree.add_key(encode_key(0x1000, 0))
    tree.del_key(encode_key(0x1000, 0))
    tree.del_key(encode_key(0x8000000, 0))
    assert (tree.nodes, len(tree), list(tree.runs())) == (6, 0, [])


def test_what_can_not_be_added():
    rootless = RadixTree(lambda: 0)
    assert (rootless.root, rootless.nodes, rootless.add_key(1)) == (0, 0, -22)
    tree = RadixTree()
    assert tree.add_key(2**53) == -34
    assert tree.add_keys(2**53 - 2, 2**53) == 0
    assert tree.add_keys(2**53 - 2, 2**53 + 2) == -34
    assert list(tree.walk()) == [2**53 - 2, 2**53 - 1]
    assert tree.add_bits(2**53 - 1, 3) == -34
    for bad, why in [
        ((1, 1, 1), "not aligned|no whole blocks"),
        ((0, 3, 1), "3 pages are no whole blocks of order 1"),
        ((2**52 - 1, 2, 0), "2 pages from 0xfffffffffffff end above 64 bits"),
        ((0, -1, 0), "-1 pages are no whole blocks"),
    ]:
        with pytest.raises(ValueError, match=why):
            tree.add_pages(*bad)


def test_orders_above_37_share_one_leaf():
    tree = RadixTree()
    blocks = [(52, 0), (41, 3 << 53), (40, 0), (39, 1 << 51), (38, 0), (38, 1 << 50)]
    for order, address in blocks:
        tree.add_key(encode_key(address, order))
    assert tree.counts_by_order() == {38: 2, 39: 1, 40: 1, 41: 1, 52: 1}
    assert list(tree.runs()) == [
        (52, 0, 1 << 64),
        (41, 3 << 53, 4 << 53),
        (40, 0, 1 << 52),
        (39, 1 << 51, 2 << 51),
        (38, 0, 2 << 50),
    ]
    with pytest.raises(ValueError):
        list(tree.spans(0, 1))


def test_a_frozen_copy_stays_and_travels():
    tree = RadixTree()
    tree.add_pages(0x100000, 40000)
    frozen = tree.freeze()
    tree.add_pages(0x200000, 1)
    tree.del_pages(0x100000, 1)
    assert list(frozen.runs()) == [(0, 0x100000000, 0x100000000 + 40000 * 4096)]
    assert frozen.nodes == 7
    arrived = pickle.loads(pickle.dumps(frozen))
    assert visits(arrived) == visits(frozen)


def test_a_terabyte_is_as_many_leaves_not_keys():
    tree = RadixTree()
    tree.add_pages(0, 2**28)
    assert (tree.nodes, len(tree)) == (1 + 1 + 1 + 1 + 16 + 8192, 2**28)
    assert list(tree.runs()) == [(0, 0, 2**40)]
