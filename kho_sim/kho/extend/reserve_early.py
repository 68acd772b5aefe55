"""The alternative that the patch argues against: first reserve what is preserved, then use all.

The patch's text: call kho_mem_retrieve() earlier and mark all preservations as reserved, at the
price of a memblock.reserved full of scattered pages. The reservations are the first pass of a
retrieval that has one (``kho.retrieve.two_pass``); a retrieval without one gives way to its early
form. What is left to the extension is one mark over all memory. Recorded as `obs_strategy=early`
(strategies, README). No released kernel does this.
"""

from __future__ import annotations

from errno import ENOMEM

from kho_sim.base.extent import Extent, subtracted
from kho_sim.base.work import Work
from kho_sim.kho.extend.base import ExtendOptions, Extension, error_line
from kho_sim.kho.radix import AllocatePage, FreePage, FrozenRadixTree
from kho_sim.memory.memblock import Memblock


def extend(
    memblock: Memblock,
    incoming: FrozenRadixTree,
    options: ExtendOptions,
    allocate_page: AllocatePage,  # noqa: ARG001
    free_page: FreePage,  # noqa: ARG001
) -> Extension:
    """Mark all memory.

    It ends with an error, and marks nothing, where the first pass has not reserved everything:
    memblock.reserved could not grow.
    """
    scratch_before = memblock.scratch_bytes()
    errno = 0 if all_reserved(memblock, incoming) else -ENOMEM
    if not errno:
        errno = memblock.mark_kho_scratch(0, memblock.end_of_dram())
    return Extension(
        shift=options.shift,
        extended_bytes=memblock.scratch_bytes() - scratch_before,
        error=error_line(errno),
        work=Work(ranges_marked=int(not errno)),
    )


def all_reserved(memblock: Memblock, incoming: FrozenRadixTree) -> bool:
    """Tell whether all that is preserved, and every page of the incoming tree, is reserved."""
    page_bytes = incoming.geometry.page_bytes
    tables = (Extent(page, page + page_bytes) for page in incoming.table_pages())
    reserved = [Extent(region.base, region.end) for region in memblock.reserved]
    return not subtracted([*incoming.preserved_extents(), *tables], reserved)
