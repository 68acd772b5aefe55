"""Blocks of the smallest gigantic page that the command line asks for.

Proposed by Mike Rapoport (17 May 2026; field.md 3), for arm64, where a gigantic page need not be
1 GiB and there may be two sizes. Yadav objected (18 May) that block size is granularity, and has
nothing to do with gigantic pages. Assumed: of two sizes the smaller one counts; without gigantic
pages the block is the patch's. The walk is the patch's. No released kernel does this.
"""

from __future__ import annotations

from kho_sim.kho.extend.base import ExtendOptions
from kho_sim.kho.extend.blocks import by_blocks
from kho_sim.memory.memblock import Memblock
from kho_sim.platform.geometry import Geometry


def _gigantic_shift(_memblock: Memblock, options: ExtendOptions, _geometry: Geometry) -> int:
    return min((options.shift, *options.gigantic_shifts))


extend = by_blocks(shift=_gigantic_shift)
"""Mark around busy blocks as large as a gigantic page, at most ``options.shift``."""
