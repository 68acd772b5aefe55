"""Rounds of requests and frees in one zone: sizes first, then all pages at once.

Pinning takes a batch of unmovable pages and frees as many that lay in CMA, again and again. Each
kind goes through its per-CPU list as through a queue: what is handed out leaves in the order in
which the buddy system gave it, what is freed goes back in the order in which it came. When a list
is filled or drained depends on sizes, limits and counters alone. So these are worked round by
round, by whole cycles as soon as they repeat, and the pages move at the end. Where a round might do
anything else (meet a watermark, drain another list, find no whole block) it is left to the caller.
"""

from __future__ import annotations

from copy import copy

from .counters import ZoneCounter
from .kinds import UNMOVABLE
from .percpu import PerCpuLists

State = tuple[int, ...]
Sums = tuple[int, int, int, int]


class Rounds:
    """What some rounds do to the sizes of a zone's lists and to its counter of free pages.

    Single unmovable pages are taken, blocks of another list (``slot``) are freed. ``rounds``: how
    many were worked; ``taken`` and ``drained``: pages that left the buddy system, and blocks that
    came back to it.
    """

    def __init__(self, lists: PerCpuLists, free: ZoneCounter, below_high: bool, slot: int) -> None:
        self.lists = copy(lists)
        self.free = copy(free)
        self.rounds = self.taken = self.drained = 0
        self._below_high = below_high
        self._order = lists.order_of(slot)
        self._unmovable = lists.blocks_in(lists.slot_of(0, UNMOVABLE))
        self._freed = lists.blocks_in(slot)

    def work(self, take: int, give: int, most: int) -> None:
        """Work up to so many rounds, each of which takes pages and then frees blocks; stop before
        one that would drain other lists."""
        seen: dict[State, Sums] = {}
        while self.rounds < most:
            state = self._state()
            if state in seen:
                cycle = [now - then for now, then in zip(self._sums(), seen[state], strict=True)]
                times = (most - self.rounds) // cycle[0]
                self._add([times * size for size in cycle])
                seen.clear()
                if times:
                    continue
            seen[state] = self._sums()
            before = dict(vars(self), lists=copy(self.lists), free=copy(self.free))
            self._take(take)
            if not self._give(give):
                vars(self).update(before)
                return
            self.rounds += 1

    def _state(self) -> State:
        lists = self.lists
        limits = (lists.pages, lists.high, lists.alloc_factor, lists.free_count)
        return (self._unmovable, self._freed, self.free.pending, *limits)

    def _sums(self) -> Sums:
        return self.rounds, self.taken, self.drained, self.free.value

    def _add(self, sums: list[int]) -> None:
        self.rounds += sums[0]
        self.taken += sums[1]
        self.drained += sums[2]
        self.free.value += sums[3]

    def _take(self, wanted: int) -> None:
        """Hand pages out, and refill the list when it is empty: ``Zone.serve``."""
        lists = self.lists
        while wanted:
            if not self._unmovable:
                refill = lists.refill_blocks(0, self._below_high)
                self.free.add(-1, refill)
                lists.pages += refill
                self.taken += refill
                self._unmovable = refill
            handed_out = min(self._unmovable, wanted)
            lists.handed_out(handed_out)
            lists.pages -= handed_out
            self._unmovable -= handed_out
            wanted -= handed_out

    def _give(self, left: int) -> bool:
        """Free blocks, from one overflow of the list to the next; tell whether it sufficed."""
        lists, order = self.lists, self._order
        while left:
            count = min(left, lists.room(order, self._below_high))
            pages = min(lists.freed(order, count, self._below_high), lists.pages)
            surplus = -(-pages >> order)
            self._freed += count
            left -= count
            if surplus > self._freed:
                return False
            if surplus:
                self._freed -= surplus
                lists.pages -= surplus << order
                self.drained += surplus
                self.free.add(1 << order, surplus)
        return True
