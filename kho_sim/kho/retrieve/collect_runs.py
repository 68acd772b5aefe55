"""Neighbouring keys are collected while the tree is walked, and reserved as one range.

Measured on a laboratory kernel (strategies, `obs_runs`): for 131,594 keys in 8 runs a tenth of the
instructions. What is left is the walk, struct pages, and the mark in the head page of each
preservation. In memory without neighbours it is ``one-call``. No kernel does this.
"""

from __future__ import annotations

from kho_sim.base.work import Work
from kho_sim.kho.radix import FrozenRadixTree
from kho_sim.kho.retrieve.base import Retrieval, RetrieveOptions
from kho_sim.kho.retrieve.reserver import BlockReserver
from kho_sim.memory.memblock import RSRV_NOINIT, Memblock


def retrieve(
    memblock: Memblock,
    incoming: FrozenRadixTree,
    options: RetrieveOptions,  # noqa: ARG001
) -> Retrieval:
    """Reserve every run of the incoming tree with one call.

    When memblock's array cannot grow, later runs are not reserved; they are walked all the same.
    """
    regions_before, reserver = len(memblock.reserved), BlockReserver(memblock, RSRV_NOINIT)
    reserver.reserve_all(incoming.run_columns().ranges().collected())
    work = reserver.work + walk_work(incoming)
    return Retrieval(regions_before, len(memblock.reserved), work, reserver.error)


def walk_work(incoming: FrozenRadixTree) -> Work:
    """Return what it takes to visit every key and to initialise its struct pages."""
    return Work(
        keys_walked=len(incoming),
        tables_walked=incoming.nodes,
        words_scanned=incoming.words,
        orders_set=len(incoming),
        pages_initialised=incoming.preserved_bytes >> incoming.geometry.page_shift,
    )
