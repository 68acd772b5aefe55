"""What describes memory in sections of 128 MiB (kernel-facts 6.1, steps 22 to 26)."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

from kho_sim.builds import load_build
from kho_sim.memory.early import Refusal, Requests
from kho_sim.memory.early.sparse import initialise_sections
from kho_sim.memory.memblock import Memblock
from tests.memory.boots import RULES

MIB = 1 << 20
GIB = 1 << 30


def sections(*memory: tuple[int, int, int], refusals: tuple[Refusal, ...] = ()) -> Requests:
    """All requests for memory of (start, end, node)."""
    memblock = Memblock()
    memblock.can_resize = True
    for start, end, nid in memory:
        memblock.add(start, end - start, nid)
    memblock.current_limit = memblock.end_of_dram()
    requests = Requests(memblock, refusals=refusals)
    initialise_sections(requests, load_build(), RULES)
    return requests


def of(requests: Requests, what: str) -> list[tuple[int, int]]:
    """(size, node) of the requests of that name."""
    return [(row.size_bytes, row.nid) for row in requests.rows if row.what == what]


def test_two_nodes_share_a_root_and_a_table_where_they_meet():
    """Node 1 begins at 40 GiB, within the second root and the first table; then 64 GiB."""
    requests = sections((0, 40 * GIB, 0), (40 * GIB, 80 * GIB, 1))
    assert of(requests, "section root array") == [(MIB, -1)]
    assert of(requests, "section root") == [(4096, 0), (4096, 0), (4096, 1)]
    assert of(requests, "usage map") == [(88 * 320, 0), (88 * 320, 1)]
    assert of(requests, "vmemmap table") == [(4096, 0)] * 3 + [(4096, 1)]
    assert Counter(of(requests, "memmap")) == {(2 * MIB, 0): 320, (2 * MIB, 1): 320}


def test_a_table_comes_right_before_the_first_section_that_it_maps():
    requests = sections((62 * GIB, 66 * GIB, 0))
    order = [(what, len(list(rows))) for what, rows in groupby(row.what for row in requests.rows)]
    assert order == [
        ("section root array", 1),
        ("section root", 2),
        ("usage map", 1),
        ("vmemmap table", 3),
        ("memmap", 16),
        ("vmemmap table", 1),
        ("memmap", 16),
    ]


def test_every_run_of_sections_on_a_node_has_a_usage_map():
    """Node 0 has two runs, and node 1 one that lies between them."""
    requests = sections((0, GIB, 0), (GIB, 2 * GIB, 1), (2 * GIB, 4 * GIB, 0))
    assert of(requests, "usage map") == [(88 * 8, 0), (88 * 8, 1), (88 * 16, 0)]


def test_a_section_that_memory_only_touches_counts_and_belongs_to_whom_comes_first():
    requests = sections((0, 200 * MIB, 0), (200 * MIB, 512 * MIB, 1))
    assert of(requests, "usage map") == [(88 * 2, 0), (88 * 2, 1)]


def test_sections_without_2_mib_have_single_pages_and_the_next_is_tried_again():
    refusals = (Refusal("memmap", 2), Refusal("memmap", 4))
    requests = sections((0, GIB, 0), refusals=refusals)
    order = [
        (what, failed, len(list(rows)))
        for (what, failed), rows in groupby(
            requests.rows[3:], key=lambda row: (row.what, row.failed)
        )
    ]
    pages = [("memmap", True, 1), ("vmemmap table", False, 1), ("memmap page", False, 512)]
    assert order == [
        ("vmemmap table", False, 3),
        ("memmap", False, 1),
        *pages,
        ("memmap", False, 1),
        *pages,
        ("memmap", False, 4),
    ]
    page = next(row for row in requests.rows if row.what == "memmap page")
    assert (page.size_bytes, page.align_bytes, page.nid) == (4096, 4096, 0)
    assert (page.min_address, page.max_address) == (16 * MIB, 1)
