"""No extension, as before the patch: early boot has only the scratch of the first kernel."""

from __future__ import annotations

from kho_sim.kho.extend.base import ExtendOptions, Extension
from kho_sim.kho.radix import AllocatePage, FreePage, FrozenRadixTree
from kho_sim.memory.memblock import Memblock


def extend(
    memblock: Memblock,  # noqa: ARG001
    incoming: FrozenRadixTree,  # noqa: ARG001
    options: ExtendOptions,
    allocate_page: AllocatePage,  # noqa: ARG001
    free_page: FreePage,  # noqa: ARG001
) -> Extension:
    """Leave everything as it is."""
    return Extension(shift=options.shift)
