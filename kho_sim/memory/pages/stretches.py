"""How far two kinds of requests that come in turns do not touch each other.

A program that writes a file asks for movable pages, and the kernel for a page of its own every few
hundred of them. Each kind has per-CPU lists of its own. As long as the kernel's requests find a
page on their list, and the others empty one refill of a settled size after the other, neither sees
what the other does: all of the one may be served before all of the other, with the same pages. So
it is with pages that pinning moves to one zone and frees in another.
"""

from __future__ import annotations

from .kinds import UNMOVABLE, Request
from .zone import Zone, preference


def undisturbed(request: Request, zones: list[Zone], kernel_zones: list[Zone]) -> tuple[int, int]:
    """Return how many single pages of a request, and how many unmovable ones, can be served in any
    order; (0, 0) where that is not sure.

    ``zones`` are asked for the request, ``kernel_zones`` for unmovable pages, both in their order.
    """
    serving = first_passing(zones, request.cma)
    at_hand = first_passing(kernel_zones, cma=False)
    if serving is None or at_hand is None:
        return 0, 0
    slot = serving.pcp.slot_of(0, request.migratetype)
    kernel_slot = at_hand.pcp.slot_of(0, UNMOVABLE)
    if serving is at_hand and (slot == kernel_slot or not serving.pcp.refills_are_largest()):
        return 0, 0
    sure = serving.steady_blocks(
        request.blocks, 0, request.migratetype, request.cma, preference(zones, serving)
    )
    if serving in kernel_zones:
        sure = min(sure, _until_refused(serving, at_hand, kernel_zones))
    return (sure, at_hand.pcp.blocks_in(kernel_slot)) if sure else (0, 0)


def apart(freed: Zone, kernel_zones: list[Zone]) -> int:
    """Return how many unmovable pages can be taken before CMA pages of another zone are freed, as
    if both came in turns; 0 where unsure.

    What is freed there must not be what the requests would be served from next.
    """
    at_hand = first_passing(kernel_zones, cma=False)
    if at_hand is None or at_hand is freed:
        return 0
    room = _until_refused(at_hand, at_hand, kernel_zones) - at_hand.pcp.largest_refill
    if freed in kernel_zones[: kernel_zones.index(at_hand)]:
        room = min(room, _until_refused(freed, at_hand, kernel_zones))
    return max(room, 0)


def first_passing(zones: list[Zone], cma: bool) -> Zone | None:
    """Return the zone that is asked first above its low watermark."""
    for zone in zones:
        if zone.passes(zone.watermark_low, 0, cma, preference(zones, zone)):
            return zone
    return None


def _until_refused(serving: Zone, at_hand: Zone, kernel_zones: list[Zone]) -> int:
    """Return how many pages can leave a zone while unmovable requests surely go where they do now.

    What counters hold back makes a zone look up to two thresholds fuller, or emptier.
    """
    above = serving.above(serving.watermark_low, False, preference(kernel_zones, serving))
    doubt = 2 * serving.buddy.free.threshold + 2
    if serving is at_hand:
        return max(above - doubt, 0)
    earlier = kernel_zones.index(serving) < kernel_zones.index(at_hand)
    return 0 if earlier and above > -doubt else serving.managed_pages
