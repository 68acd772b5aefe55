"""Blocks whose size follows the size of memory, so that small machines recover something too.

The patch's 1 GiB is one number for all machines: on 1 GiB of memory the only block is always busy,
on terabytes finer blocks bring little. Here the block is the largest power of two of which at least
1024 fit below the end of memory, not smaller than a huge page (a pageblock, the alignment
of the memmap) and not larger than ``shift``. The number of blocks, and with it the number of ranges
that memblock may have to keep and the pages of the digest, then has a bound that no workload can
exceed.

No kernel does this. The walk skips as ``blocks-skip`` does.
"""

from __future__ import annotations

from kho_sim.kho.extend.base import ExtendOptions
from kho_sim.kho.extend.blocks import by_blocks
from kho_sim.kho.extend.blocks_skip import once_a_block
from kho_sim.memory.memblock import Memblock
from kho_sim.platform.geometry import Geometry

BLOCKS_MIN_SHIFT = 10
"""log2 of 1024 blocks, an assumption: blocks of a thousandth. Twice as many at most, so at worst
about a thousand free ranges, 24 KiB of array each time it doubles."""


def scaled_shift(memblock: Memblock, options: ExtendOptions, geometry: Geometry) -> int:
    """Return log2 of the block size for the memory of a machine, at most ``options.shift``."""
    return block_shift(memblock.end_of_dram(), options.shift, geometry)


def block_shift(end_of_dram: int, largest: int, geometry: Geometry) -> int:
    """Return log2 of the block size in bytes for memory that ends at ``end_of_dram``.

    Not below a pageblock: early boot asks for its large pieces (memmap, per-CPU units) at the
    alignment of a huge page.
    """
    wanted = end_of_dram.bit_length() - 1 - BLOCKS_MIN_SHIFT
    smallest = geometry.page_shift + geometry.pageblock_order
    return min(max(wanted, smallest), largest)


extend = by_blocks(shift=scaled_shift, visits=once_a_block)
"""Mark around busy blocks of a size that ``memblock.end_of_dram()`` decides.

``options.shift`` is the largest block. Errors are those of ``blocks``.
"""
