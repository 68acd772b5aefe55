"""Blocks of the smallest gigantic page that the command line asks for.

Proposed by Mike Rapoport (17 May 2026; field.md 3), for arm64, where a gigantic page need not be
1 GiB and there may be two sizes. Yadav objected (18 May) that block size is granularity, and has
nothing to do with gigantic pages. Assumed: of two sizes the smaller one counts; without gigantic
pages the block is the patch's. The walk is the patch's. No released kernel does this.
"""

from __future__ import annotations

from kho_sim.kho.extend.base import ExtendOptions, Extension
from kho_sim.kho.extend.blocks import extend_around
from kho_sim.kho.radix import AllocatePage, FreePage, FrozenRadixTree
from kho_sim.memory.memblock import Memblock


def extend(
    memblock: Memblock,
    incoming: FrozenRadixTree,
    options: ExtendOptions,
    allocate_page: AllocatePage,
    free_page: FreePage,
) -> Extension:
    """Mark around busy blocks as large as a gigantic page, at most ``options.shift``."""
    shift = min((options.shift, *options.gigantic_shifts))
    return extend_around(memblock, incoming, shift, allocate_page, free_page)
