"""What a release of the kernel rules about handing memory over.

The values are in the data files of this folder, each beside its source. Only rules in which the
releases of this folder differ, or that decide who can hand over to whom, are here; what all of them
share is in the code of ``kho/``. Left out: what a build fixes (``builds/``).
"""

from __future__ import annotations

from dataclasses import dataclass

from kho_sim.base.data_file import DataFile


@dataclass(frozen=True, slots=True)
class ListLayout:
    """How LUO lays out a list in preserved memory: records behind a header, in blocks.

    Source: kho_block.c; before it, one array for each list.
    """

    record_bytes: int
    header_bytes: int
    block_bytes: int | None = None
    """A block; one page if None."""

    def block_order(self, page_bytes: int) -> int:
        """Return the order of the pages that a block takes."""
        pages = -(-(self.block_bytes or page_bytes) // page_bytes)
        return (pages - 1).bit_length()

    def records_per_block(self, page_bytes: int) -> int:
        """Return how many records a block holds."""
        return ((self.block_bytes or page_bytes) - self.header_bytes) // self.record_bytes


@dataclass(frozen=True, slots=True)
class LuoLayout:
    """LUO's lists in preserved memory: its sessions, and the files of each session."""

    sessions_at_start: bool
    """Whether the list of sessions is one block, made when LUO starts; else blocks are added as
    sessions come."""
    sessions: ListLayout
    files: ListLayout


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(DataFile):
    """The rules of one kernel release."""

    kho_compatible: str
    """What KHO's FDT says it is compatible with: a kernel with another text finds nothing in it."""
    luo: LuoLayout
    aliases: tuple[str, ...] = ()
    """Other names that a scenario may use."""
