"""Bitmaps of Linux 6.16 to 7.0: their pages, their chunks, and readers of another size."""

from __future__ import annotations

from itertools import count

import pytest

from kho_sim import loads, run
from kho_sim.kho.bitmaps import Bitmaps
from kho_sim.kho.radix import RadixTree, Table

PAGE = 4096
MIB = 1 << 20
WINDOW_PAGES = 128 * MIB // PAGE
"""What a bitmap of a page covers at order 0."""


def bitmaps(size: int = PAGE, limit: int = 1 << 30) -> tuple[Bitmaps, list[int]]:
    taken: list[int] = []
    pages = count(PAGE, PAGE)

    def allocate() -> int:
        if len(taken) >= limit:
            return 0
        taken.append(next(pages))
        return taken[-1]

    return Bitmaps(size, allocate, taken.remove), taken


@pytest.mark.parametrize(
    ("size", "touched_mib", "pages"),
    [(PAGE, 1, 1), (PAGE, 128, 1), (PAGE, 129, 2), (512, 16, 1), (512, 128, 1), (512, 129, 2)],
)
def test_a_bitmap_covers_as_many_blocks_as_it_has_bits(size, touched_mib, pages):
    """Kernel-facts-releases 3: 128 MiB a page, 16 MiB a bitmap of 512 bytes, 8 of them a page."""
    tree, taken = bitmaps(size)
    assert tree.add_pages(0, touched_mib * MIB // PAGE) == 0
    assert len(taken) == tree.nodes == pages


def test_small_bitmaps_of_several_stretches_share_a_page():
    tree, taken = bitmaps(512)
    for window in range(8):
        assert tree.add_pages(window * WINDOW_PAGES + 5000, 1) == 0
    assert len(taken) == 1
    assert tree.add_pages(5000 + 4096, 1) == 0
    assert len(taken) == 2


def test_bitmaps_hold_the_keys_that_a_tree_holds_with_orders_ascending():
    tree, _ = bitmaps()
    other = RadixTree()
    for first, pages, order in ((0x100, 3, 0), (1 << 18, 1 << 9, 9), (1 << 20, 64, 0)):
        assert tree.add_pages(first, pages, order) == other.add_pages(first, pages, order) == 0
    assert len(tree) == len(other) == 68
    assert tree.counts_by_order() == other.counts_by_order()
    assert sorted(other.runs()) == list(tree.runs()) == list(tree.freeze().runs())
    assert [order for order, _, _ in tree.runs()] == [0, 0, 9]
    tree.del_pages(0x100, 3)
    assert len(tree) == 65


def test_there_is_a_chunk_for_each_order_and_each_255_bitmaps():
    tree, taken = bitmaps()
    for window in range(256):
        tree.add_pages(window * WINDOW_PAGES, 1)
    tree.add_pages(1 << 30, 1 << 9, 9)
    assert tree.root == 0
    assert tree.finalize() == 0
    assert len(tree.chunks) == 3
    assert tree.root == tree.chunks[0]
    assert sorted(tree.table_pages()) == taken
    chunks = [(table, bits) for table, bits in tree.walk_tables() if table.level]
    assert chunks == [(Table(1, n, page), 0) for n, page in enumerate(tree.chunks)]
    assert tree.finalize() == 0  # what a first one wrote is given back
    assert len(taken) == 257 + 3


def test_without_a_page_nothing_is_added():
    tree, _ = bitmaps(limit=1)
    assert tree.add_pages(0, 1) == 0
    assert tree.add_pages(WINDOW_PAGES, 1) < 0
    assert tree.finalize() < 0
    assert len(tree) == 1


def test_a_reader_of_smaller_bitmaps_sees_the_first_eighth():
    """Kernel-facts-releases 3: 6.18 to 6.17, and nothing is printed."""
    tree, _ = bitmaps()
    tree.add_pages(0, 2 * WINDOW_PAGES)
    read = tree.as_read(512)
    eighth = WINDOW_PAGES // 8 * PAGE
    start = WINDOW_PAGES * PAGE
    assert list(read.runs()) == [(0, 0, eighth), (0, start, start + eighth)]
    assert len(tree.as_read(PAGE)) == 2 * WINDOW_PAGES


def test_a_reader_of_larger_bitmaps_honours_every_bit():
    tree, _ = bitmaps(512)
    tree.add_pages(100, 5000)
    assert list(tree.as_read(PAGE).runs()) == list(tree.runs())


@pytest.mark.parametrize(("release", "kept"), [("6.18", 1), ("6.17", 0)])
def test_an_area_beyond_the_first_eighth_is_not_protected_in_6_17(release, kept):
    trace = run(
        loads(f"""
machine: {{memory: 2GiB, cpus: 2}}
kernel:
  command_line: kho=on reserve_mem=1M:4096:area
  release: '6.18'
  releases: [{{}}, {{release: '{release}'}}]
chain: {{boots: 2, twin: false}}
""")
    )
    assert trace.outcome.kind == "completed"
    (area,) = (row for row in trace["files"] if row.kind == "reserve_mem")
    assert area.size_bytes == MIB
    found = trace["boots"][1].preserved_bytes
    assert (found >= MIB) == bool(kept)
    lost = [(row.name, row.kept) for row in trace["file_outcomes"]]
    assert lost == ([] if kept else [("area", False)])
