"""Extension strategies: ways to give a KHO boot more early memory than its original scratch."""

from __future__ import annotations

from dataclasses import replace

from kho_sim.base import plugins
from kho_sim.base.work import Work
from kho_sim.kho.extend import (
    blocks,
    blocks_collapsed,
    blocks_skip,
    bounded_blocks,
    gaps_by_memory,
    gigantic_blocks,
    largest_gaps,
    leave_scratch_only,
    none,
    reserve_early,
    scaled_blocks,
    separate_flag,
)
from kho_sim.kho.extend.base import Extend, ExtendOptions, Extension, Strategy
from kho_sim.kho.radix import AllocatePage, FreePage, FrozenRadixTree
from kho_sim.kho.retrieve import reserving_first
from kho_sim.memory.memblock import Memblock

__all__ = [
    "STRATEGIES",
    "Extend",
    "ExtendOptions",
    "Extension",
    "Strategy",
    "extend_scratch",
    "has_blocks",
    "register_strategy",
    "retrieval_beside",
    "strategy_of",
]

STRATEGIES: dict[str, Strategy] = {
    "none": Strategy(none.extend, has_blocks=False),
    "blocks": Strategy(blocks.extend),
    "reserve-early": Strategy(reserve_early.extend, has_blocks=False, needs_reserved=True),
    "blocks-skip": Strategy(blocks_skip.extend),
    "scaled-blocks": Strategy(scaled_blocks.extend),
    "largest-gaps": Strategy(largest_gaps.extend),
    "leave-scratch-only": Strategy(
        leave_scratch_only.extend, has_blocks=False, needs_reserved=True
    ),
    "gigantic-blocks": Strategy(gigantic_blocks.extend),
    "blocks-collapsed": Strategy(blocks_collapsed.extend),
    "gaps-by-memory": Strategy(gaps_by_memory.extend),
    "bounded-blocks": Strategy(bounded_blocks.extend),
    "separate-flag": Strategy(separate_flag.extend),
}
"""Those of the package, by the name that ``kernel.extend.strategy`` of a scenario uses."""


def strategy_of(name: str) -> Strategy:
    """Return a strategy of the package, or a plug-in. Raises KeyError."""
    if name in STRATEGIES:
        return STRATEGIES[name]
    plugin = plugins.STRATEGIES.get(name)
    if plugin is None:
        raise KeyError(name)
    return plugin if isinstance(plugin, Strategy) else Strategy(plugin)


def retrieval_beside(strategy: str, retrieval: str) -> str:
    """Return the retrieval of a kernel: where its extension needs everything reserved, one with a
    first pass, in place of one without."""
    return reserving_first(retrieval) if strategy_of(strategy).needs_reserved else retrieval


def has_blocks(name: str) -> bool:
    """Tell whether a strategy's result depends on the block shift; assumed of one that is not known
    here, as in a stored run of a plug-in."""
    try:
        return strategy_of(name).has_blocks
    except KeyError:
        return True


def extend_scratch(
    strategy: Strategy,
    memblock: Memblock,
    incoming: FrozenRadixTree,
    options: ExtendOptions,
    allocate_page: AllocatePage,
    free_page: FreePage,
) -> Extension:
    """Run a strategy, and count what memblock did for it; the rest of its work it counts itself."""
    scanned, moved = memblock.regions_scanned, memblock.regions_moved
    extension = strategy.extend(memblock, incoming, options, allocate_page, free_page)
    done = Work(
        regions_scanned=memblock.regions_scanned - scanned,
        regions_moved=memblock.regions_moved - moved,
    )
    return replace(extension, work=extension.work + done)


def register_strategy(name: str, extend: Extend, *, has_blocks: bool = True) -> None:
    """Add an extension strategy, so that scenarios may name it.

    ``extend``: (memblock, incoming tree, options, allocate_page, free_page) -> Extension; it is
    held to its contract by ``python -m kho_sim.contracts NAME``. ``has_blocks``: whether its result
    depends on the block shift. Raises: InputError if the package has a strategy of that name.
    """
    plugins.STRATEGIES.register(name, Strategy(extend, has_blocks))
