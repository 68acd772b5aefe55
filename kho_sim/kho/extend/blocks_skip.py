"""The patch's blocks, found without looking at every bit: skip what lies in a block known busy.

The first set bit of a leaf makes its block busy; no later bit inside the same block can change
that. So the walk goes on at the first bit of the next block: a find_next_bit() from there. With
blocks of 128 MiB or more a leaf of order 0 is one block, and one bit is enough. The memory that is
marked is exactly the patch's; what is saved is the time, which by the cost model is a scan and a
five-level insertion for each key (kernel-facts section 14).

No kernel does this. It needs a walk whose callback can say where to go on.
"""

from __future__ import annotations

from kho_sim.kho.extend.blocks import by_blocks, every_key
from kho_sim.kho.radix import LeafSpan

WORD_BITS = 64


def once_a_block(span: LeafSpan, shift: int) -> tuple[int, int, int]:
    """Stop at the first key of each block, and add that block; a key larger than a block is
    stopped at as ever. The words of a block that is busy are spared, but for the first."""
    coarsening = min(shift - span.block_shift, span.bitmaps.shift)
    if coarsening <= 0:
        return every_key(span, shift)
    blocks = span.coarser(coarsening).bit_count()
    return blocks, blocks, blocks * ((1 << coarsening) // WORD_BITS)


extend = by_blocks(visits=once_a_block)
"""Mark what ``blocks`` marks at the same shift, with one visit for each block of a leaf."""
