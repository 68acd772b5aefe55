"""Files are written in long stretches, with the pages that single requests in turn would get."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kho_sim.kho.preserve.page_cache import write_file
from kho_sim.memory.pages import MOVABLE, UNMOVABLE, OutOfMemory, Run, zone
from kho_sim.memory.pages.rounds import Rounds
from tests.geometries import FOUR_GIB, GEOMETRIES
from tests.memory.pages.test_allocator_naive import (
    FREES,
    GIB,
    MIB,
    PINS,
    QUICK,
    REQUESTS,
    SORTS,
    THINNINGS,
    Pair,
    pfns,
    play,
)

WRITES = st.tuples(
    st.just("write"),
    st.one_of(st.integers(1, 3000), st.integers(3000, 16000)),
    st.sampled_from([MOVABLE, MOVABLE, MOVABLE, UNMOVABLE]),
)
STEPS = st.lists(
    st.one_of(WRITES, WRITES, REQUESTS, FREES, THINNINGS, SORTS), min_size=1, max_size=10
)


@pytest.fixture(scope="module", autouse=True)
def _bursts_of_few_pages():
    """Small machines come to what only large ones need."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zone, "_MANY", 8)
        yield


class Writing(Pair):
    """The allocator and its naive model, which also write files."""

    def write(self, page_count, kind=MOVABLE):
        try:
            data, index = write_file(self.fast, page_count, huge_folios=False, migratetype=kind)
        except OutOfMemory:
            assert self._write_slowly(page_count, kind) is None
            return
        written = [run for folios in data for run in folios.runs]
        assert (pfns(written, 0), pfns(index, 0)) == self._write_slowly(page_count, kind)
        self.owned += [(0, MOVABLE, written), (0, UNMOVABLE, index)]

    def _write_slowly(self, page_count, kind):
        """Write page by page; give all back, and return None, where memory does not do."""
        geometry = self.fast.geometry
        pages_per_index_page = 64 * (geometry.page_bytes // 576)
        data, index, unmapped, fresh = [], [], 0, []
        while len(data) < page_count:
            fresh = []
            while len(fresh) < min(pages_per_index_page, page_count - len(data)):
                fresh.append(self.slow.alloc(0, kind, user=True))
                if fresh[-1] is None:
                    return self._give_up(fresh[:-1], index, data)
            data += fresh
            unmapped += len(fresh)
            for _ in range(1 + (unmapped >= geometry.table_entries)):
                index.append(self.slow.alloc(0, UNMOVABLE))
                if index[-1] is None:
                    return self._give_up([], index[:-1], data)
            unmapped %= geometry.table_entries
        return data, index

    def _give_up(self, *owned):
        for pfn in [pfn for part in owned for pfn in part]:
            self.slow.free(pfn, 0)


@QUICK
@given(STEPS)
def test_files_in_one_zone(steps):
    pair = Writing([(MIB, 65 * MIB, 0)], [(24 * MIB, 8 * MIB)], 2, kho_boot=False)
    pair.open([(24 * MIB, 32 * MIB)])
    pair.fast.release_scratch()
    pair.slow.release_scratch()
    play(pair, steps)


@QUICK
@given(STEPS, st.sampled_from([1, 3, 30]))
@example([("write", 9000), ("write", 6000)], 1)
def test_files_in_two_zones_with_cma_and_normal_pages_in_turns(steps, cpus):
    memory = [(4 * GIB - 24 * MIB, 4 * GIB + 64 * MIB, 0)]
    pair = Writing(memory, [(4 * GIB + 16 * MIB, 20 * MIB)], cpus, kho_boot=True)
    pair.open([])
    play(pair, steps)


@pytest.mark.parametrize("first", range(12000, 16000, 500))
@pytest.mark.parametrize("unmovable", [500, 590])
def test_a_file_is_cut_where_the_kernel_s_own_pages_get_scarce(first, unmovable):
    """Half of what is left is CMA, which the kernel's requests cannot have: they meet the low
    watermark long before the file does."""
    memory = [(4 * GIB - 8 * MIB, 4 * GIB + 96 * MIB, 0)]
    pair = Writing(memory, [(4 * GIB, 24 * MIB)], 1, kho_boot=True)
    pair.open([])
    play(pair, [("alloc", 0, UNMOVABLE, unmovable), ("write", first), ("write", 6000)])


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=["4K", "16K", "64K"])
@pytest.mark.parametrize("scratch_blocks", [1, 4])
def test_one_file_that_fills_memory_of_any_page_size(geometry, scratch_blocks):
    block = geometry.page_bytes << geometry.max_order
    blocks = max(6, 24000 >> geometry.max_order)
    memory = [(FOUR_GIB - block, FOUR_GIB + blocks * block, 0)]
    scratch = [(FOUR_GIB + block, scratch_blocks * block)]
    pair = Writing(memory, scratch, 1, kho_boot=True, geometry=geometry)
    pair.open([])
    pages = (blocks - 1) * (1 << geometry.max_order)
    play(pair, [("alloc", 0, UNMOVABLE, 1000), ("write", pages // 2), ("write", pages // 2)])


def test_a_file_whose_pages_are_on_the_kernel_s_own_list():
    """Where unmovable pages came back, whole blocks of them are free."""
    pair = Writing([(4 * GIB, 4 * GIB + 64 * MIB, 0)], [(4 * GIB, 4 * MIB)], 1, kho_boot=True)
    pair.open([])
    play(pair, [("alloc", 0, UNMOVABLE, 11000), ("free", 0, 0, 1, False)])
    play(pair, [("write", 3000, UNMOVABLE), ("write", 3000, UNMOVABLE)])


@pytest.mark.parametrize("first", [6900, 7400, 7900, 8100, 8300])
@pytest.mark.parametrize("unmovable", [1, 3000, 10500])
def test_pages_that_are_pinned_in_another_zone(monkeypatch, first, unmovable):
    """Batches are worked together there: memory of the upper zone is full but for CMA."""
    pair = Writing([(4 * GIB - 52 * MIB, 4 * GIB + 32 * MIB, 0)], [(4 * GIB, 12 * MIB)], 1, True)
    pair.open([])
    play(pair, [("alloc", 0, MOVABLE, first), ("alloc", 0, UNMOVABLE, unmovable)])
    asked = _counts(monkeypatch, pair.fast)
    play(pair, [("pin", 0), ("write", 2000)])
    assert max(asked) > 512 or unmovable > 10000


@pytest.mark.parametrize("first", range(6000, 9200, 400))
@pytest.mark.parametrize("unmovable", [1, 900])
def test_pages_that_are_pinned_in_the_zone_that_they_leave(monkeypatch, first, unmovable):
    """What comes back changes the lists that the next batch is served from."""
    pair = Writing([(4 * GIB, 4 * GIB + 64 * MIB, 0)], [(4 * GIB, 28 * MIB)], 2, kho_boot=True)
    pair.open([])
    play(pair, [("alloc", 0, UNMOVABLE, unmovable), ("alloc", 0, MOVABLE, first)])
    worked = _rounds(monkeypatch)
    play(pair, [("pin", 1), ("alloc", 0, MOVABLE, 100), ("alloc", 0, UNMOVABLE, 300)])
    assert sum(worked) > 1


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=["4K", "16K", "64K"])
@pytest.mark.parametrize("share", [2, 3])
def test_batches_that_leave_cma_at_any_page_size(monkeypatch, geometry, share):
    block, blocks = geometry.page_bytes << geometry.max_order, 36
    memory = [(FOUR_GIB, FOUR_GIB + blocks * block, 0)]
    pair = Writing(memory, [(FOUR_GIB, blocks // 2 * block)], 1, kho_boot=True, geometry=geometry)
    pair.open([])
    pair.alloc(0, MOVABLE, (blocks << geometry.max_order) // share)
    worked = _rounds(monkeypatch)
    play(pair, [("pin", 0)])
    assert sum(worked) > 1


@QUICK
@given(st.lists(st.one_of(WRITES, WRITES, REQUESTS, PINS, PINS, THINNINGS), min_size=2, max_size=8))
def test_files_that_are_pinned_between_other_requests(steps):
    pair = Writing([(4 * GIB, 4 * GIB + 80 * MIB, 0)], [(4 * GIB, 32 * MIB)], 2, kho_boot=True)
    pair.open([])
    play(pair, steps)


@QUICK
@given(
    st.integers(0, 3), st.integers(1, 4000), st.integers(0, 4000), st.booleans(),
    st.sampled_from([(512, 512), (512, 100), (0, 700), (40, 512)]), st.integers(1, 1500),
)  # fmt: skip
def test_cycles_of_rounds_are_so_many_rounds(factor, high, movable, below_high, pages, most):
    """Each round by itself comes to the same sizes, and ends at the same round."""
    one = zone.Zone("Normal", 0, 0, 1 << 18, 4)
    one.managed_pages = 1 << 18
    one.resize_lists(8)
    one.below_high = below_high
    one.pcp.high_max = max(high, one.pcp.high_min)
    one.pcp.high = one.pcp.high_min if below_high else one.pcp.high_max
    one.pcp.alloc_factor, one.pcp.pages = factor, movable
    if movable:
        one.pcp.slots[1].append(Run(0, movable))
    at_once, single = one.rounds(1), one.rounds(1)
    at_once.work(*pages, most)
    for number in range(most):
        single.work(*pages, number + 1)
    assert vars(at_once.lists) == vars(single.lists)
    assert (at_once.free.value, at_once.free.pending) == (single.free.value, single.free.pending)
    assert at_once._sums() == single._sums()


def test_most_of_a_file_is_written_in_stretches(monkeypatch):
    """Otherwise the agreement above would say nothing about them."""
    pair = Writing([(4 * GIB, 4 * GIB + 96 * MIB, 0)], [(4 * GIB, 20 * MIB)], 1, kho_boot=True)
    pair.open([])
    asked = _counts(monkeypatch, pair.fast)
    pair.write(18000)
    assert max(asked) > 448 * 8
    assert len(asked) < 18000 // 448


def _rounds(monkeypatch):
    """Return a list that gets how many rounds were worked together each time."""
    worked, work = [], Rounds.work

    def noted(self, *args):
        work(self, *args)
        worked.append(self.rounds)

    monkeypatch.setattr(Rounds, "work", noted)
    return worked


def _counts(monkeypatch, pages):
    """Return a list that gets how many blocks each call of the allocator asks for."""
    asked, alloc = [], pages.alloc
    monkeypatch.setattr(
        pages, "alloc", lambda count, *a, **kw: asked.append(count) or alloc(count, *a, **kw)
    )
    return asked
