"""Reserve nothing: preserved pages are left out when free memory goes to the page allocator.

Proposed by Pratyush Yadav (3 April 2025; field.md 3): memblock_free_all() asks the incoming tree.
memblock.reserved then does not grow at all, whatever memory looks like. Counted: one walk of the
tree for struct pages and orders, and for each run one look-up of where it begins and ends. Assumed:
nothing is allocated between the retrieval and memblock_free_all(). No kernel does this.
"""

from __future__ import annotations

from kho_sim.base.work import Work
from kho_sim.kho.radix import FrozenRadixTree
from kho_sim.kho.retrieve.base import Retrieval, RetrieveOptions
from kho_sim.kho.retrieve.collect_runs import walk_work
from kho_sim.memory.memblock import Memblock


def retrieve(
    memblock: Memblock,
    incoming: FrozenRadixTree,
    options: RetrieveOptions,  # noqa: ARG001
) -> Retrieval:
    """Leave memblock as it is, and name what must not be freed."""
    regions, kept = len(memblock.reserved), tuple(incoming.preserved_extents())
    work = walk_work(incoming) + Work(tree_lookups=2 * len(kept))
    return Retrieval(regions, regions, work, skipped=kept)
