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

from .kinds import CMA, MOVABLE, RECLAIMABLE, UNMOVABLE, Run
from .runs import Queue, Runs
from .zone import THIS_ZONE, ZONE_MOVABLE, Zone

State = tuple[int, ...]
Sums = tuple[int, int, int, int]


class Rounds:
    """What some rounds do to the sizes of a zone's lists and to its counter of free pages.

    ``rounds``: how many were worked; ``taken`` and ``drained``: single pages that left the buddy
    system for the list of unmovable ones, and came back to it from that of movable ones.
    """

    def __init__(self, zone: Zone) -> None:
        self.lists = copy(zone.pcp)
        self.free = copy(zone.buddy.free)
        self.rounds = self.taken = self.drained = 0
        self._below_high = zone.below_high
        self._unmovable = zone.pcp.blocks_in(zone.pcp.slot_of(0, UNMOVABLE))
        self._movable = zone.pcp.blocks_in(zone.pcp.slot_of(0, MOVABLE))

    def work(self, take: int, give: int, most: int) -> None:
        """Work up to so many rounds, each of which takes pages and then frees some; stop before
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
        return (self._unmovable, self._movable, self.free.pending, *limits)

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
        """Free pages, from one overflow of the list to the next; tell whether it sufficed."""
        lists = self.lists
        while left:
            count = min(left, lists.room(0, self._below_high))
            surplus = min(lists.freed(0, count, self._below_high), lists.pages)
            self._movable += count
            left -= count
            if surplus > self._movable:
                return False
            if surplus:
                self._movable -= surplus
                lists.pages -= surplus
                self.drained += surplus
                self.free.add(1, surplus)
        return True


def exchange(zone: Zone, sources: Queue, batch: int, most: int) -> list[Run]:
    """Take ``batch`` unmovable pages from a zone and free as many of the sources, which lie in its
    CMA, up to ``most`` times; return what was taken, nothing where that is not sure.

    Targets are pages of user memory from then on, as the sources were.
    """
    most = min(most, _sure_batches(zone, batch))
    if most < 1:
        return []
    worked = Rounds(zone)
    worked.work(batch, batch, most)
    if not worked.rounds:
        return []
    pages = worked.rounds * batch
    lists = zone.pcp
    moving = sources.take(pages)
    slot = lists.slot_of(0, UNMOVABLE)
    lists.append(slot, zone.take(worked.taken, UNMOVABLE), 0)
    targets = lists.take(slot, pages)
    zone.count_user_pages(targets, 0, +1)
    zone.count_user_pages(moving, 0, -1)
    _settle(zone, moving, worked)
    return targets


def _sure_batches(zone: Zone, batch: int) -> int:
    """Return for how many batches requests are surely served here, from whole blocks that are
    claimed, on the same side of the high watermark."""
    buddy, refill = zone.buddy, zone.pcp.largest_refill
    if buddy.blocks_free(zone.geometry.max_order, UNMOVABLE):
        return 0
    doubt = 2 * buddy.free.threshold + 2 + refill
    blocks = sum(
        buddy.blocks_free(zone.geometry.max_order, kind) for kind in (MOVABLE, RECLAIMABLE)
    )
    sure = min(
        (blocks << zone.geometry.max_order) - refill,
        zone.above(zone.watermark_low, False, THIS_ZONE) - doubt,
    )
    if not zone.below_high:
        sure = min(sure, zone.above(zone.watermark_high, False, THIS_ZONE) - doubt)
    elif zone.above(zone.watermark_high, False, ZONE_MOVABLE) > -doubt:
        sure = 0
    return max(sure, 0) // batch


def _settle(zone: Zone, freed: Runs, worked: Rounds) -> None:
    """Free pages through their list, and leave the zone with the sizes that were worked."""
    lists, slot = zone.pcp, zone.pcp.slot_of(0, CMA)
    for run in freed:
        lists.slots[slot].appendleft(run.backwards())
    lists.pages += freed.block_count()
    for run, order in lists.drained(slot, worked.drained):
        zone.buddy.give_run(run, order)
    zone.pcp = worked.lists
    free = zone.buddy.free
    free.value, free.pending = worked.free.value, worked.free.pending
