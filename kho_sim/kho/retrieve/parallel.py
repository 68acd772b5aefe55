"""Threads walk the leaves of the tree; one CPU reserves what they found.

Proposed by Pratyush Yadav (3 April 2025) and Tarun Miu (LPC 2025); field.md 1.6 and 3. Each thread
takes a leaf, initialises its struct pages, sets orders and collects its runs. memblock has no lock,
so the runs are reserved in order by one CPU: the serial part. Assumed: all CPUs of the machine are
up (in Linux this early there is one), and a thread costs nothing to start. No kernel does this.
"""

from __future__ import annotations

from kho_sim.kho.radix import FrozenRadixTree
from kho_sim.kho.retrieve.base import Retrieval, RetrieveOptions
from kho_sim.kho.retrieve.collect_runs import walk_work
from kho_sim.kho.retrieve.reserver import BlockReserver
from kho_sim.memory.memblock import RSRV_NOINIT, Memblock


def retrieve(memblock: Memblock, incoming: FrozenRadixTree, options: RetrieveOptions) -> Retrieval:
    """Reserve the runs that threads collect, no more of them than there are leaves."""
    regions_before, reserver = len(memblock.reserved), BlockReserver(memblock, RSRV_NOINIT)
    leaves = sum(1 for _, bits in incoming.walk_tables() if bits)
    reserver.reserve_all(incoming.run_columns().ranges().collected())
    return Retrieval(
        regions_before,
        len(memblock.reserved),
        reserver.work,
        reserver.error,
        threads=max(1, min(options.cpus, leaves)),
        parallel_work=walk_work(incoming),
    )
