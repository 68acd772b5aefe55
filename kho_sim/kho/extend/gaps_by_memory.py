"""Largest gaps, as many as the machine has GiB, even if memblock has to grow for them.

``largest-gaps`` stops at the sixty gaps for which the array has room, which on terabytes is too few
(the first study: less recovered than by 1 GiB blocks, and node-bound requests refused). Here the
limit is the larger of that and one gap per GiB of memory: 24 bytes twice a GiB. Ours; assumed: the
array that grows finds room in original scratch. Digest and walk are those of ``largest-gaps``; the
gaps of the kernel's plain array are compared with as many as are kept. No kernel does this.
"""

from __future__ import annotations

from kho_sim.base.work import Work
from kho_sim.kho.extend.blocks import by_blocks
from kho_sim.kho.extend.blocks_skip import once_a_block
from kho_sim.kho.extend.largest_gaps import mark_most, room_for_gaps
from kho_sim.kho.key import KeySet
from kho_sim.memory.memblock import Memblock

GAPS_SHIFT = 30


def _mark(memblock: Memblock, busy: KeySet, shift: int) -> tuple[int, Work]:
    wanted = memblock.memory_size() >> GAPS_SHIFT
    return mark_most(memblock, busy, shift, max(room_for_gaps(memblock), wanted))


extend = by_blocks(visits=once_a_block, mark=_mark)
"""Mark the largest gaps between busy blocks, in address order. Errors as ``blocks``."""
