"""Unmovable pages for pages in CMA, in one zone: the batches of a migration, many at once."""

from __future__ import annotations

from collections.abc import Sequence

from .kinds import CMA, MOVABLE, RECLAIMABLE, UNMOVABLE, Run
from .runs import Queue
from .zone import THIS_ZONE, ZONE_MOVABLE, Zone


def exchange(zone: Zone, sources: Queue, batch: int, most: int) -> Sequence[Run]:
    """Take ``batch`` unmovable pages from a zone and free as many of the sources, which lie in its
    CMA, up to ``most`` times; return what was taken, nothing where that is not sure.

    Targets are pages of user memory from then on, as the sources were.
    """
    most = min(most, _sure_batches(zone, batch))
    if most < 1:
        return []
    worked = zone.rounds(zone.pcp.slot_of(0, CMA))
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
    zone.settle_rounds(zone.pcp.slot_of(0, CMA), moving, worked)
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
