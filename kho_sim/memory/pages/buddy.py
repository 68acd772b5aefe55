"""The buddy system of one zone: free lists per order and type, split, merge, claim, steal.

Models mm/page_alloc.c as kernel-facts 9.5 to 9.8 state it: a request takes the head of the
smallest sufficient list, upper halves of a split go to the heads of their lists, a freed block
merges upwards and goes to the tail only when asked (boot) or when its higher buddy is free. A
pageblock's type and the list that its free blocks are on always agree. Left out: HIGHATOMIC
reserves, watermark boosts, isolation, page reporting and shuffling.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from kho_sim.base.errors import ensure
from kho_sim.platform.geometry import PAGES_4K, Geometry

from .counters import ZoneCounter
from .kinds import (
    CMA,
    FALLBACKS,
    MOVABLE,
    TYPE_SLOTS,
    Run,
)
from .lists import BlockList, MaxOrderList
from .runs import Column, Runs, blocks_of
from .user_pages import UserPages


class Buddy:
    """Free blocks of the pages [start_pfn, end_pfn), and what each pageblock is used for."""

    def __init__(self, start_pfn: int, end_pfn: int, geometry: Geometry = PAGES_4K):
        self._max_order = geometry.max_order
        self._max_order_pages = block_pages = geometry.max_order_pages
        self._pageblock_order = geometry.pageblock_order
        self._pageblock_pages = geometry.pageblock_pages
        self._pageblocks_per_block = block_pages // self._pageblock_pages
        self.base_pfn = start_pfn // block_pages * block_pages
        pageblocks = -(-(end_pfn - self.base_pfn) // block_pages) * self._pageblocks_per_block
        self._types = bytearray([MOVABLE]) * pageblocks
        self.user_pages = UserPages(self.base_pfn, pageblocks, geometry)
        self._small = [[BlockList() for _ in range(TYPE_SLOTS)] for _ in range(self._max_order)]
        self._max = [MaxOrderList(block_pages) for _ in range(TYPE_SLOTS)]
        self.free = ZoneCounter()
        self.free_cma = ZoneCounter()

    def type_of(self, pfn: int) -> int:
        """Return the migrate type of the pageblock that holds a page."""
        return self._types[(pfn - self.base_pfn) >> self._pageblock_order]

    def types_of(self, first_pfn: int, end_pfn: int) -> bytearray:
        """Return the types of all pageblocks that some pages lie in."""
        first = (first_pfn - self.base_pfn) >> self._pageblock_order
        return self._types[first : (end_pfn - 1 - self.base_pfn >> self._pageblock_order) + 1]

    def set_type(self, first_pfn: int, end_pfn: int, migratetype: int) -> None:
        """Give a type to whole pageblocks; their free blocks are the caller's business."""
        first = (first_pfn - self.base_pfn) >> self._pageblock_order
        end = -(-(end_pfn - self.base_pfn) // self._pageblock_pages)
        self._types[first:end] = bytes([migratetype]) * (end - first)

    # Taking

    def take_smallest(self, order: int, migratetype: int, limit: int = 1) -> tuple[int, int] | None:
        """Take up to ``limit`` blocks, as so many single requests would until a list runs dry.

        Returns (first pfn, blocks), neighbours ascending, all from one larger block; None if the
        type has nothing large enough. Counters are left to ``account``.
        """
        for held in range(order, self._max_order):
            blocks = self._small[held][migratetype]
            if blocks:
                return self._cut(blocks.pop_head(), held, order, migratetype, limit)
        largest = self._max[migratetype]
        if not largest:
            return None
        whole = limit >> (self._max_order - order)
        if whole > 1:
            pfn, count = largest.pop_head_run(whole)
            return pfn, count << (self._max_order - order)
        return self._cut(largest.pop_head(), self._max_order, order, migratetype, limit)

    def claimable_blocks(self, migratetype: int) -> int:
        """Return how many free blocks of the highest order a type could claim."""
        return sum(len(self._max[donor]) for donor in FALLBACKS[migratetype])

    def take_singles(self, migratetype: int, pages: int, claims: bool = False) -> Runs:
        """Take single pages of one type as so many requests get them, with ``claims`` of whole
        blocks of other types as well; as far as they go, which may be less."""
        parts: list[Sequence[Run]] = []
        while pages:
            largest, whole = self._max[migratetype], pages >> self._max_order
            if whole and largest and not any(row[migratetype] for row in self._small):
                first, blocks = largest.pop_head_runs(whole)
                parts.append(Runs(first, blocks << self._max_order))
            elif found := self.take_smallest(0, migratetype, pages):
                parts.append([Run(*found)])
            elif claims and whole and self.claimable_blocks(migratetype):
                parts.append(self._claim_whole(migratetype, whole))
            else:
                break
            pages -= blocks_of(parts[-1])
        return Runs.chained(parts, 0)

    def _claim_whole(self, migratetype: int, most: int) -> Runs:
        """Claim blocks of the highest order of the first type that has any; return their pages."""
        donor = next(donor for donor in FALLBACKS[migratetype] if self._max[donor])
        first, blocks = self._max[donor].pop_head_runs(most)
        for pfn, count in zip(first.tolist(), blocks.tolist(), strict=True):
            self.set_type(pfn, pfn + (count << self._max_order), migratetype)
        return Runs(first, blocks << self._max_order)

    def claim(
        self, order: int, migratetype: int, min_order: int, limit: int = 1
    ) -> tuple[int, int] | None:
        """Make a pageblock of another type ours, and take up to ``limit`` blocks of its first free
        one, as so many requests would: __rmqueue_claim(). Returns as ``take_smallest`` does.
        """
        eager = migratetype != MOVABLE
        for held in range(self._max_order, min_order - 1, -1):
            if not eager and held < self._pageblock_order // 2:
                break
            donor = self._donor(held, migratetype)
            if donor is None:
                continue
            if held >= self._pageblock_order:
                pfn = self._list(held, donor).pop_head()
                self.set_type(pfn, pfn + (1 << held), migratetype)
                return self._cut(pfn, held, order, migratetype, limit)
            pfn = self._small[held][donor].head()
            if self._worth_claiming(pfn, donor, migratetype):
                self._convert(pfn, donor, migratetype)
                return self.take_smallest(order, migratetype, limit)
        return None

    def steal(self, order: int, migratetype: int) -> int | None:
        """Take a block from another type and leave that type as it is: __rmqueue_steal()."""
        for held in range(order, self._max_order + 1):
            donor = self._donor(held, migratetype)
            if donor is not None:
                pfn = self._list(held, donor).pop_head()
                self._give_back_rest(pfn + (1 << order), pfn + (1 << held), donor)
                return pfn
        return None

    def has_block(self, order: int, with_cma: bool) -> bool:
        """Tell whether any type that the request may use has a block large enough."""
        return any(
            self._list(held, slot)
            for held in range(order, self._max_order + 1)
            for slot in range(TYPE_SLOTS)
            if with_cma or slot != CMA
        )

    def account(self, order: int, blocks: int, cma: bool) -> None:
        """Count blocks as taken, one after the other."""
        self.free.add(-(1 << order), blocks)
        if cma:
            self.free_cma.add(-(1 << order), blocks)

    def _list(self, order: int, migratetype: int) -> BlockList | MaxOrderList:
        if order == self._max_order:
            return self._max[migratetype]
        return self._small[order][migratetype]

    def _donor(self, order: int, migratetype: int) -> int | None:
        for donor in FALLBACKS[migratetype]:
            if self._list(order, donor):
                return donor
        return None

    def _cut(
        self, pfn: int, held: int, order: int, migratetype: int, limit: int
    ) -> tuple[int, int]:
        """Keep up to ``limit`` low parts of a block that was taken off its list."""
        blocks = min(limit, 1 << (held - order))
        self._give_back_rest(pfn + (blocks << order), pfn + (1 << held), migratetype)
        return pfn, blocks

    def _give_back_rest(self, pfn: int, end: int, migratetype: int) -> None:
        """Put the unused upper part of a split block to the heads, each piece to its order."""
        while pfn < end:
            order = (pfn & -pfn).bit_length() - 1
            self._small[order][migratetype].push_head(pfn)
            pfn += 1 << order

    def _worth_claiming(self, pfn: int, donor: int, migratetype: int) -> bool:
        first = pfn // self._pageblock_pages * self._pageblock_pages
        free = sum(1 << order for order, _ in self._blocks_in(first, donor))
        movable = self.user_pages.around(first)
        if migratetype == MOVABLE:
            alike = movable
        else:
            alike = self._pageblock_pages - free - movable if donor == MOVABLE else 0
        return free + alike >= self._pageblock_pages // 2

    def _convert(self, pfn: int, donor: int, migratetype: int) -> None:
        """Move the free blocks of one pageblock, lowest first, to the tails of another type."""
        first = pfn // self._pageblock_pages * self._pageblock_pages
        for order, block in list(self._blocks_in(first, donor)):
            self._small[order][donor].remove(block)
            self._small[order][migratetype].push_tail(block)
        self.set_type(first, first + self._pageblock_pages, migratetype)

    def _blocks_in(self, first: int, migratetype: int) -> Iterator[tuple[int, int]]:
        """Yield (order, pfn) of the free blocks that a pageblock is cut into, ascending."""
        pfn = first
        while pfn < first + self._pageblock_pages:
            highest = min(self._pageblock_order, (pfn & -pfn).bit_length())
            for order in range(highest):
                if pfn in self._small[order][migratetype]:
                    yield order, pfn
                    pfn += 1 << order
                    break
            else:
                pfn += 1

    # Giving

    def give(self, pfn: int, order: int, to_tail: bool = False) -> None:
        """Free one block up to a pageblock, merge it upwards, and list it: __free_one_page()."""
        migratetype = self.type_of(pfn)
        self._count_given(migratetype, 1 << order, 1)
        self._merge(pfn, order, migratetype, to_tail)

    def give_run(self, run: Run, order: int, to_tail: bool = False) -> None:
        """Free the blocks of a run one by one."""
        pieces = self._pieces(*run.extent(order))
        for pfn, size_order in pieces if run.step > 0 else reversed(list(pieces)):
            migratetype = self.type_of(pfn)
            self._count_given(migratetype, 1 << order, 1 << (size_order - order))
            self._merge(pfn, size_order, migratetype, to_tail)

    def _pieces(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield (pfn, order) of the blocks that fill pages which are freed one by one: pageblocks,
        or blocks of the highest order that share one type. Nothing inside of those was free before,
        so what single pages merge to on the way leaves no trace."""
        for pfn, order in _aligned_pieces(start, end, self._max_order):
            if order <= self._pageblock_order or self._uniform_blocks(pfn, 1):
                yield pfn, order
            else:
                for part in range(pfn, pfn + (1 << order), self._pageblock_pages):
                    yield part, self._pageblock_order

    def give_range(self, first: int, end: int) -> None:
        """Free a range at boot, to the tails: whole blocks of the highest order, else by page."""
        pfn = first
        while pfn < end:
            blocks = 0 if pfn % self._max_order_pages else (end - pfn) // self._max_order_pages
            uniform = self._uniform_blocks(pfn, blocks)
            if uniform:
                self._give_max_order(pfn, uniform)
                pfn += uniform * self._max_order_pages
            else:
                until = min(end, (pfn // self._max_order_pages + 1) * self._max_order_pages)
                self.give_run(Run(pfn, until - pfn), 0, to_tail=True)
                pfn = until

    def give_ranges(self, start: Column, end: Column) -> None:
        """Free many ranges at boot, one after the other, as ``give_range`` does."""
        pages = self._max_order_pages
        kind = np.frombuffer(self._types, np.uint8)
        changes = np.flatnonzero(kind[1:] != kind[:-1]) + 1
        first, last = (
            (column - self.base_pfn) >> self._pageblock_order for column in (start, end - 1)
        )
        areas = (np.searchsorted(changes, blocks, "right") for blocks in (first, last))
        whole = np.equal(*areas) & (start % pages == 0) & (end % pages == 0)
        begin = 0
        for odd in [*np.flatnonzero(~whole).tolist(), len(start)]:
            types = kind[first[begin:odd]]
            for migratetype in np.unique(types).tolist():
                own = begin + np.flatnonzero(types == migratetype)
                self._give_max_runs(migratetype, start[own], (end[own] - start[own]) // pages)
            if odd < len(start):
                self.give_range(int(start[odd]), int(end[odd]))
            begin = odd + 1

    def _give_max_runs(self, migratetype: int, first: Column, blocks: Column) -> None:
        self._count_given(migratetype, self._max_order_pages, int(blocks.sum()))
        self._max[migratetype].push_tail_runs(first, blocks)

    def _count_given(self, migratetype: int, pages: int, times: int) -> None:
        self.free.add(pages, times)
        if migratetype == CMA:
            self.free_cma.add(pages, times)

    def give_whole(self, first: int, end: int) -> int:
        """Free the whole blocks of the highest order that a range begins with and that share one
        type, to the tail; return their pages. They count as their pageblocks, one by one."""
        blocks = 0 if first % self._max_order_pages else (end - first) // self._max_order_pages
        if blocks := self._uniform_blocks(first, blocks):
            self._give_max_order(first, blocks, self._pageblocks_per_block)
        return blocks * self._max_order_pages

    def _give_max_order(self, first: int, blocks: int, parts: int = 1) -> None:
        """Free whole blocks; each counts as so many ``parts``, one by one."""
        migratetype = self.type_of(first)
        self._count_given(migratetype, self._max_order_pages // parts, blocks * parts)
        self._max[migratetype].push_tail_run(first, blocks)

    def _uniform_blocks(self, pfn: int, limit: int) -> int:
        """Return how many blocks of the highest order, up to ``limit``, share one type."""
        first = (pfn - self.base_pfn) >> self._pageblock_order
        kind = self._types[first : first + 1]
        same = self._types[first : first + self._pageblocks_per_block * limit]
        return (len(same) - len(same.lstrip(kind))) // self._pageblocks_per_block

    def _merge(self, pfn: int, order: int, migratetype: int, to_tail: bool) -> None:
        while order < self._max_order:
            buddy = pfn ^ (1 << order)
            kind = migratetype if order < self._pageblock_order else self.type_of(buddy)
            if buddy not in self._small[order][kind]:
                break
            if kind != migratetype:
                if CMA in (kind, migratetype):
                    break
                self.set_type(buddy, buddy + (1 << order), migratetype)
            self._small[order][kind].remove(buddy)
            pfn &= buddy
            order += 1
        target = self._list(order, migratetype)
        if to_tail or self._higher_buddy_free(pfn, order):
            target.push_tail(pfn)
        else:
            target.push_head(pfn)

    def _higher_buddy_free(self, pfn: int, order: int) -> bool:
        """Tell whether this block's next larger block is half free already: it may merge soon."""
        if order >= self._max_order - 1:
            return False
        higher = (pfn & ~(1 << order)) ^ (1 << (order + 1))
        return higher in self._small[order + 1][self.type_of(higher)]

    # Looking

    def blocks_free(self, order: int, migratetype: int) -> int:
        return len(self._list(order, migratetype))

    def listed(self, order: int, migratetype: int) -> Iterator[int]:
        """Yield the free blocks of one list, head first."""
        return iter(self._list(order, migratetype))

    def check(self) -> None:
        """Hold the invariants: types agree, nothing overlaps, buddies are merged, counters fit."""
        blocks = sorted(
            chain.from_iterable(
                ((pfn, order, kind) for pfn in self.listed(order, kind))
                for order in range(self._max_order + 1)
                for kind in range(TYPE_SLOTS)
            )
        )
        free = {CMA: 0, MOVABLE: 0}
        previous_end = self.base_pfn
        for pfn, order, kind in blocks:
            ensure(pfn % (1 << order) == 0, "block {:#x} of order {} is not aligned", pfn, order)
            ensure(pfn >= previous_end, "block {:#x} overlaps the one below", pfn)
            for part in range(pfn, pfn + (1 << order), self._pageblock_pages):
                ensure(self.type_of(part) == kind, "block {:#x} is on list {}", part, kind)
            buddy = pfn ^ (1 << order)
            merged = order == self._max_order or buddy not in self._small[order][kind]
            ensure(merged, "block {:#x} and its buddy of order {} are both free", pfn, order)
            free[CMA if kind == CMA else MOVABLE] += 1 << order
            previous_end = pfn + (1 << order)
        ensure(self.free_cma.exact() == free[CMA], "CMA counter is not {}", free[CMA])
        ensure(self.free.exact() == sum(free.values()), "counter is not {}", sum(free.values()))


def _aligned_pieces(start: int, end: int, highest: int) -> Iterator[tuple[int, int]]:
    """Yield (pfn, order) of the largest aligned blocks up to an order that fill [start, end)."""
    while start < end:
        order = min(highest, (end - start).bit_length() - 1)
        if start:
            order = min(order, (start & -start).bit_length() - 1)
        yield start, order
        start += 1 << order
