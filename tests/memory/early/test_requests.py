"""What is written down of a request, and what the counterfactual makes of it."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kho_sim.base.extent import Extent
from kho_sim.builds import load_build
from kho_sim.memory.early import BootPanic, Refusal, Request, Requests
from kho_sim.memory.early.sparse import initialise_sections
from kho_sim.memory.memblock import NOLEAKTRACE, Memblock
from tests.memory.boots import RULES

PAGE = 4096
MIB = 1 << 20
GIB = 1 << 30
NODE_1 = 2 * MIB
END = 3 * MIB


def two_nodes() -> Requests:
    """A MiB of memory on each of two nodes."""
    memblock = Memblock()
    memblock.add(MIB, MIB, 0)
    memblock.add(NODE_1, MIB, 1)
    memblock.current_limit = END
    return Requests(memblock)


def scratch(*areas: tuple[int, int], end: int) -> Requests:
    """Memory from 1 MiB to ``end``, of which a kernel may use (start, end) of its scratch."""
    memblock = Memblock()
    memblock.add(MIB, end - MIB, 0)
    memblock.current_limit = end
    memblock.scratch_only = True
    memblock.original_scratch = tuple(Extent(*area) for area in areas)
    for start, stop in areas:
        memblock.mark_kho_scratch(start, stop - start)
    return Requests(memblock)


# Rows


def test_a_request_is_written_down_as_it_was_asked_with_its_answer():
    requests = two_nodes()
    requests.alloc("anywhere", 2 * PAGE, PAGE)
    requests.alloc("bound", PAGE, 64, nid=0, low=MIB, high=NODE_1)
    requests.phase = "after"
    requests.alloc_range("in a range", PAGE, 2 * PAGE, MIB, MIB + 16 * PAGE)
    requests.alloc_exact("exact", 4 * PAGE, 4 * PAGE, 0)
    requests.alloc_run("run", PAGE, PAGE, 1, nid=1, low=PAGE, high=NOLEAKTRACE)
    assert requests.rows == [
        Request(
            phase="before", what="anywhere", size_bytes=2 * PAGE, align_bytes=PAGE,
            address=END - 2 * PAGE, source="memory",
        ),
        Request(
            phase="before", what="bound", size_bytes=PAGE, align_bytes=64, nid=0,
            min_address=MIB, max_address=NODE_1, address=NODE_1 - PAGE, source="memory",
        ),
        Request(
            phase="after", what="in a range", size_bytes=PAGE, align_bytes=2 * PAGE,
            min_address=MIB, max_address=MIB + 16 * PAGE, address=MIB + 14 * PAGE,
            source="memory",
        ),
        Request(
            phase="after", what="exact", size_bytes=4 * PAGE, align_bytes=4 * PAGE, nid=0,
            address=NODE_1 - 8 * PAGE, source="memory",
        ),
        Request(
            phase="after", what="run", size_bytes=PAGE, align_bytes=PAGE, nid=1,
            min_address=PAGE, max_address=NOLEAKTRACE, address=END - 3 * PAGE, source="memory",
        ),
    ]  # fmt: skip


def test_one_node_only_means_that_no_other_node_helps():
    requests = two_nodes()
    requests.alloc("fills node 1", MIB, PAGE, nid=1)
    assert requests.alloc("falls back", PAGE, PAGE, nid=1) == NODE_1 - PAGE
    assert requests.alloc_exact("does not", PAGE, PAGE, 1) == 0
    assert requests.rows[-1].failed


def test_a_gigantic_page_is_written_down_and_its_refusal_stands_for_all_that_are_missing():
    requests = scratch((GIB, GIB + PAGE), end=3 * GIB)
    requests.memblock.mark_kho_scratch(MIB, 3 * GIB - MIB)
    requests.phase = "after"
    assert requests.alloc_gigantic(GIB, 0, 5, exact_nid=False, avoid_scratch=True) == 2 * GIB
    assert requests.alloc_gigantic(GIB, 0, 4, exact_nid=True, avoid_scratch=True) == 0
    page = {"what": "gigantic page", "size_bytes": GIB, "align_bytes": GIB, "nid": 0}
    assert requests.rows == [
        Request(phase="after", **page, address=2 * GIB, source="extended"),
        Request(
            phase="after", **page, count=4, failed=True,
            why="no aligned place for 1 GiB clear of the original scratch areas "
            "in 1.999 GiB of free scratch",
        ),
    ]  # fmt: skip


def test_before_7_3_a_gigantic_page_lies_in_original_scratch():
    """Kernel-facts-releases 10: an allocation like any other, without a flag of its own."""
    requests = scratch((GIB, 2 * GIB), end=3 * GIB)
    ask = partial(requests.alloc_gigantic, GIB, 0, exact_nid=False, avoid_scratch=False)
    assert ask(2) == GIB
    assert ask(1) == 0
    assert [(row.source, row.why) for row in requests.rows] == [
        ("scratch", ""), ("", "0 B of scratch free, the largest piece 0 B, 1 GiB asked"),
    ]  # fmt: skip
    memblock = requests.memblock
    assert (memblock.kern_size(), memblock.hugetlb_size()) == (GIB, 0)


def test_before_7_3_a_gigantic_page_of_one_node_stays_there_too():
    requests = two_nodes()
    assert requests.alloc_gigantic(GIB, 1, 1, exact_nid=True, avoid_scratch=False) == 0


def test_a_gigantic_page_of_a_node_that_has_none_comes_from_another_unless_bound():
    memblock = Memblock()
    memblock.add(GIB, GIB, 0)
    memblock.add(2 * GIB, MIB, 1)
    memblock.current_limit = memblock.end_of_dram()
    requests = Requests(memblock)
    assert requests.alloc_gigantic(GIB, 1, 1, exact_nid=True, avoid_scratch=True) == 0
    assert requests.alloc_gigantic(GIB, 1, 1, exact_nid=False, avoid_scratch=True) == GIB


@pytest.mark.parametrize(("words", "dies"), [("no room for it", True), ("", False)])
def test_a_kernel_dies_with_the_words_of_who_asked_or_goes_on(words, dies):
    requests = two_nodes()
    if dies:
        with pytest.raises(BootPanic, match="no room for it"):
            requests.alloc("large", GIB, PAGE, or_panic=words)
    else:
        assert requests.alloc("large", GIB, PAGE, or_panic=words) == 0
    assert requests.rows[0].failed


# Where memory came from


def test_memory_comes_from_scratch_or_from_what_was_extended():
    requests = scratch((2 * MIB, 2 * MIB + PAGE), end=4 * MIB)
    requests.alloc("fills scratch", PAGE, PAGE)
    requests.memblock.mark_kho_scratch(MIB, MIB)
    requests.alloc("below it, before the extension", PAGE, PAGE)
    requests.phase = "after"
    requests.alloc("the byte below", 1, 1)
    requests.alloc("none", 4 * MIB, PAGE)
    sources = [row.source for row in requests.rows]
    assert sources == ["scratch", "low memory", "extended", ""]
    assert requests.rows[2].address == 2 * MIB - PAGE - 1


# Why a request failed


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ((2 * MIB, 0, 0), "2 MiB of memory free, the largest piece 1 MiB, 2 MiB asked"),
        ((MIB, 0, 0), "no aligned place for 1 MiB in 2 MiB of free memory"),
        ((GIB, 0, 0), "2 MiB of memory free, the largest piece 1 MiB, 1 GiB asked"),
        (
            (MIB, MIB + PAGE // 2, NODE_1),
            "1022 KiB of memory below 0x200000 free, the largest piece 1022 KiB, 1 MiB asked",
        ),
        (
            (PAGE, NODE_1 - 100, NODE_1 + PAGE),
            "100 B of memory below 0x201000 free, the largest piece 100 B, 4 KiB asked",
        ),
        (
            (2 * MIB, MIB, NOLEAKTRACE),
            "2 MiB of memory free, the largest piece 1 MiB, 2 MiB asked",
        ),
        ((PAGE, END + PAGE, 0), "0 B of memory free, the largest piece 0 B, 4 KiB asked"),
        (
            (1, 0, MIB),
            "0 B of memory below 0x100000 free, the largest piece 0 B, 1 B asked",
        ),
        (
            (100, MIB, MIB + 99),
            "99 B of memory below 0x100063 free, the largest piece 99 B, 100 B asked",
        ),
    ],
)
def test_a_refusal_says_what_was_free_within_its_limits(asked, why):
    memblock = Memblock()
    memblock.add(MIB, MIB, 0)
    memblock.add(NODE_1 + PAGE, MIB, 1)
    memblock.current_limit = memblock.end_of_dram()
    assert Requests(memblock).explain(*asked) == why


def test_a_refused_request_is_explained_within_the_limits_of_its_last_search():
    requests = two_nodes()
    requests.alloc("large", 2 * MIB, PAGE, low=NODE_1 - PAGE, high=NODE_1 + PAGE)
    requests.alloc_range("large", 2 * MIB, 2 * MIB, NODE_1, 0)
    assert [row.why for row in requests.rows] == [
        "1.004 MiB of memory below 0x201000 free, the largest piece 1 MiB, 2 MiB asked",
        "1 MiB of memory free, the largest piece 1 MiB, 2 MiB asked",
    ]


# Refusals that a scenario asks for


def test_a_fault_strikes_the_requests_of_that_name_that_it_counts():
    requests = two_nodes()
    requests.refusals = (Refusal("struck", 2, 2), Refusal("once"))
    names = ["struck", "other", "struck", "once", "struck", "once", "struck", "other", "struck"]
    failed = [requests.alloc(name, PAGE, PAGE) == 0 for name in names]
    assert failed == [False, False, True, True, True, False, False, False, False]
    assert [row.failed for row in requests.rows] == failed


def test_a_struck_request_is_written_down_like_any_other_and_takes_nothing():
    requests = two_nodes()
    requests.phase = "after"
    requests.refusals = (Refusal("bound"), Refusal("gigantic page"))
    requests.alloc("bound", PAGE, 64, nid=1, low=PAGE, high=END)
    requests.alloc_gigantic(GIB, 1, 3, exact_nid=True, avoid_scratch=True)
    assert requests.memblock.reserved_size() == 0
    struck = {"phase": "after", "failed": True, "why": "refused by a fault of the scenario"}
    assert requests.rows == [
        Request(
            what="bound", size_bytes=PAGE, align_bytes=64, nid=1, min_address=PAGE,
            max_address=END, **struck,
        ),
        Request(
            what="gigantic page", size_bytes=GIB, align_bytes=GIB, nid=1, count=3, **struck
        ),
    ]  # fmt: skip


# The counterfactual


def test_what_only_the_extension_could_serve_was_avoided():
    """The counterfactual has room for one of two equal requests."""
    requests = scratch((2 * MIB, 2 * MIB + 3 * PAGE), end=4 * MIB)
    requests.start_counterfactual()
    requests.memblock.mark_kho_scratch(MIB, 3 * MIB)
    for _ in range(2):
        requests.alloc("page", PAGE, PAGE)
    for _ in range(2):
        requests.alloc("two pages", 2 * PAGE, PAGE)
    assert [row.avoided for row in requests.rows] == [False, False, True, True]
    assert [(r.base, r.end) for r in requests.counterfactual.reserved] == [
        (2 * MIB + PAGE, 2 * MIB + 3 * PAGE)
    ]


def test_part_of_a_block_is_freed_where_the_counterfactual_has_it():
    requests = scratch((2 * MIB, 2 * MIB + 4 * PAGE), end=4 * MIB)
    requests.start_counterfactual()
    requests.memblock.mark_kho_scratch(MIB, 3 * MIB)
    block = requests.alloc("block", 4 * PAGE, PAGE)
    requests.free(block, PAGE, 2 * PAGE)
    assert block == 4 * MIB - 4 * PAGE
    for memblock, start in ((requests.memblock, block), (requests.counterfactual, 2 * MIB)):
        assert [(r.base, r.end) for r in memblock.reserved] == [
            (start, start + PAGE),
            (start + 3 * PAGE, start + 4 * PAGE),
        ]


def test_freeing_what_the_counterfactual_never_had_changes_nothing_there():
    requests = scratch((2 * MIB, 2 * MIB + PAGE), end=4 * MIB)
    requests.memblock.reserve(0, MIB)
    requests.start_counterfactual()
    requests.memblock.mark_kho_scratch(MIB, 3 * MIB)
    block = requests.alloc("too large for scratch", 2 * PAGE, PAGE)
    requests.free(block, 0, 2 * PAGE)
    assert requests.memblock.reserved_size() == requests.counterfactual.reserved_size() == MIB


# Runs of equal requests


def state(requests: Requests) -> list[object]:
    """All that anybody can see of requests and their two memblocks."""
    blocks = [requests.memblock, *([requests.counterfactual] if requests.counterfactual else [])]
    seen: list[object] = [requests.rows, requests._counterfactual_addresses]
    for block in blocks:
        seen += [list(block.reserved), block.reserved.capacity, block.messages]
    return [*seen, requests.memblock.regions_scanned, requests.memblock.regions_moved]


def scattered(holes: list[int], full: int, counterfactual: bool) -> Requests:
    """Free pieces of so many pages, ``full`` reserved bytes that keep others apart below."""
    memblock = Memblock()
    memblock.can_resize = True
    memblock.add(MIB, 64 * MIB, 0)
    memblock.current_limit = memblock.end_of_dram()
    for number in range(full):
        memblock.reserve(MIB + number * 2 * PAGE, PAGE)
    address = memblock.current_limit
    for pages in holes:
        address -= (pages + 1) * PAGE
        memblock.reserve(address, PAGE)
    requests = Requests(memblock)
    if counterfactual:
        requests.start_counterfactual()
        requests.counterfactual.reserve(memblock.current_limit - 8 * PAGE, 2 * PAGE)
    return requests


@given(
    holes=st.lists(st.integers(1, 30), max_size=4),
    full=st.sampled_from([0, 121, 124, 126]),
    counterfactual=st.booleans(),
    struck=st.booleans(),
    pages=st.integers(1, 3),
    count=st.integers(1, 60),
)
@settings(max_examples=40)
def test_a_run_is_what_so_many_single_requests_are(
    holes, full, counterfactual, struck, pages, count
):
    run, single = (scattered(holes, full, counterfactual) for _ in range(2))
    size, at = pages * PAGE, {"nid": 0, "low": 2 * MIB, "high": NOLEAKTRACE}
    for requests in (run, single):
        requests.refusals = (Refusal("run", 20, 1),) if struck else ()
    made = run.alloc_run("run", size, PAGE, count, **at)
    expected = 0
    while expected < count and single.alloc("run", size, PAGE, **at):
        expected += 1
    assert made == expected
    assert state(run) == state(single)


def test_a_run_ends_with_the_memory():
    requests = two_nodes()
    assert requests.alloc_run("run", PAGE, PAGE, 600, nid=0, low=PAGE, high=0) == 512
    assert [row.failed for row in requests.rows] == [False] * 512 + [True]


def test_a_long_run_is_made_nearly_at_once(monkeypatch):
    """Two requests show how it goes on; the last before a piece of memory ends are single."""
    asked = count_requests(monkeypatch)
    requests = two_nodes()
    assert requests.alloc_run("run", PAGE, PAGE, 500, nid=0, low=PAGE, high=0) == 500
    assert len(asked) <= 6


def test_the_memmap_of_a_table_is_one_run(monkeypatch):
    asked = count_requests(monkeypatch)
    memblock = Memblock()
    memblock.add(0, 60 * GIB, 0)
    memblock.current_limit = memblock.end_of_dram()
    requests = Requests(memblock)
    initialise_sections(requests, load_build(), RULES)
    assert len(requests.rows) > 480
    assert len(asked) <= 16


def test_the_counterfactual_is_not_asked_again_for_what_it_refused(monkeypatch):
    asked = count_requests(monkeypatch)
    requests = scratch((2 * MIB, 2 * MIB + PAGE), end=4 * MIB)
    requests.start_counterfactual()
    requests.memblock.mark_kho_scratch(MIB, 3 * MIB)
    for _ in range(5):
        requests.alloc("two pages", 2 * PAGE, PAGE)
    assert [memblock is requests.counterfactual for memblock in asked].count(True) == 1


def count_requests(monkeypatch) -> list[Memblock]:
    """Return a list that gets the memblock of each allocation that is really asked for."""
    asked = []
    alloc = Memblock.alloc_try_nid_raw
    monkeypatch.setattr(
        Memblock, "alloc_try_nid_raw", lambda self, *call: asked.append(self) or alloc(self, *call)
    )
    return asked
