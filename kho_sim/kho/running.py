"""The memory of a kernel that is up: page allocator, restored and new files, preservation, kexec
load.

Puts page allocator and preserved objects together, in the order in which a kernel meets them
(kernel-facts 8 to 12). Plain code: it returns the work done; ``chain/`` turns that into time. Left
out: reclaim, and what user space does with its memory beyond holding it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from kho_sim.errors import ModelError
from kho_sim.extent import round_up
from kho_sim.kho.boot import BootedMemory, KernelSetup
from kho_sim.kho.handover import Folios, HandedFile, Handover
from kho_sim.kho.kexec_load import (
    LoadRefused,
    Placement,
    kexec_segments,
    place_segments,
    setup_data_address,
    source_page_count,
)
from kho_sim.kho.preserve import (
    LAYOUTS,
    FilePages,
    LiveUpdate,
    Outgoing,
    PreserveFailed,
    preserve_area,
    preserve_file,
)
from kho_sim.machine.machine import Machine
from kho_sim.memory.early import Inherited
from kho_sim.memory.early.options import GIGANTIC_PAGE_BYTES
from kho_sim.memory.pages import MOVABLE, PAGE_SHIFT, UNMOVABLE, OutOfMemory, PageAllocator, Run
from kho_sim.work import Work

PAGE_SIZE = 1 << PAGE_SHIFT
HUGE_ORDER = 9
GIGANTIC_ORDER = 18
HUGE_PAGE_BYTES = PAGE_SIZE << HUGE_ORDER


@dataclass
class RunningMemory:
    """What a kernel holds after early boot. Build it with ``start``."""

    machine: Machine
    setup: KernelSetup
    booted: BootedMemory
    pages: PageAllocator
    kexec_count: int = 0
    outgoing: Outgoing | None = None
    luo: LiveUpdate | None = None
    files: dict[str, FilePages] = field(default_factory=dict)
    gigantic_pool: list[int] = field(default_factory=list)
    """Free 1 GiB pages (addresses), in the order in which they are handed out."""
    huge_pool: list[int] = field(default_factory=list)
    """Free 2 MiB pages, likewise."""
    handed: list[HandedFile] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    @property
    def kho_enabled(self) -> bool:
        """Whether this kernel can hand memory on."""
        return self.setup.kho and bool(self.booted.scratch_areas)

    # Boot, from memblock_free_all() to init

    @classmethod
    def start(
        cls,
        machine: Machine,
        setup: KernelSetup,
        booted: BootedMemory,
        handover: Handover | None,
        rng: random.Random,
    ) -> RunningMemory:
        """Open the page allocator and run the initcalls that take memory. Raises PreserveFailed."""
        memblock = booted.early.memblock
        pages = PageAllocator(
            [(r.base, r.end, r.nid) for r in memblock.memory],
            booted.scratch_areas,
            [machine.cpus_of(nid) for nid in range(max(machine.nodes) + 1)],
            kho_boot=handover is not None,
            drawn=rng,
        )
        memory = cls(machine, setup, booted, pages)
        pages.open_early((r.base, r.end) for r in memblock.reserved)
        pages.finish_deferred()
        memory._initcalls(handover)
        return memory

    def _initcalls(self, handover: Handover | None) -> None:
        self._fill_huge_pools()
        if self.kho_enabled:
            if handover is None:
                self.pages.release_scratch()
            self.outgoing = Outgoing(self.pages)
            self.luo = LiveUpdate(self.outgoing, LAYOUTS[self.setup.profile.release])
            self.luo.start_kho()
            self.luo.start_luo()
        if handover:
            self.kexec_count = handover.kexec_count

    def _fill_huge_pools(self) -> None:
        self.gigantic_pool = [address for address, _ in self.booted.early.gigantic.pages]
        for request in self.setup.options.hugepages:
            if request.size_bytes == HUGE_PAGE_BYTES:
                self._allocate_huge_pages(request.count)

    def _allocate_huge_pages(self, count: int) -> None:
        """2 MiB pages come from the page allocator at subsys_initcall (kernel-facts 7.3)."""
        try:
            runs = self.pages.alloc(count, HUGE_ORDER, MOVABLE)
        except OutOfMemory as error:
            runs = error.allocated
            got = sum(run.blocks for run in runs)
            self.messages.append(
                f"HugeTLB: allocating {count} of page size 2.00 MiB failed.  "
                f"Only allocated {got} hugepages."
            )
        for run in runs:
            for number in range(run.blocks):
                address = (run.first_pfn << PAGE_SHIFT) + number * HUGE_PAGE_BYTES
                self.huge_pool.append(address)

    # What was handed over

    def retrieve_files(self, handover: Handover) -> None:
        """User space reads its sessions and retrieves every file: data stays, metadata is freed."""
        for run, order in handover.luo_pages:
            self.pages.free([run], order)
        for handed in handover.files:
            file = FilePages(
                handed.name, handed.kind, handed.size_bytes, list(handed.data), handed.session
            )
            self.files[file.name] = file
            if file.kind == "memfd":
                self.pages.adopt(run.extent for run in file.data)
            self.pages.free(handed.metadata)

    # Files of user space

    def create_memfd(
        self, name: str, size_bytes: int, huge_folios: bool, session: str
    ) -> FilePages:
        """Make a memfd and write every page of it. Raises OutOfMemory (the OOM killer's moment)."""
        data: list[Folios] = []
        pages = round_up(size_bytes, PAGE_SIZE) >> PAGE_SHIFT
        if huge_folios:
            blocks = pages >> HUGE_ORDER
            runs = self._alloc_huge_folios(blocks)
            data += [Folios(*run, HUGE_ORDER) for run in runs]
            pages -= sum(run.blocks for run in runs) << HUGE_ORDER
        if pages:
            data += [Folios(*run, 0) for run in self.pages.alloc(pages, 0, MOVABLE)]
        file = FilePages(name, "memfd", size_bytes, data, session)
        self.files[name] = file
        return file

    def _alloc_huge_folios(self, blocks: int) -> list[Run]:
        try:
            return self.pages.alloc(blocks, HUGE_ORDER, MOVABLE) if blocks else []
        except OutOfMemory as error:
            return error.allocated

    def pool_of(self, page_bytes: int) -> list[int]:
        """Return the free huge pages of a size: a live list."""
        return self.gigantic_pool if page_bytes == GIGANTIC_PAGE_BYTES else self.huge_pool

    def create_hugetlb(self, name: str, count: int, page_bytes: int, session: str) -> FilePages:
        """Make a file of pages from a huge page pool; it gets as many as the pool still has."""
        pool = self.pool_of(page_bytes)
        order = GIGANTIC_ORDER if page_bytes == GIGANTIC_PAGE_BYTES else HUGE_ORDER
        taken, pool[:] = pool[:count], pool[count:]
        data = [Folios(address >> PAGE_SHIFT, 1, order) for address in taken]
        file = FilePages(name, "hugetlb", len(taken) * page_bytes, data, session)
        self.files[name] = file
        return file

    def close(self, name: str) -> None:
        """Close a file: its memory is free again (huge pages go back to their pool)."""
        file = self.files.pop(name)
        for run in file.data:
            if file.kind == "hugetlb":
                self._return_to_pool(run)
            else:
                self.pages.free([Run(run.first_pfn, run.blocks)], run.order, user=True)

    def _return_to_pool(self, run: Folios) -> None:
        pool = self.pool_of(PAGE_SIZE << run.order)
        step = 1 << run.order
        pool += [(run.first_pfn + i * step) << PAGE_SHIFT for i in range(run.blocks)]

    def hold(self, size_bytes: int, movable: bool) -> list[Run]:
        """Take memory that dies with this kernel. Raises OutOfMemory."""
        kind = MOVABLE if movable else UNMOVABLE
        return self.pages.alloc(round_up(size_bytes, PAGE_SIZE) >> PAGE_SHIFT, 0, kind)

    # Preservation and kexec

    def preserve(self, names: Iterable[str]) -> None:
        """Preserve files in this order, and the named areas. Raises PreserveFailed."""
        outgoing, luo = self.outgoing, self.luo
        if outgoing is None or luo is None:
            raise PreserveFailed("KHO is disabled")
        for name in names:
            self.handed.append(preserve_file(outgoing, luo, self.files[name]))
        areas = self.booted.early.named_areas
        if areas:
            outgoing.allocate_preserved()
        for area in areas:
            preserve_area(outgoing, area.start, area.size_bytes)

    def load(self, next_setup: KernelSetup) -> tuple[Placement, ...] | LoadRefused:
        """Load the next kernel into scratch (kexec_file_load()).

        Raises PreserveFailed with -ENOMEM if there are no pages for the image until the jump.
        """
        profile = next_setup.profile
        segments = kexec_segments(
            len(self.booted.scratch_areas),
            profile.purgatory_bytes,
            next_setup.options.command_line_bytes,
            profile.init_size_bytes,
            profile.initrd_bytes,
        )
        placed = place_segments(self.booted.scratch_areas, segments)
        if not isinstance(placed, LoadRefused):
            try:
                self.pages.alloc(source_page_count(placed), 0, UNMOVABLE)
            except OutOfMemory as error:
                raise PreserveFailed("Cannot allocate memory") from error
        return placed

    def hand_over(self, placed: tuple[Placement, ...], next_setup: KernelSetup) -> Handover:
        """Return what the next kernel will find: the jump itself keeps nothing else."""
        outgoing, luo = self.outgoing, self.luo
        if outgoing is None or luo is None:
            raise ModelError("a hand-over needs KHO")
        at = {place.name: place for place in placed}
        initrd = at.get("initrd")
        return Handover(
            inherited=Inherited(
                image_address=at["kernel"].start,
                initrd_address=initrd.start if initrd else 0,
                setup_data_address=setup_data_address(
                    at["boot_params"], next_setup.options.command_line_bytes
                ),
                descriptors_address=at["descriptors"].start,
                scratch_areas=self.booted.scratch_areas,
                named_areas=tuple(self.booted.early.named_areas),
            ),
            tree=outgoing.tree.freeze(),
            files=tuple(self.handed),
            luo_pages=luo.state_pages(),
            release=self.setup.profile.release,
            kexec_count=self.kexec_count + 1,
        )

    def work(self) -> Work:
        """Return the work that preserving has done so far."""
        return self.outgoing.work if self.outgoing else Work()
