"""The patch: digest the incoming tree into a tree of busy blocks, mark the rest as scratch.

Models kho_extend_scratch() of "[PATCH v2 15/18] kho: extend scratch" (kernel-facts section 5). A
block is busy if it holds preserved memory or a page of the incoming tree, which nothing else
protects. The keys of a leaf are digested at once, with exactly the pages and counts of one key at
a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from errno import ENOMEM

import numpy as np
from numpy.typing import NDArray

from kho_sim.base.work import Work
from kho_sim.kho.extend.base import Extend, ExtendOptions, Extension, error_line
from kho_sim.kho.key import KeySet
from kho_sim.kho.radix import (
    WORD_BYTES,
    AllocatePage,
    FreePage,
    FrozenRadixTree,
    LeafSpan,
    RadixTree,
)
from kho_sim.memory.memblock import KHO_SCRATCH, Memblock
from kho_sim.platform.geometry import Geometry

Visits = Callable[[LeafSpan, int], tuple[int, int, int]]
"""(keys of a leaf, block shift) -> how many of them a walk stops at, how many blocks it adds, how
many words of the leaf it need not scan."""
Shift = Callable[[Memblock, ExtendOptions, Geometry], int]
"""(memblock, options, geometry) -> log2 of the size of a block in bytes."""
Mark = Callable[[Memblock, KeySet, int], tuple[int, Work]]
"""(memblock, busy blocks, block shift) -> (0 or -errno, work of marking)."""


def every_key(span: LeafSpan, shift: int) -> tuple[int, int, int]:
    """Stop at every key and add each block that it touches, known already or not: the patch."""
    keys = span.key_count()
    return keys, keys << max(span.block_shift - shift, 0), 0


def mark_between(memblock: Memblock, busy: KeySet, shift: int) -> tuple[int, Work]:
    """Mark the gaps between busy blocks as scratch; return (0 or -errno, work of marking)."""
    return mark_each(memblock, gaps(busy, shift, memblock.end_of_dram()))


def given_shift(_memblock: Memblock, options: ExtendOptions, _geometry: Geometry) -> int:
    """Return the block shift of the scenario: the patch's is one number for all machines."""
    return options.shift


def extend_around(
    memblock: Memblock,
    incoming: FrozenRadixTree,
    shift: int,
    allocate_page: AllocatePage,
    free_page: FreePage,
    *,
    visits: Visits = every_key,
    mark: Mark = mark_between,
    bad_frames: Sequence[int] = (),
) -> Extension:
    """Digest the incoming tree into busy blocks, mark around them, destroy the digest.

    What strategies by blocks have in common: they differ in ``shift``, in how many bits of a leaf
    the walk looks at (``visits``: the work, never the result), and in what is marked (``mark``).
    Blocks that hold one of ``bad_frames`` are busy as well.
    Raises: ValueError if a block would be smaller than a page.
    """
    if shift < incoming.geometry.page_shift:
        raise ValueError(f"blocks of 2**{shift} bytes are smaller than a page")
    scratch_before = memblock.scratch_bytes()
    digest = RadixTree(allocate_page, free_page, incoming.geometry)
    errno, work = -ENOMEM, Work()
    if digest.root:
        errno, work = _digest(incoming, digest, shift, visits)
        for frame in bad_frames:
            errno = errno or digest.add_key(frame >> shift)
        work += Work(keys_added=len(bad_frames))
    busy, digest_pages, words = digest.keys, digest.nodes, digest.words
    if not errno:
        errno, marking = mark(memblock, busy, shift)
        walk = Work(tables_walked=digest_pages, keys_walked=len(busy), words_scanned=words)
        work += marking + walk
    digest.destroy()
    return Extension(
        busy=busy,
        shift=shift,
        extended_bytes=memblock.scratch_bytes() - scratch_before,
        digest_pages=digest_pages,
        error=error_line(errno),
        work=work + Work(tables_allocated=digest_pages),
    )


def by_blocks(
    *, shift: Shift = given_shift, visits: Visits = every_key, mark: Mark = mark_between
) -> Extend:
    """Return a strategy by blocks of a size that ``shift`` chooses; the rest as ``extend_around``
    has it."""

    def extend(
        memblock: Memblock,
        incoming: FrozenRadixTree,
        options: ExtendOptions,
        allocate_page: AllocatePage,
        free_page: FreePage,
    ) -> Extension:
        chosen = shift(memblock, options, incoming.geometry)
        return extend_around(
            memblock, incoming, chosen, allocate_page, free_page,
            visits=visits, mark=mark, bad_frames=options.bad_frames,
        )  # fmt: skip

    return extend


extend = by_blocks()
"""Mark every block that holds neither preserved memory nor pages of the incoming tree.

Pages of the digest come from ``allocate_page``. When that or a mark fails the step ends with an
error; marks made until then stay. Source: kho_extend_scratch().
"""


def mark_each(
    memblock: Memblock, ranges: NDArray[np.uint64], flags: int = KHO_SCRATCH
) -> tuple[int, Work]:
    """Mark rows of (start, end) as scratch until one fails; return (0 or -errno, work)."""
    passed_before = memblock.memory.passed
    errno, ranges_marked = memblock.mark_kho_scratch_each(ranges, flags)
    passed = memblock.memory.passed - passed_before
    return errno, Work(ranges_marked=ranges_marked, regions_passed=passed)


def gaps(busy: KeySet, shift: int, end_of_dram: int) -> NDArray[np.uint64]:
    """Return what lies below, between and, as far as there is memory, above the busy blocks.

    Rows of (start, end), ascending.
    """
    edges = busy.edges(spare=1)
    edges[1:-1] <<= np.uint64(shift)
    edges[0], edges[-1] = 0, end_of_dram
    rows = edges.reshape(-1, 2)
    lowest, highest = rows[0], rows[-1]
    return rows[int(lowest[0] == lowest[1]) : len(rows) - int(highest[0] >= highest[1])]


def _digest(
    incoming: FrozenRadixTree, digest: RadixTree, shift: int, visits: Visits
) -> tuple[int, Work]:
    """Walk the incoming tree once and add the block of every page of it and of every preservation.

    When the digest gets no page, the leaf of the tree in which that happened is counted as a whole.
    """
    errno = keys_walked = tables_walked = keys_added = words_spared = 0
    for table, bits in incoming.walk_tables():
        tables_walked += 1
        keys_added += 1
        errno = digest.add_key(table.address >> shift)
        for span in incoming.spans(table.prefix, bits) if not errno else ():
            walked, added, spared = visits(span, shift)
            words_spared += spared
            keys_walked += walked
            keys_added += added
            errno = _add_blocks_of(span, digest, shift)
            if errno:
                break
        if errno:
            break
    table_words = incoming.geometry.page_bytes // WORD_BYTES
    return errno, Work(
        keys_walked=keys_walked,
        tables_walked=tables_walked,
        keys_added=keys_added,
        words_scanned=tables_walked * table_words - words_spared,
    )


def _add_blocks_of(span: LeafSpan, digest: RadixTree, shift: int) -> int:
    coarsening = shift - span.block_shift
    if coarsening > span.bitmaps.shift:
        return digest.add_key(span.first_block >> coarsening)
    if coarsening >= 0:
        return digest.add_bits(span.first_block >> coarsening, span.coarser(coarsening))
    for start, end in span.runs():
        first = (span.first_block + start) << -coarsening
        errno = digest.add_keys(first, first + ((end - start) << -coarsening))
        if errno:
            return errno
    return 0
