"""The page allocator agrees with its naive model: same pages, same lists, same order."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kho_sim.memory.pages import (
    MOVABLE,
    RECLAIMABLE,
    UNMOVABLE,
    OutOfMemory,
    PageAllocator,
    Run,
    joined,
    migrate_out_of_cma,
)
from kho_sim.platform.geometry import PAGES_4K
from tests.geometries import ZONES
from tests.naive.pages import NaivePages

MIB = 1 << 20
GIB = 1 << 30
TYPES = (UNMOVABLE, MOVABLE, RECLAIMABLE)
QUICK = settings(
    max_examples=min(40, settings.default.max_examples),
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)

REQUESTS = st.tuples(
    st.just("alloc"),
    st.sampled_from([0, 0, 0, 0, 1, 3, 4, 8, 9, 10]),
    st.sampled_from(TYPES),
    st.one_of(st.integers(1, 40), st.integers(1, 6000)),
)
FREES = st.tuples(
    st.just("free"),
    st.integers(0, 30),
    st.integers(0, 5),
    st.sampled_from([1, 1, 2, 3]),
    st.booleans(),
)
PINS = st.tuples(st.just("pin"), st.integers(0, 30))
SORTS = st.tuples(st.just("sort"), st.integers(0, 30), st.booleans())
THINNINGS = st.tuples(
    st.just("thin"), st.integers(0, 30), st.integers(0, 6), st.integers(2, 5), st.integers(0, 4)
)
FULL = st.tuples(st.just("alloc"), st.just(0), st.sampled_from(TYPES), st.integers(4000, 14000))
STEPS = st.lists(st.one_of(REQUESTS, FREES, THINNINGS, PINS, SORTS), min_size=1, max_size=14)
FRAGMENTED = st.tuples(FULL, FULL, st.lists(THINNINGS, min_size=1, max_size=5), STEPS)


class Pair:
    """The allocator and its naive model, kept in step."""

    def __init__(self, memory, scratch, cpus, kho_boot, geometry=PAGES_4K):
        self.fast = PageAllocator(
            memory, scratch, [cpus], zones=ZONES, kho_boot=kho_boot, geometry=geometry
        )
        self.slow = NaivePages(memory, scratch, cpus, kho_boot, geometry)
        self.owned = []

    def open(self, reserved):
        self.fast.open_early(reserved)
        self.slow.open_early(reserved)
        self.fast.finish_deferred()
        self.slow.finish_deferred()
        self.fill_huge_pools()

    def fill_huge_pools(self):
        self.fast.adopt_gigantic([])
        self.slow.fill_huge_pools()

    def alloc(self, order, kind, count):
        try:
            runs = self.fast.alloc(count, order, kind)
        except OutOfMemory as short:
            runs = short.allocated
        got = pfns(runs, order)
        expected = []
        for _ in range(count):
            pfn = self.slow.alloc(order, kind)
            if pfn is None:
                break
            expected.append(pfn)
        assert got == expected
        if got:
            self.owned.append((order, kind, runs))

    def free(self, which, first_run, every, backwards):
        if not self.owned:
            return
        order, kind, runs = self.owned.pop(which % len(self.owned))
        chosen, kept = list(runs)[first_run::every], list(runs)[:first_run]
        kept += [run for i, run in enumerate(runs[first_run:]) if i % every]
        if backwards:
            chosen = [run.backwards(order) for run in reversed(chosen)]
        self.fast.free(chosen, order, user=kind == MOVABLE)
        for pfn in pfns(chosen, order):
            self.slow.free(pfn, order)
        if kept:
            self.owned.append((order, kind, kept))

    def thin(self, which, log_size, period, residue):
        """Free, of one allocation of single pages, every so-manieth stretch: fragmentation."""
        singles = [i for i, (order, *_) in enumerate(self.owned) if order == 0]
        if not singles:
            return
        _, kind, runs = self.owned.pop(singles[which % len(singles)])
        pages = pfns(runs, 0)
        go = [pfn for pfn in pages if (pfn >> log_size) % period == residue % period]
        kept = sorted(set(pages) - set(go))
        self.fast.free(joined((Run(pfn, 1) for pfn in go), 0), user=kind == MOVABLE)
        for pfn in go:
            self.slow.free(pfn, 0)
        if kept:
            self.owned.append((0, kind, [Run(pfn, 1) for pfn in kept]))

    def sort(self, which, backwards):
        """Put the blocks of one allocation in address order, as if a file had been written so."""
        if not self.owned:
            return
        order, kind, runs = self.owned.pop(which % len(self.owned))
        blocks = sorted(pfns(runs, order), reverse=backwards)
        self.owned.append((order, kind, joined((Run(pfn, 1) for pfn in blocks), order)))

    def pin(self, which):
        """Move the CMA pages among some user pages; what was lost on the way is nobody's."""
        user = [i for i, (_, kind, _) in enumerate(self.owned) if kind == MOVABLE]
        if not user:
            return
        order, kind, runs = self.owned.pop(user[which % len(user)])
        expected = self.slow.pin(pfns(runs, order), order)
        if expected is None:
            with pytest.raises(OutOfMemory):
                migrate_out_of_cma(self.fast, runs, order)
            return
        pinned, migrated = migrate_out_of_cma(self.fast, runs, order)
        assert pfns(pinned, order) == expected
        assert migrated == sum(a != b for a, b in zip(expected, pfns(runs, order), strict=True))
        self.owned.append((order, kind, pinned))

    def agree(self):
        assert self.fast.free_lists() == self.slow.free_lists()
        kept = {
            zone.name: (
                zone.pcp.pages, zone.pcp.high, zone.pcp.alloc_factor, zone.pcp.free_count,
                zone.below_high,
            )
            for zone in self.fast._zones
        }  # fmt: skip
        assert kept == {
            zone.name: (
                zone.pcp_pages, zone.pcp_high, zone.alloc_factor, zone.free_count,
                zone.below_high,
            )
            for zone in self.slow.zones
        }  # fmt: skip
        self.fast.check()


