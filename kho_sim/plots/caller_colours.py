"""One colour for each caller of early memory, in every figure of every chain.

Callers that belong together share a hue, the lighter the later in a boot. What a scenario or a log
names itself has a pattern as well, by its name alone, so that it looks the same everywhere. None
has the colour of a kind of memory (scratch, preserved, kept off), beside which a page names them.
Left out: that two such names never look alike; in one figure they do not.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kho_sim.base import requesters


class Look(NamedTuple):
    """The colour of a caller's bars, and the pattern over it ('' is none)."""

    colour: str
    hatch: str = ""


OTHERS = Look("#B8B8B8")
"""All callers that have no bar of their own."""

FAMILIES: dict[Sequence[str], Sequence[str]] = {
    ("#E69F00", "#F3C866", "#F9E3B3", "#B37B00", "#805800", "#FFD54F"): (
        requesters.MEMMAP,
        requesters.MEMMAP_PAGE,
        requesters.VMEMMAP_TABLE,
        requesters.USAGE_MAP,
        requesters.SECTION_ROOT,
        requesters.SECTION_ROOT_ARRAY,
    ),
    ("#CC79A7", "#E3B3CC", "#9E4778"): (
        requesters.SWIOTLB,
        requesters.SWIOTLB_SLOTS,
        requesters.KFENCE_POOL,
    ),
    ("#8C564B", "#D4937C"): (requesters.DENTRY_HASH, requesters.INODE_HASH),
    ("#56B4E9", "#A6D8F5", "#2B7FAE"): (
        requesters.LOG_BUFFER_INFOS,
        requesters.LOG_BUFFER_TEXT,
        requesters.LOG_BUFFER_DESCRIPTORS,
    ),
    ("#009E73", "#7CCFB6"): (requesters.PER_CPU_UNITS, requesters.PER_CPU_AREAS),
    ("#F0E442", "#C7BC00", "#8F8700"): (
        requesters.DIRECT_MAP_PAGE,
        requesters.LINEAR_MAP_TABLE,
        requesters.DIRECT_MAP_PROBE,
    ),
    ("#2F3E4E", "#5F7388", "#97A9BB"): (
        requesters.CRASH_KERNEL,
        requesters.CRASH_KERNEL_LOW,
        requesters.CMA_AREA,
    ),
    ("#7B5EA7", "#B9A6D3"): (requesters.DEVICE_TREE, requesters.NODE_DATA),
}
"""Shades of one hue -> the callers that have them, in order."""

KNOWN = {
    caller: Look(shade)
    for shades, callers in FAMILIES.items()
    for shade, caller in zip(shades, callers, strict=True)
}
OWN_COLOURS, OWN_HATCHES = ("#3F3FBF", "#8C8CF0"), ("", "///", "...", "xxx")


def looks_of(callers: Iterable[str]) -> dict[str, Look]:
    """Return the look of each caller, which depends on nothing but its name."""
    own = [Look(colour, hatch) for hatch in OWN_HATCHES for colour in OWN_COLOURS]
    looks: dict[str, Look] = {}
    for caller in sorted(callers):
        if caller in KNOWN:
            looks[caller] = KNOWN[caller]
            continue
        first = zlib.crc32(caller.encode()) % len(own)
        turned = [*own[first:], *own[:first]]
        looks[caller] = next((look for look in turned if look not in looks.values()), turned[0])
    return looks
