"""Leave scratch-only mode early: what is reserved is safe, so nothing need be marked.

Proposed by Pratyush Yadav in the HugeTLB series (RFC 02/10, 6 December 2025: right after
paging_init()) and again with the two-pass retrieval (KHO notes, 9 March 2026; field.md 3). Assumed:
a first pass has reserved all that is preserved and the pages of the incoming tree. Memory is not
marked, so nothing counts as extended. No released kernel does this.
"""

from __future__ import annotations

from errno import ENOMEM

from kho_sim.kho.extend.base import ExtendOptions, Extension, error_line
from kho_sim.kho.extend.reserve_early import all_reserved
from kho_sim.kho.radix import AllocatePage, FreePage, FrozenRadixTree
from kho_sim.memory.memblock import Memblock


def extend(
    memblock: Memblock,
    incoming: FrozenRadixTree,
    options: ExtendOptions,
    allocate_page: AllocatePage,  # noqa: ARG001
    free_page: FreePage,  # noqa: ARG001
) -> Extension:
    """End scratch-only mode, if everything is reserved; else the step ends with an error."""
    if not all_reserved(memblock, incoming):
        return Extension(shift=options.shift, error=error_line(-ENOMEM))
    memblock.scratch_only = False
    return Extension(shift=options.shift)
