"""The patch: digest the incoming tree into a tree of busy blocks, mark the rest as scratch.

Models kho_extend_scratch() of "[PATCH v2 15/18] kho: extend scratch" (kernel-facts section 5). A
block is busy if it holds preserved memory or a page of the incoming tree, which nothing else
protects. The keys of a leaf are digested at once, with exactly the pages and counts of one key at
a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from errno import ENOMEM

from kho_sim.extent import Extent
from kho_sim.kho.extend.base import ExtendOptions, Extension, error_line, mark_ranges
from kho_sim.kho.key import LEAF_SHIFT, PAGE_SHIFT, KeySet, bit_runs, bits_set, coarser
from kho_sim.kho.radix import (
    AllocatePage,
    FreePage,
    FrozenRadixTree,
    LeafSpan,
    RadixTree,
    leaf_spans,
)
from kho_sim.memory.memblock import Memblock
from kho_sim.work import Work


def extend(
    memblock: Memblock,
    incoming: FrozenRadixTree,
    options: ExtendOptions,
    allocate_page: AllocatePage,
    free_page: FreePage,
) -> Extension:
    """Mark every block that holds neither preserved memory nor pages of the incoming tree.

    Pages of the digest come from ``allocate_page``. When that or a mark fails the step ends with an
    error; marks made until then stay. Source: kho_extend_scratch().
    """
    scratch_before = memblock.scratch_bytes()
    scanned_before, moved_before = memblock.regions_scanned, memblock.regions_moved
    digest = RadixTree(allocate_page, free_page)
    errno, work = _digest(incoming, digest, options.shift) if digest.root else (-ENOMEM, Work())
    busy, digest_pages = digest.keys, digest.nodes
    if not errno:
        gaps = _gaps(busy, options.shift, memblock.end_of_dram())
        errno, ranges_marked = mark_ranges(memblock, gaps, options)
        work += Work(tables_walked=digest_pages, ranges_marked=ranges_marked)
    digest.destroy()
    return Extension(
        busy=busy,
        shift=options.shift,
        extended_bytes=memblock.scratch_bytes() - scratch_before,
        digest_pages=digest_pages,
        error=error_line(errno),
        work=work
        + Work(
            tables_allocated=digest_pages,
            regions_scanned=memblock.regions_scanned - scanned_before,
            regions_moved=memblock.regions_moved - moved_before,
        ),
    )


def _digest(incoming: FrozenRadixTree, digest: RadixTree, shift: int) -> tuple[int, Work]:
    """Walk the incoming tree once and add the block of every page of it and of every preservation.

    When the digest gets no page, the leaf of the tree in which that happened is counted as a whole.
    """
    errno = keys_walked = tables_walked = keys_added = 0
    for table, bits in incoming.walk_tables():
        tables_walked += 1
        keys_added += 1
        errno = digest.add_key(table.address >> shift)
        for span in leaf_spans(table.prefix, bits) if not errno else ():
            key_count = bits_set(span.bits)
            keys_walked += key_count
            keys_added += key_count << max(span.order + PAGE_SHIFT - shift, 0)
            errno = _add_blocks_of(span, digest, shift)
            if errno:
                break
        if errno:
            break
    return errno, Work(keys_walked=keys_walked, tables_walked=tables_walked, keys_added=keys_added)


def _add_blocks_of(span: LeafSpan, digest: RadixTree, shift: int) -> int:
    coarsening = shift - PAGE_SHIFT - span.order
    if coarsening > LEAF_SHIFT:
        return digest.add_key(span.first_block >> coarsening)
    if coarsening >= 0:
        return digest.add_bits(span.first_block >> coarsening, coarser(span.bits, coarsening))
    for start, end in bit_runs(span.bits):
        first = (span.first_block + start) << -coarsening
        errno = digest.add_keys(first, first + ((end - start) << -coarsening))
        if errno:
            return errno
    return 0


def _gaps(busy: KeySet, shift: int, end_of_dram: int) -> Iterator[Extent]:
    """Yield what lies below, between and, as far as there is memory, above the busy blocks."""
    previous_end = 0
    for first, end in busy.runs():
        if first << shift > previous_end:
            yield Extent(previous_end, first << shift)
        previous_end = end << shift
    if previous_end < end_of_dram:
        yield Extent(previous_end, end_of_dram)
