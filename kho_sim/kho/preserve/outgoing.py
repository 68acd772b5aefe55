"""A kernel's outgoing tree and the objects that live in preserved pages of their own.

The tree is live: preserving adds keys at once, there is no step that seals it (kernel-facts 10.4);
bitmaps of older releases are finalized. A request for few pages may sleep and asks the OOM killer;
where that finds nobody the kernel panics (kernel-facts-distro 10), and only a costly one comes
back with -ENOMEM.
Objects of the kernel's own (FDT, records, arrays) come from the page allocator as unmovable pages,
so never from scratch.
"""

from __future__ import annotations

from collections.abc import Sequence

from kho_sim.base.errors import KhoSimError
from kho_sim.base.weak import weakly
from kho_sim.base.work import Work
from kho_sim.kho.bitmaps import Bitmaps
from kho_sim.kho.radix import RadixTree
from kho_sim.memory.pages import (
    COSTLY_ORDER,
    DEADLOCK,
    UNMOVABLE,
    OutOfMemory,
    PageAllocator,
    Run,
    Runs,
)


class PreserveFailed(KhoSimError):  # noqa: N818 (a result of the simulated kernel)
    """Preserving failed; the message is what the kernel or its caller sees."""


class Outgoing:
    """The outgoing tree, fed by the page allocator.

    ``work`` counts what preserving did so far. ``bitmap_bytes``: bitmaps of that size take the
    tree's place, which are finalized for the next kernel.
    """

    def __init__(self, pages: PageAllocator, bitmap_bytes: int | None = None):
        self.pages = pages
        self._page_shift = pages.geometry.page_shift
        self._addresses_per_chunk = pages.geometry.table_entries - 1
        """A chunk is a page of addresses, of which the last leads to the next chunk."""
        self.work = Work()
        self._subtrees: dict[str, Run] = {}
        self._taken: list[tuple[Sequence[Run], int]] = []
        self._no_table: OutOfMemory | None = None
        self.tree: RadixTree
        allocate, free = weakly(self._table_page), weakly(self._free_table_page)
        if bitmap_bytes is None:
            self.tree = RadixTree(allocate, free, pages.geometry)
        else:
            self.tree = Bitmaps(bitmap_bytes, allocate, free, pages.geometry)
        if not self.tree.is_ready:
            raise PreserveFailed("KHO: no memory for the preserved memory tree: -ENOMEM")

    def allocate(self, count: int, order: int) -> Sequence[Run]:
        """Take unmovable pages for the kernel's own use. Raises PreserveFailed."""
        try:
            runs = self.pages.alloc(count, order, UNMOVABLE)
        except OutOfMemory as error:
            self.pages.free(error.allocated, order)
            why = "-ENOMEM" if order > COSTLY_ORDER else DEADLOCK
            raise PreserveFailed(why) from error
        self.work += Work(pages_allocated=count << order)
        self._taken.append((runs, order))
        return runs

    def allocate_preserved(self, count: int = 1, order: int = 0) -> list[Run]:
        """Take pages and preserve them (kho_alloc_preserve())."""
        runs = list(self.allocate(count, order))
        self.preserve(runs, order)
        return runs

    def subtree(self, name: str) -> Run:
        """Return the page of a subsystem's own FDT, made when it is first asked for
        (kho_add_subtree())."""
        if name not in self._subtrees:
            (self._subtrees[name],) = self.allocate_preserved()
        return self._subtrees[name]

    def preserve(self, runs: Sequence[Run], order: int) -> None:
        """Add a key for every block of the runs, in their order. Raises PreserveFailed."""
        self.work += Work(keys_added=sum(run.blocks for run in runs))
        if self.tree.add_runs(runs, order):
            raise PreserveFailed(DEADLOCK) from self._no_table

    def unpreserve(self, runs: Sequence[Run], order: int) -> None:
        """Delete the key of every block of the runs, where it has one; tables stay
        (kho_radix_del_key())."""
        for start, end in Runs.of(runs).extents(order):
            self.tree.del_pages(start, end - start, order)

    def free_preserved(self, runs: Sequence[Run], order: int = 0) -> None:
        """Take back what ``allocate_preserved`` gave (kho_unpreserve_free())."""
        self.unpreserve(runs, order)
        self.pages.free(runs, order)

    def finalize(self) -> None:
        """Write down for the next kernel what is preserved. Raises PreserveFailed."""
        if isinstance(self.tree, Bitmaps) and self.tree.finalize():
            raise PreserveFailed(DEADLOCK) from self._no_table

    def begin(self) -> None:
        """Begin something that ``undo`` may have to take back; what came before is settled."""
        self._taken.clear()

    def undo(self) -> None:
        """Give back the kernel's own pages that were taken since ``begin``."""
        for runs, order in reversed(self._taken):
            self.free_preserved(runs, order)
        self._taken.clear()

    def vmalloc(self, pages: int) -> list[Run]:
        """Take a virtually contiguous area in the largest pieces that are free, as order-0 runs."""
        try:
            runs = self.pages.alloc_largest(pages)
        except OutOfMemory as error:
            self.pages.free(error.allocated)
            raise PreserveFailed(DEADLOCK) from error
        self.work += Work(pages_allocated=pages)
        self._taken.append((runs, 0))
        return runs

    def preserve_vmalloc(self, runs: Sequence[Run]) -> list[Run]:
        """Preserve such an area page by page; return its chunks of addresses (pages of their own).

        A chunk is allocated before the pages that it will name; a full one is followed by another.
        """
        chunks = self.allocate_preserved()
        room = self._addresses_per_chunk
        for run in runs:
            while run.blocks:
                part, run = run.split(min(run.blocks, room))
                self.preserve([part], 0)
                room -= part.blocks
                if not room:
                    chunks += self.allocate_preserved()
                    room = self._addresses_per_chunk
        return chunks

    def _table_page(self) -> int:
        try:
            run = self.pages.alloc(1, 0, UNMOVABLE)[0]
        except OutOfMemory as error:
            self._no_table = error
            return 0
        self.work += Work(tables_allocated=1, pages_allocated=1)
        return int(run.first_pfn) << self._page_shift

    def _free_table_page(self, address: int) -> None:
        self.pages.free([Run(address >> self._page_shift, 1)])
