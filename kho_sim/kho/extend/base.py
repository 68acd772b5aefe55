"""What every extension strategy is given, and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from errno import errorcode
from typing import NamedTuple

from kho_sim.base.blocks import Blocks
from kho_sim.base.work import Work
from kho_sim.kho.key import KeySet
from kho_sim.kho.radix import AllocatePage, FreePage, FrozenRadixTree
from kho_sim.memory.memblock import Memblock

SMALLEST_SHIFT = 12
LARGEST_SHIFT = 40


@dataclass(frozen=True, slots=True)
class ExtendOptions:
    """``shift``: log2 of the size in bytes of the blocks that are busy or free (KHO_EXT_SHIFT).

    ``gigantic_shifts``: log2 of the gigantic pages that the command line asks for.
    ``bad_frames``: addresses of frames whose blocks are to be left alone.

    Raises: ValueError if it is not 12 (the smallest page) to 40.
    """

    shift: int = 30
    gigantic_shifts: tuple[int, ...] = ()
    bad_frames: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not SMALLEST_SHIFT <= self.shift <= LARGEST_SHIFT:
            raise ValueError(
                f"block shift {self.shift} is not within {SMALLEST_SHIFT}..{LARGEST_SHIFT}"
            )


@dataclass(frozen=True, slots=True)
class Extension:
    """What one extension step did.

    ``busy`` holds the numbers of the blocks left alone (block n begins at ``n << shift``); it is
    empty for a strategy without blocks. ``extended_bytes`` counts the memory newly flagged
    KHO_SCRATCH, ``digest_pages`` the pages that the tree of busy blocks took until the step ended.
    ``error`` is what the kernel prints when the step fails, else ''.
    """

    busy: KeySet = field(default_factory=KeySet)
    shift: int = 30
    extended_bytes: int = 0
    digest_pages: int = 0
    error: str = ""
    work: Work = field(default_factory=Work)

    @property
    def busy_blocks(self) -> Blocks:
        """The start addresses of the busy blocks, ascending."""
        return Blocks(self.busy.edges().tolist(), self.shift)


Extend = Callable[[Memblock, FrozenRadixTree, ExtendOptions, AllocatePage, FreePage], Extension]
"""Extend scratch in a KHO boot: (memblock, incoming tree, options, allocate_page, free_page)."""


class Strategy(NamedTuple):
    """A way to extend scratch.

    ``has_blocks``: its result depends on the block shift. ``needs_reserved``: preserved memory and
    the pages of the incoming tree are to be reserved before it.
    """

    extend: Extend
    has_blocks: bool = True
    needs_reserved: bool = False


def error_line(errno: int) -> str:
    """Return what the kernel prints for a step that ended with ``errno`` (0 or negative)."""
    return f"KHO: Failed to extend scratch: -{errorcode[-errno]}" if errno else ""
