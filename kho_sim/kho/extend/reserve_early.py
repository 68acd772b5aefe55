"""The alternative that the patch argues against: first reserve what is preserved, then use all.

The patch's text: call kho_mem_retrieve() earlier and mark all preservations as reserved, at the
price of a memblock.reserved full of scattered pages. The pages of the incoming tree must be
reserved as well, for they are read until the retrieval ends. No kernel does this; the order (the
walk's) is ours.
"""

from __future__ import annotations

from collections.abc import Iterator

from kho_sim.base.extent import Extent
from kho_sim.base.work import Work
from kho_sim.kho.extend.base import ExtendOptions, Extension, error_line
from kho_sim.kho.radix import AllocatePage, FreePage, FrozenRadixTree
from kho_sim.kho.retrieve import BlockReserver
from kho_sim.memory.memblock import Memblock


def extend(
    memblock: Memblock,
    incoming: FrozenRadixTree,
    options: ExtendOptions,
    allocate_page: AllocatePage,  # noqa: ARG001
    free_page: FreePage,  # noqa: ARG001
) -> Extension:
    """Reserve every preservation and every page of the incoming tree, then mark all memory.

    Reservations may have to grow memblock.reserved, with memory from the original scratch. If that
    fails the step ends with an error and nothing is marked; what is reserved stays reserved.
    """
    scratch_before = memblock.scratch_bytes()
    reserver = BlockReserver(memblock, noinit=False)
    errno = _reserve_all(incoming, reserver)
    ranges_marked = 0
    if not errno:
        errno = memblock.mark_kho_scratch(0, memblock.end_of_dram())
        ranges_marked = int(not errno)
    return Extension(
        shift=options.shift,
        extended_bytes=memblock.scratch_bytes() - scratch_before,
        error=error_line(errno),
        work=reserver.work_not_done
        + Work(
            keys_walked=len(incoming),
            tables_walked=incoming.nodes,
            ranges_reserved=reserver.blocks,
            ranges_marked=ranges_marked,
        ),
    )


def _reserve_all(incoming: FrozenRadixTree, reserver: BlockReserver) -> int:
    for extent, block_bytes in _in_walk_order(incoming):
        errno = reserver.reserve(extent, block_bytes)
        if errno:
            return errno
    return 0


def _in_walk_order(incoming: FrozenRadixTree) -> Iterator[tuple[Extent, int]]:
    """Yield (range, block size) for each page of the tree and each run of keys in a leaf."""
    page_bytes = incoming.geometry.page_bytes
    for table, bits in incoming.walk_tables():
        yield Extent(table.address, table.address + page_bytes), page_bytes
        for span in incoming.spans(table.prefix, bits):
            block_shift = span.block_shift
            for first, end in span.runs():
                start = (span.first_block + first) << block_shift
                yield Extent(start, start + ((end - first) << block_shift)), 1 << block_shift
