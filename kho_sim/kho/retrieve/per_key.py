"""Linux as it is: for each preservation a reservation, then the NOINIT flag on it.

Models kho_mem_retrieve() of Linux 7.3 (kernel-facts section 12.1, step 3): each memblock
reservation is plain (no node, no flags) until it is marked. Pages of the incoming tree are not
reserved. Left out: the mark in the head page of each preservation.
"""

from __future__ import annotations

from dataclasses import replace

from kho_sim.base.work import Work
from kho_sim.kho.radix import FrozenRadixTree
from kho_sim.kho.retrieve.base import Retrieval, RetrieveOptions
from kho_sim.kho.retrieve.reserver import BlockReserver
from kho_sim.memory.memblock import Memblock


def retrieve(
    memblock: Memblock,
    incoming: FrozenRadixTree,
    options: RetrieveOptions,
) -> Retrieval:
    """Reserve every preservation of the incoming tree with two calls.

    When memblock's array cannot grow, later preservations are not reserved.
    """
    whole = options.sizes_have_64_bits
    reserver = BlockReserver(memblock, marks_noinit=True, sizes_have_64_bits=whole)
    done = retrieve_with(reserver, memblock, incoming)
    if options.struct_pages_deferred:
        return done
    return replace(done, work=replace(done.work, pages_initialised=0))


def retrieve_with(
    reserver: BlockReserver, memblock: Memblock, incoming: FrozenRadixTree
) -> Retrieval:
    """Reserve key by key; struct pages are initialised as far as keys are reserved."""
    regions_before = len(memblock.reserved)
    reserver.reserve_all(incoming.run_columns().ranges())
    work = reserver.work + Work(
        keys_walked=reserver.work.ranges_reserved,
        tables_walked=incoming.nodes,
        words_scanned=incoming.words,
        orders_set=reserver.work.ranges_reserved,
        pages_initialised=reserver.size_bytes >> incoming.geometry.page_shift,
    )
    return Retrieval(regions_before, len(memblock.reserved), work, reserver.error)
