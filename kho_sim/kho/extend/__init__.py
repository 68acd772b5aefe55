"""Extension strategies: ways to give a KHO boot more early memory than its original scratch."""

from __future__ import annotations

from kho_sim.kho.extend import (
    blocks,
    blocks_skip,
    largest_gaps,
    none,
    reserve_early,
    scaled_blocks,
)
from kho_sim.kho.extend.base import Extend, ExtendOptions, Extension

__all__ = ["STRATEGIES", "Extend", "ExtendOptions", "Extension"]

STRATEGIES: dict[str, Extend] = {
    "none": none.extend,
    "blocks": blocks.extend,
    "reserve-early": reserve_early.extend,
    "blocks-skip": blocks_skip.extend,
    "scaled-blocks": scaled_blocks.extend,
    "largest-gaps": largest_gaps.extend,
}
"""By the name that ``kernel.extend.strategy`` of a scenario uses."""
