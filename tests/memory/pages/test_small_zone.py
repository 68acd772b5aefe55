"""One small zone, its free lists and per-CPU lists against the naive model, step by step.

What no whole allocator on a small machine comes to: watermarks, types and per-CPU limits are drawn.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kho_sim.base.extent import Extent
from kho_sim.memory.pages.kinds import CMA, MOVABLE, RECLAIMABLE, UNMOVABLE, Run
from kho_sim.memory.pages.percpu import PerCpuLists
from kho_sim.memory.pages.zone import Zone
from tests.naive.pages import TYPES, NaiveZone

FIRST = 5 << 10
"""Not at a power of two, so that blocks have buddies on both sides."""
BLOCKS = 4
PAGES = BLOCKS << 10
END = FIRST + PAGES
QUICK = settings(max_examples=min(200, settings.default.max_examples), deadline=None)

KINDS = st.sampled_from([UNMOVABLE, MOVABLE, MOVABLE, RECLAIMABLE])
ORDERS = st.sampled_from([0, 0, 0, 1, 2, 3, 4, 8, 9, 10])
BLOCK_TYPES = st.lists(st.sampled_from([*TYPES, MOVABLE]), min_size=2 * BLOCKS, max_size=2 * BLOCKS)
HOLES = st.lists(st.tuples(st.integers(0, PAGES), st.sampled_from([0, 1, 3, 64, 700])), max_size=4)


class Limits(NamedTuple):
    """What a machine decides: pages that are managed, CPUs, watermarks, the fold of counters."""

    managed_pages: int
    cpus: int
    marks: tuple[int, int, int]
    reserve: int
    threshold: int


LIMITS = st.builds(
    Limits,
    st.sampled_from([PAGES, 60_000, 1 << 18]),
    st.sampled_from([1, 2, 64]),
    st.sampled_from([(0, 0, 0), (10, 300, 1000), (100, 2000, 3000)]),
    st.sampled_from([0, 50]),
    st.sampled_from([0, 1, 20, 125]),
)
SERVE = st.tuples(
    st.just("serve"), st.sampled_from([1, 2, 7, 63, 200, 2000]), ORDERS, KINDS,
    st.booleans(), st.booleans(), st.booleans(),
)  # fmt: skip
TAKE = st.tuples(
    st.just("take"), st.sampled_from([1, 3, 40, 900, 5000]), ORDERS, KINDS,
    st.booleans(), st.booleans(),
)  # fmt: skip
CLAIM = st.tuples(st.just("claim"), ORDERS, KINDS, st.booleans())
STEAL = st.tuples(st.just("steal"), ORDERS, KINDS)
FREE = st.tuples(
    st.just("free"), st.integers(0, 20), st.integers(0, 3), st.sampled_from([1, 1, 2, 5]),
    st.booleans(),
)  # fmt: skip
OTHER = st.sampled_from([("drain",), ("settle",)])
BEGINNING = st.sampled_from([
    [],
    [("take", 900, 0, MOVABLE, True, False)],
    [("take", 700, 0, MOVABLE, False, False), ("take", 700, 0, UNMOVABLE, False, False)],
    [("serve", 2000, 0, UNMOVABLE, False, False, False)] * 8,
])  # fmt: skip
STEPS = st.builds(
    lambda taken, freed, rest: [*taken, *freed, *rest],
    BEGINNING,
    st.lists(FREE, max_size=3),
    st.lists(st.one_of(SERVE, SERVE, TAKE, FREE, FREE, CLAIM, STEAL, OTHER), max_size=12),
)
"""Memory is in use, some of it comes back, and then anything."""


class Pair:
    """A zone and its naive model with the same free memory, kept in step."""

    def __init__(self, types, holes, limits):
        self.fast = Zone("Normal", 0, FIRST, END, limits.cpus)
        self.slow = NaiveZone("Normal", set(range(FIRST, END)), limits.cpus)
        for index, kind in enumerate(types):
            pfn = FIRST + (index << 9)
            self.fast.buddy.set_type(pfn, pfn + 512, kind)
            self.slow.types[pfn >> 9] = kind
        self.owned = []
        self._give(
            {pfn for first, size in holes for pfn in range(FIRST + first, FIRST + first + size)}
        )
        self._limit(limits)

    def _give(self, taken):
        pfn = FIRST
        while pfn < END:
            end = pfn
            while end < END and end not in taken:
                self.slow.give(end, 0, True)
                end += 1
            if end > pfn:
                self.fast.buddy.give_range(pfn, end)
            pfn = end + 1

    def _limit(self, limits):
        low, high = limits.marks[1:]
        self.fast.watermark_min, self.fast.watermark_low, self.fast.watermark_high = limits.marks
        self.slow.min, self.slow.low, self.slow.high = limits.marks
        self.fast.lowmem_reserve = self.slow.reserve = limits.reserve
        self.fast.managed_pages = self.slow.managed = limits.managed_pages
        self.fast.pcp.resize(limits.managed_pages, low, limits.cpus)
        self.slow.resize(limits.threshold)
        self.fast.buddy.free.threshold = self.fast.buddy.free_cma.threshold = limits.threshold
        assert low <= high

    def serve(self, want, order, kind, cma, nofragment, reserve):
        runs = self.fast.serve(want, order, kind, cma, nofragment, reserve)
        got = [pfn for run in runs for pfn in run.pfns(order)]
        assert len(got) <= want
        asked = [
            self.slow.serve(order, kind, cma, nofragment, reserve) for _ in range(len(got) or 1)
        ]
        assert asked == (got or [None])
        self._own(runs, order, kind)

    def take(self, blocks, order, kind, cma, nofragment):
        runs = self.fast._take(blocks, order, kind, cma, nofragment)
        got = [pfn for run in runs for pfn in run.pfns(order)]
        assert got == self.slow.take(blocks, order, kind, cma, nofragment)
        self._own(runs, order, kind)

    def claim(self, order, kind, whole):
        least = max(order, 9) if whole else order
        claimed = self.fast.buddy.claim(order, kind, least)
        pfn = claimed and claimed[0]
        self._own_single(pfn, order, kind, "claim", least)

    def steal(self, order, kind):
        self._own_single(self.fast.buddy.steal(order, kind), order, kind, "steal")

    def _own_single(self, pfn, order, kind, way, *least):
        assert pfn == getattr(self.slow, way)(order, kind, *least)
        if pfn is not None:
            in_cma = self.slow.types[pfn >> 9] == CMA
            self.fast.buddy.account(order, 1, in_cma)
            self.slow.count(-(1 << order), self.slow.types[pfn >> 9])
            self._own([Run(pfn, 1)], order, kind)

    def _own(self, runs, order, kind):
        for run in runs:
            self.owned.append((run, order, kind))
            if kind == MOVABLE:
                self.fast.buddy.user_pages.count(run.extent(order), +1)
                self.slow.user_pages.update(range(*run.extent(order)))

    def free(self, which, first, every, backwards):
        if not self.owned:
            return
        run, order, kind = self.owned.pop(which % len(self.owned))
        parts = [Run(pfn, 1) for pfn in run.pfns(order)]
        chosen = parts[first::every] if every > 1 else [run]
        for part in chosen:
            part = part.backwards(order) if backwards else part
            if kind == MOVABLE:
                self.fast.buddy.user_pages.count(part.extent(order), -1)
                self.slow.user_pages.difference_update(range(*part.extent(order)))
            self.fast.free([part], order)
            for pfn in part.pfns(order):
                self.slow.release(pfn, order)
        self.owned += [(part, order, kind) for part in parts if every > 1 and part not in chosen]

    def drain(self):
        self.fast.drain()
        self.slow.drain(0, self.slow.pcp_pages)

    def settle(self):
        self.fast.settle()
        slow = self.slow
        slow.pcp_high, slow.alloc_factor, slow.free_count = slow.high_min, 0, 0
        slow.drain(0, max(slow.pcp_pages - slow.high_min, 0))

    def agree(self):
        fast, slow, pcp = self.fast, self.slow, self.fast.pcp
        lists = {place: list(fast.buddy.listed(*place)) for place in slow.lists}
        assert lists == slow.lists
        assert {n: fast.buddy.type_of(n << 9) for n in slow.types} == slow.types
        for counter in ("free", "free_cma"):
            one, other = getattr(fast.buddy, counter), getattr(slow, counter)
            assert (one.value, one.pending) == (other.value, other.pending)
        held = {
            slot: [pfn for run in runs for pfn in run.pfns(_order_of(slot))]
            for slot, runs in enumerate(pcp.slots)
        }
        assert held == slow.pcp
        assert all(run.blocks for runs in pcp.slots for run in runs)
        assert (pcp.pages, pcp.high, fast.below_high) == (
            slow.pcp_pages, slow.pcp_high, slow.below_high,
        )  # fmt: skip
        assert (pcp.alloc_factor, pcp.free_count) == (slow.alloc_factor, slow.free_count)
        fast.buddy.check()


def _order_of(slot: int) -> int:
    return 9 if slot >= 12 else slot // 3


NO_LIMITS = Limits(PAGES, 1, (0, 0, 0), 0, 0)


@pytest.mark.parametrize("free", [255, 256, 257])
@pytest.mark.parametrize("kind", [UNMOVABLE, MOVABLE])
@pytest.mark.parametrize("donor", [UNMOVABLE, MOVABLE, RECLAIMABLE])
def test_half_a_pageblock_is_enough_to_claim_it(free, kind, donor):
    pair = Pair([donor] + [CMA] * 7, [(free, PAGES - free)], NO_LIMITS)
    if kind != donor:
        pair.claim(4, kind, False)
    pair.agree()


@pytest.mark.parametrize("users", [0, 191, 192, 193, 255, 256, 257])
@pytest.mark.parametrize(("kind", "donor"), [(UNMOVABLE, MOVABLE), (MOVABLE, UNMOVABLE)])
def test_user_pages_decide_a_claim_and_the_next_pageblock_does_not(users, kind, donor):
    pair = Pair([donor, donor] + [CMA] * 6, [(64, 448), (544, PAGES)], NO_LIMITS)
    used = Extent(FIRST + 512 - users, FIRST + 512)
    pair.fast.buddy.user_pages.count(used, +1)
    pair.slow.user_pages.update(range(*used))
    pair.claim(4, kind, False)
    pair.agree()


@pytest.mark.parametrize("threshold", [0, 3])
@pytest.mark.parametrize("lead", range(-8, 9))
@pytest.mark.parametrize("order", range(4))
def test_cma_serves_movable_requests_while_it_is_over_half_of_what_is_free(order, lead, threshold):
    others = 128 - lead
    pair = Pair(
        [CMA, MOVABLE] + [RECLAIMABLE] * 6,
        [(128, 384), (512 + others, PAGES)],
        Limits(PAGES, 1, (0, 0, 0), 0, threshold),
    )
    pair.take(8, order, MOVABLE, True, False)
    pair.agree()


@pytest.mark.parametrize("free", range(300, 1200, 50))
def test_a_zone_is_below_its_high_mark_until_it_is_above_the_reserve_as_well(free):
    pair = Pair(
        [UNMOVABLE] * 8, [(free, PAGES - free)], Limits(60_000, 200, (50, 100, 400), 300, 0)
    )
    pair.fast.below_high = pair.slow.below_high = True
    pair.take(200, 0, UNMOVABLE, False, False)
    while pair.owned:
        pair.free(0, 0, 1, False)
    pair.agree()


@pytest.mark.parametrize("order", range(4))
@pytest.mark.parametrize("free", range(0, 400, 13))
def test_refills_that_are_taken_as_one_notice_the_high_mark_where_single_ones_do(order, free):
    """With so many CPUs the size of a refill never changes."""
    marks = (10, 20, PAGES - free)
    pair = Pair([UNMOVABLE] * 8, [], Limits(60_000, 200, marks, 0, 0))
    pair.serve(2000, order, UNMOVABLE, False, False, False)
    pair.agree()


@pytest.mark.parametrize("order", range(4))
@pytest.mark.parametrize("want", [90, 200, 300])
def test_refills_that_are_taken_as_one_have_the_size_of_their_order(order, want):
    """After single pages in number, whose refills have grown as far as they can."""
    pair = Pair([UNMOVABLE] * 8, [], Limits(60_000, 200, (0, 0, 0), 0, 0))
    for _ in range(6):
        pair.serve(200, 0, UNMOVABLE, False, False, False)
    pair.serve(want, order, UNMOVABLE, False, False, False)
    pair.agree()


@QUICK
@given(BLOCK_TYPES, HOLES, LIMITS, STEPS)
@example([MOVABLE] * 8, [], NO_LIMITS, [("take", 5000, 0, UNMOVABLE, False, False)])
@example(
    [MOVABLE] * 8,
    [],
    Limits(60_000, 1, (0, 0, 0), 0, 0),
    [("serve", 1, 0, MOVABLE, False, False, False), ("settle",)],
)
@example(
    [MOVABLE, UNMOVABLE] * 4,
    [],
    Limits(60_000, 1, (0, 0, 0), 0, 0),
    [
        ("serve", 1, 0, UNMOVABLE, False, False, False),
        ("serve", 1, 3, UNMOVABLE, False, False, False),
        ("serve", 1, 1, UNMOVABLE, False, False, False),
        ("drain",),
    ],
)
@example([MOVABLE] * 8, [], NO_LIMITS, [("steal", 0, UNMOVABLE), ("steal", 9, UNMOVABLE)])
@example(
    [MOVABLE] * 8,
    [],
    Limits(60_000, 1, (0, 0, 0), 0, 0),
    [
        ("take", 900, 0, MOVABLE, False, False),
        ("take", 300, 0, UNMOVABLE, False, False),
        ("free", 0, 0, 1, False),
        ("free", 0, 0, 1, False),
        ("settle",),
    ],
)
def test_a_zone_does_what_its_naive_model_does(types, holes, limits, steps):
    pair = Pair(types, holes, limits)
    pair.agree()
    for verb, *arguments in steps:
        getattr(pair, verb)(*arguments)
        pair.agree()


@pytest.mark.parametrize("order", range(11))
def test_the_orders_that_per_cpu_lists_keep(order):
    assert PerCpuLists().keeps(order) == (order in (0, 1, 2, 3, 9))


def test_user_pages_are_counted_by_pageblock():
    zone = Zone("Normal", 0, FIRST, END, 1)
    zone.buddy.user_pages.count(Extent(FIRST + 500, FIRST + 512 * 4 + 7), +1)
    assert list(zone.buddy.user_pages._pages) == [12, 512, 512, 512, 7, 0, 0, 0]
    zone.buddy.user_pages.count(Extent(FIRST + 512, FIRST + 512 * 4 + 2), -1)
    assert list(zone.buddy.user_pages._pages) == [12, 0, 0, 0, 5, 0, 0, 0]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("held", [0, 1, 3, 9])
def test_a_request_passes_where_a_block_is_large_enough_and_of_a_type_it_may_have(kind, held):
    """Watermarks apart: so many pages are free, but only in blocks of one order and type."""
    pair = Pair([kind] * 8, [(0, PAGES)], NO_LIMITS)
    for index in range(4):
        pair.fast.buddy.give(FIRST + (2 * index << 9), held)
        pair.slow.give(FIRST + (2 * index << 9), held, False)
    pair.agree()
    for order in range(11):
        for cma in (False, True):
            passes = pair.fast.passes(0, order, cma, False)
            assert passes == (
                4 << held > (1 << order) - 1 and order <= held and (cma or kind != CMA)
            )
            assert passes == pair.slow.passes(0, order, cma, False)


@pytest.mark.parametrize("order", [0, 1, 3, 9])
def test_watermarks_keep_pages_back(order):
    pair = Pair([MOVABLE] * 8, [], Limits(PAGES, 1, (0, 0, 0), 100, 0))
    for reserve in (False, True):
        most = PAGES - (1 << order) + 1 - (100 if reserve else 0)
        answers = [pair.fast.passes(mark, order, True, reserve) for mark in (most - 1, most)]
        assert answers == [True, False]
