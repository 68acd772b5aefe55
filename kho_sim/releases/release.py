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
    blocks_max: int
    """The most blocks of one list."""
    block_bytes: int | None = None
    """A block; one page if None."""

    def block_order(self, page_bytes: int) -> int:
        """Return the order of the pages that a block takes."""
        pages = -(-(self.block_bytes or page_bytes) // page_bytes)
        return (pages - 1).bit_length()

    def records_per_block(self, page_bytes: int) -> int:
        """Return how many records a block holds."""
        return ((self.block_bytes or page_bytes) - self.header_bytes) // self.record_bytes

    def records_max(self, page_bytes: int) -> int:
        """Return how many records a list can have."""
        return self.blocks_max * self.records_per_block(page_bytes)


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
    on_nodes_without_memory: bool
    """Whether a node without memory is to get an area, for which it has no place."""
    given_late: bool
    """Whether a first kernel gives its areas to the page allocator after all drivers; else before
    them, right before KHO starts."""


@dataclass(frozen=True, slots=True)
class LuoLayout:
    """LUO's lists in preserved memory: its sessions, and the files of each session."""

    compatible: str
    """The version of LUO's state: a kernel with another one panics over it."""
    memfd_compatible: str
    """The version of a memfd's record: a kernel with another one has no handler for it."""
    unknown_file_refuses_device: bool
    """Whether a file without a handler makes every open of the device fail; else it and the files
    of its session behind it are missing."""
    sessions_at_start: bool
    """Whether the list of sessions is one block, made when LUO starts; else blocks are added as
    sessions come."""
    flb: bool
    """Whether there is a page for file-lifecycle-bound data."""
    sessions: ListLayout
    files: ListLayout


@dataclass(frozen=True, slots=True)
class Tracker:
    """How a kernel keeps, and hands on, which memory is preserved."""

    finalized: str
    """When it is written down for the next kernel: 'by hand', before the load; 'at the reboot';
    'never', as the next kernel reads it as it is."""
    bitmap_bytes: int | None = None
    """A bitmap of blocks, kept in arrays; None for a radix tree of pages."""


EVIDENCE = {
    "recorded": "recorded logs were compared with it",
    "source only": "its source was read, nothing of it was recorded",
    "notices only": "neither its source nor a log was seen",
}
"""What the rules of a release rest on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(DataFile):
    """The rules of one kernel release."""

    evidence: str
    """One of EVIDENCE."""
    kho_compatible: str
    """What KHO's FDT says it is compatible with: a kernel with another text finds nothing in it."""
    kexec_metadata: bool
    """Whether a kernel tells the next one its release and how many kexecs there were."""
    extends_scratch: bool
    """Whether a KHO boot marks more memory as scratch, so that it can allocate there early."""
    gigantic_pages_avoid_scratch: bool
    """Whether boot-time gigantic pages stay clear of original scratch; else they are ordinary early
    allocations, which in a KHO boot have to lie in it."""
    gigantic_pages_before_sizing: bool
    """Whether boot-time gigantic pages are taken before free memory is counted, by which large hash
    tables are sized; else after."""
    struct_pages_deferred: bool
    """Whether most struct pages are initialised by many threads once the page allocator runs; else
    all of them by one CPU before."""
    memmap_failure_is_said: bool
    """Whether a kernel without room for its struct pages panics and says so; else it goes on
    without them, dies of that, and does not reboot."""
    restores_gigantic_blocks: bool
    """Whether preserved blocks above the page allocator's highest order can be restored."""
    sizes_have_64_bits: bool
    """Whether a preserved block of 2 GiB or more is reserved as a whole; else that of 2 GiB is
    taken for all memory from there on, and a larger one for a byte."""
    checksum: bool
    """Whether the loaded segments are hashed at the load, and again after the jump."""
    fdt_page_freed: bool
    """Whether a KHO boot frees the page of the FDT that it was handed."""
    scratch_option: str
    """The option of the command line that sizes scratch."""
    on_by_default: bool
    """Whether a build can have KHO on without ``kho=on``."""
    debugfs: tuple[str, ...]
    """What a running kernel shows of its handover, in /sys/kernel/debug/kho/out."""
    tracker: Tracker
    scratch: ScratchRules
    luo: LuoLayout | None = None
    """None where user space can not preserve anything."""
    known_faults: tuple[str, ...] = ()
    """What this release does wrong, of which the model knows."""
    aliases: tuple[str, ...] = ()
    """Other names that a scenario may use."""
    not_modelled: tuple[str, ...] = ()
    """What the model does not do as this release does: a note on each scenario that names it."""

    def strategy(self, wanted: str) -> str:
        """Return the way in which a kernel of this release extends scratch: none if it cannot."""
        return wanted if self.extends_scratch else "none"
