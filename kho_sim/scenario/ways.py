"""The sections of a scenario that say how a kernel extends scratch and retrieves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import Field

from kho_sim.base import plugins
from kho_sim.base.units import format_exact
from kho_sim.base.words import RETRIEVALS, STRATEGIES
from kho_sim.scenario.fields import Choice, ListOf, PluginChoice
from kho_sim.scenario.section import BrokenRule, Section

Strategy = Annotated[str, PluginChoice(STRATEGIES, "an extension strategy", plugins.STRATEGIES)]
Retrieval = Annotated[str, PluginChoice(RETRIEVALS, "a way to retrieve", plugins.RETRIEVALS)]
SHIFTS = (12, 40)
"""The least and the most; with larger pages the least is theirs."""
Shift = Annotated[int, Field(ge=SHIFTS[0], le=SHIFTS[1])]


class Extend(Section):
    """Extension, by which a KHO kernel makes memory outside of original scratch usable early."""

    strategy: Strategy = "blocks"
    """none: before the patch; blocks: the patch; reserve-early: reserve what is preserved and use
    all else, which the patch argues against; the retrieval is then one with a first pass. Proposals
    of ours: blocks-skip: the patch's blocks, found with one visit for each block of a leaf;
    scaled-blocks: blocks of about a thousandth of memory, 2 MiB to 2^shift; bounded-blocks: those,
    coarser where memblock would grow; largest-gaps: the largest gaps between blocks of 2^shift, as
    many as memblock has room for; gaps-by-memory: one for each GiB. Proposals of others:
    leave-scratch-only: after a first pass, without marks; gigantic-blocks: blocks of the smallest
    gigantic page of the command line; blocks-collapsed: full leaves are one visit; separate-flag:
    blocks with a flag of their own, as in the patch's first version."""
    shift: Shift = 30
    """The block size is 2^shift bytes (KHO_EXT_SHIFT)."""


class ExtendOverride(Section):
    """The keys of extend that differ in one release."""

    strategy: Strategy | None = None
    shift: Shift | None = None


class WhatIf(Section):
    """Another way to extend and retrieve, tried beside the kernel's own on what a KHO boot
    inherits."""

    strategy: Strategy
    shifts: Annotated[ListOf[Shift], Field(min_length=1)] = (30,)
    """Block sizes to try, each 2^shift bytes."""
    retrievals: Annotated[ListOf[Retrieval], Field(min_length=1)] | None = None
    """Ways to retrieve to try with each of them; left out: the kernel's own."""
    boots: Annotated[str, Choice(("every", "last"), "a choice of boots")] = "every"
    """At which KHO boots: at every one, or at the last of the chain."""


def broken_shifts(
    shifts: Sequence[tuple[tuple[str | int, ...], int | None]], page_bytes: int
) -> Iterator[BrokenRule]:
    """Yield what is wrong with block sizes, each with its place: a block holds a page or more."""
    least = page_bytes.bit_length() - 1
    for place, shift in shifts:
        if shift is not None and shift < least:
            text = f"blocks of {format_exact(1 << shift)} are smaller than a page"
            yield place, f"{text}; accepted: {least} to {SHIFTS[1]}"
