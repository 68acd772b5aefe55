"""Counts of the work that a step of the kernel did; ``rates/`` turns them into nanoseconds.

The model rooms (``memory/``, ``kho/``) have no clock. They return a ``Work``, so what a step costs
is decided in one place, and tests can hold the counts themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import add, attrgetter


@dataclass(frozen=True, slots=True)
class Work:
    """How often each costly thing happened. Add two with ``+``."""

    keys_walked: int = 0
    """Keys visited by a tree walk (one leaf bit each): preservations, and blocks of a digest."""
    tables_walked: int = 0
    """Radix tree pages visited by a walk."""
    words_scanned: int = 0
    """Slots of upper tables and words of leaves that a walk passes: a page is 512 of 8 bytes."""
    keys_added: int = 0
    """Keys inserted into a tree, present ones included (each descends five levels)."""
    tables_allocated: int = 0
    """Radix tree pages allocated (and, for the digest, freed again)."""
    ranges_marked: int = 0
    """memblock_mark_kho_scratch() calls that had bytes to mark."""
    regions_scanned: int = 0
    """memblock regions passed over by searches."""
    regions_moved: int = 0
    """memblock regions shifted in their array by an insertion or a removal."""
    ranges_reserved: int = 0
    """memblock_reserve() calls."""
    ranges_isolated: int = 0
    """memblock calls that cut a reserved range out to flag it or to give it back."""
    regions_passed: int = 0
    """Regions below a range, passed by each walk of the array that inserts or isolates it."""
    tree_lookups: int = 0
    """Descents from the root of a tree to where a key is or would be (five levels)."""
    gaps_compared: int = 0
    """Comparisons of a gap between blocks with one of those that were chosen before it."""
    orders_set: int = 0
    """Preservations whose order and mark are written into their head page."""
    pages_initialised: int = 0
    """struct pages initialised."""
    pages_allocated: int = 0
    """Pages taken from the page allocator."""
    pages_migrated: int = 0
    """Pages copied out of CMA because they were pinned."""

    def __add__(self, other: Work) -> Work:
        return Work(*map(add, _counts(self), _counts(other)))


_counts = attrgetter(*(f.name for f in fields(Work)))
