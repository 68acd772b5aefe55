"""Reserve before all other early allocations, set orders in a second walk.

Proposed by Pratyush Yadav (KHO notes, 9 March 2026; field.md 3), and what the patch argues against:
memblock.reserved is then full of scattered pages while the rest of early boot searches it. As it
was measured on a laboratory kernel (strategies, `obs_strategy=early`): each preservation is
reserved once, with the NOINIT flag in the same call; pages of the incoming tree are reserved as
well, plain, for they are read once more, so they do not merge with preservations beside them. The
second walk initialises struct pages and sets orders; then the pages of the tree are given back.

What early boot may use is up to the extension: with ``reserve-early`` all that is not reserved.
"""

from __future__ import annotations

from collections.abc import Iterator

from kho_sim.base.extent import Extent
from kho_sim.base.work import Work
from kho_sim.kho.key_runs import NO_RANGES, KeyRuns, Ranges
from kho_sim.kho.radix import FrozenRadixTree
from kho_sim.kho.retrieve import collect_runs, one_call
from kho_sim.kho.retrieve.base import FirstPass, Retrieval, RetrieveOptions
from kho_sim.kho.retrieve.collect_runs import walk_work
from kho_sim.kho.retrieve.reserver import BlockReserver
from kho_sim.memory.memblock import RSRV_NOINIT, Memblock


def reserve_each(memblock: Memblock, incoming: FrozenRadixTree) -> FirstPass:
    """Reserve every preservation with one call, and every page of the tree, in walk order.

    The array may have to grow, out of the original scratch. If that fails, what is reserved stays.
    """
    return _reserve(memblock, incoming, collects=False)


def reserve_runs(memblock: Memblock, incoming: FrozenRadixTree) -> FirstPass:
    """Reserve the preservations with one call for each run of keys (`obs_runs`), and the tree."""
    return _reserve(memblock, incoming, collects=True)


def retrieve_each(
    memblock: Memblock, incoming: FrozenRadixTree, options: RetrieveOptions
) -> Retrieval:
    """Set orders, and give the pages of the tree back; after a first pass that failed, retrieve as
    ``one-call`` does."""
    if options.reserved:
        return _second_pass(memblock, incoming)
    return one_call.retrieve(memblock, incoming, options)


def retrieve_runs(
    memblock: Memblock, incoming: FrozenRadixTree, options: RetrieveOptions
) -> Retrieval:
    """Set orders, and give the pages of the tree back; after a first pass that failed, retrieve as
    ``collect-runs`` does."""
    if options.reserved:
        return _second_pass(memblock, incoming)
    return collect_runs.retrieve(memblock, incoming, options)


def _reserve(memblock: Memblock, incoming: FrozenRadixTree, collects: bool) -> FirstPass:
    kept, tables = BlockReserver(memblock, RSRV_NOINIT), BlockReserver(memblock)
    page_bytes = incoming.geometry.page_bytes
    for table, ranges in _waiting(incoming) if collects else _in_walk_order(incoming):
        if table:
            tables.reserve(Extent(table, table + page_bytes), page_bytes)
        if tables.errno or kept.reserve_all(ranges):
            break
    walked = Work(
        keys_walked=len(incoming), tables_walked=incoming.nodes, words_scanned=incoming.words
    )
    return FirstPass(kept.work + tables.work + walked, kept.error or tables.error)


def _in_walk_order(incoming: FrozenRadixTree) -> Iterator[tuple[int, Ranges]]:
    """Yield each table with the ranges of its keys."""
    page_shift = incoming.geometry.page_shift
    for table, bits in incoming.walk_tables():
        spans = incoming.spans(table.prefix, bits)
        borders = [(span.order, span.first_block, span.borders()) for span in spans]
        yield table.address, KeyRuns.of(borders, page_shift).ranges() if borders else NO_RANGES


def _waiting(incoming: FrozenRadixTree) -> Iterator[tuple[int, Ranges]]:
    """Yield the same with neighbours joined across tables: a table is reserved at once, a run when
    a key comes that is none of its neighbours."""
    run = NO_RANGES
    for table, ranges in _in_walk_order(incoming):
        runs = run.followed_by(ranges).collected()
        yield table, runs.piece(0, -1)
        run = runs.piece(max(len(runs) - 1, 0), len(runs))
    yield 0, run


def _second_pass(memblock: Memblock, incoming: FrozenRadixTree) -> Retrieval:
    regions_before, moved = len(memblock.reserved), memblock.regions_moved
    page_bytes, passed = incoming.geometry.page_bytes, 0
    for address in incoming.table_pages():
        passed += memblock.reserved.first_ending_after(address)
        memblock.phys_free(address, page_bytes)
    given_back = Work(
        ranges_isolated=incoming.nodes,
        regions_passed=passed,
        regions_moved=memblock.regions_moved - moved,
    )
    work = walk_work(incoming) + given_back
    return Retrieval(regions_before, len(memblock.reserved), work)
