"""The patch's blocks, with a flag on tables that are full: their keys need no visit.

Proposed by Pratyush Yadav (3 April 2025; field.md 3): a flag in the entry of the upper table says
that all of a leaf is set. Assumed: the kernel that preserves keeps the flag true at no cost, and a
full leaf is one visit and an addition for each block that it touches. What is marked is what the
patch marks. No kernel does this.
"""

from __future__ import annotations

from kho_sim.kho.extend.blocks import by_blocks, every_key
from kho_sim.kho.radix import WORD_BYTES, LeafSpan


def once_if_full(span: LeafSpan, shift: int) -> tuple[int, int, int]:
    """Stop once at a full leaf, and add each block that it touches once."""
    if span.bits != span.bitmaps.full:
        return every_key(span, shift)
    leaf_shift = span.block_shift + span.bitmaps.shift
    words = span.bitmaps.geometry.page_bytes // WORD_BYTES
    return 1, 1 << max(leaf_shift - shift, 0), words


extend = by_blocks(visits=once_if_full)
"""Mark what ``blocks`` marks at the same shift, with one visit for a leaf that is full."""
