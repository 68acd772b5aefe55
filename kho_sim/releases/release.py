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
class ScratchRules:
    """How a first kernel sizes and aligns its scratch areas. Source: kho_reserve_scratch()."""

    gigantic_pages_count: bool
    """Whether boot-time gigantic pages count as memory that the kernel reserved for itself."""
    aligned_to_largest_block: bool
    """Areas begin and end at blocks of the page allocator's highest order; else at pageblocks."""
    explicit_sizes_rounded: bool
    """Whether lowmem and global sizes of ``kho_scratch=`` are rounded up; the size for each node
    always is."""
    global_excludes_rounded_lowmem: bool
    """Whether lowmem is taken from the global area after it was rounded up; else before."""


@dataclass(frozen=True, slots=True)
class LuoLayout:
    """LUO's lists in preserved memory: its sessions, and the files of each session."""

    sessions_at_start: bool
    """Whether the list of sessions is one block, made when LUO starts; else blocks are added as
    sessions come."""
    flb: bool
    """Whether there is a page for file-lifecycle-bound data."""
    sessions: ListLayout
    files: ListLayout


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(DataFile):
    """The rules of one kernel release."""

    kho_compatible: str
    """What KHO's FDT says it is compatible with: a kernel with another text finds nothing in it."""
    kexec_metadata: bool
    """Whether a kernel tells the next one its release and how many kexecs there were."""
    extends_scratch: bool
    """Whether a KHO boot marks more memory as scratch, so that it can allocate there early."""
    gigantic_pages_avoid_scratch: bool
    """Whether boot-time gigantic pages stay clear of original scratch; else they are ordinary early
    allocations, which in a KHO boot have to lie in it."""
    scratch: ScratchRules
    luo: LuoLayout
    aliases: tuple[str, ...] = ()
    """Other names that a scenario may use."""
    not_modelled: tuple[str, ...] = ()
    """What the model does not do as this release does: a note on each scenario that names it."""

    def strategy(self, wanted: str) -> str:
        """Return the way in which a kernel of this release extends scratch: none if it cannot."""
        return wanted if self.extends_scratch else "none"
