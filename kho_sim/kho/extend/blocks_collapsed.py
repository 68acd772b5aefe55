"""The patch's blocks, with a flag on tables that are full: their keys need no visit.

Proposed by Pratyush Yadav (3 April 2025; field.md 3): a flag in the entry of the upper table says
that all of a leaf is set. Assumed: the kernel that preserves keeps the flag true at no cost, and a
full leaf is one visit and an addition for each block that it touches. What is marked is what the
patch marks. No kernel does this.
"""

from __future__ import annotations

from kho_sim.kho.extend.base import ExtendOptions, Extension
from kho_sim.kho.extend.blocks import every_key, extend_around
from kho_sim.kho.radix import WORD_BYTES, AllocatePage, FreePage, FrozenRadixTree, LeafSpan
from kho_sim.memory.memblock import Memblock


def extend(
    memblock: Memblock,
    incoming: FrozenRadixTree,
    options: ExtendOptions,
    allocate_page: AllocatePage,
    free_page: FreePage,
) -> Extension:
    """Mark what ``blocks`` marks at the same shift, with one visit for a leaf that is full."""
    return extend_around(
        memblock, incoming, options.shift, allocate_page, free_page, visits=once_if_full
    )


def once_if_full(span: LeafSpan, shift: int) -> tuple[int, int, int]:
    """Stop once at a full leaf, and add each block that it touches once."""
    if span.bits != span.bitmaps.full:
        return every_key(span, shift)
    leaf_shift = span.block_shift + span.bitmaps.shift
    words = span.bitmaps.geometry.page_bytes // WORD_BYTES
    return 1, 1 << max(leaf_shift - shift, 0), words