def pfns(runs, order):
    return [pfn for run in runs for pfn in run.pfns(order)]


def play(pair, steps):
    for verb, *arguments in steps:
        getattr(pair, verb)(*arguments)
        pair.agree()


@QUICK
@given(STEPS, st.integers(0, 40))
def test_a_small_machine_in_one_zone(steps, hole):
    pair = Pair([(MIB, 65 * MIB, 0)], [(24 * MIB, 8 * MIB)], 2, kho_boot=False)
    pair.open([(24 * MIB, 32 * MIB), (40 * MIB + hole * 4096, 41 * MIB)])
    pair.fast.release_scratch()
    pair.slow.release_scratch()
    pair.agree()
    play(pair, steps)


@QUICK
@given(STEPS)
def test_two_zones_and_fallback_between_them(steps):
    memory = [(0x1000, 0x9F000, 0), (4 * GIB - 23 * MIB, 4 * GIB + 40 * MIB, 0)]
    pair = Pair(memory, [(4 * GIB + 16 * MIB, 4 * MIB)], 4, kho_boot=True)
    pair.open([(0, MIB), (4 * GIB + 9 * MIB, 4 * GIB + 9 * MIB + 0x27000)])
    pair.agree()
    play(pair, steps)


@QUICK
@given(STEPS)
def test_a_zone_that_is_mostly_cma(steps):
    pair = Pair([(0, 64 * MIB, 0)], [(18 * MIB, 38 * MIB)], 1, kho_boot=True)
    pair.open([(0, 4096)])
    pair.agree()
    play(pair, [("alloc", 0, MOVABLE, 3000), *steps])


@QUICK
@given(FRAGMENTED)
def test_claims_and_steals_in_fragmented_memory(parts):
    first, second, thinnings, steps = parts
    memory = [(MIB, 12 * MIB, 0), (4 * GIB, 4 * GIB + 48 * MIB, 0)]
    pair = Pair(memory, [(4 * GIB + 8 * MIB, 8 * MIB)], 2, kho_boot=True)
    pair.open([])
    play(pair, [first, second, *thinnings, *steps])


@QUICK
@given(st.integers(7, 11), st.integers(2, 4), st.integers(0, 3), st.integers(1, 3000), STEPS)
def test_files_in_descending_order_across_borders(log_size, period, residue, kernel, steps):
    """Runs that descend across the borders of zones, of scratch, and of pageblocks whose type a
    claim has changed."""
    memory = [(4 * GIB - 23 * MIB, 4 * GIB + 40 * MIB, 0)]
    pair = Pair(memory, [(4 * GIB + 6 * MIB, 8 * MIB)], 2, kho_boot=True)
    pair.open([])
    play(pair, [("alloc", 0, MOVABLE, 16000), ("thin", 0, log_size, period, residue)])
    play(pair, [("alloc", 0, UNMOVABLE, kernel), ("sort", 0, True)])
    play(pair, [("pin", 0), ("sort", 1, True), ("free", 1, 0, 1, False), *steps])


def test_requests_before_marks_rise_for_huge_pages():
    """What boot takes till then has the lower marks; what it left below the higher ones stays."""
    pair = Pair([(2 * GIB, 2 * GIB + 48 * MIB, 0), (4 * GIB, 4 * GIB + 32 * MIB, 0)], [], 1, False)
    for pages in (pair.fast, pair.slow):
        pages.open_early([])
        pages.finish_deferred()
    normal = pair.fast._zones[1]
    pair.alloc(9, MOVABLE, 20)
    assert 0 < normal.buddy.free.exact() < 512 * 2
    pair.agree()
    low = normal.watermark_low
    pair.fill_huge_pools()
    assert normal.watermark_low > low
    pair.alloc(0, UNMOVABLE, 700)
    pair.agree()


@pytest.mark.parametrize("cpus", [1, 2, 3])
@pytest.mark.parametrize("top_mib", [600, 777])
def test_deferred_chunks(cpus, top_mib):
    memory = [(MIB, 2 * MIB, 0), (4 * GIB, 4 * GIB + top_mib * MIB, 0)]
    scratch = [(4 * GIB + 200 * MIB, 20 * MIB)]
    pair = Pair(memory, scratch, cpus, kho_boot=True)
    pair.open([(4 * GIB + 300 * MIB + 0x3000, 4 * GIB + 417 * MIB), (4 * GIB, 4 * GIB + 0x1000)])
    pair.agree()
    pair.alloc(0, MOVABLE, 50000)
    pair.alloc(0, UNMOVABLE, 3000)
    pair.agree()
    pair.free(0, 1, 1, backwards=False)
    pair.agree()
