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

from kho_sim.base.errors import ModelError
from kho_sim.base.extent import Extent
from kho_sim.base.work import Work
from kho_sim.kernel.boot import BootedMemory, KernelSetup
from kho_sim.kernel.bring_up import (
    adopt_gigantic_pages,
    fill_huge_pool,
    initialise_deferred,
    node_of_user_space,
    open_allocator,
    start_kho_and_luo,
)
from kho_sim.kernel.page_cache import (
    forget_file,
    index_restored_file,
    touch_anonymous,
    write_file,
)
from kho_sim.kho.handover import Folios, HandedFile, Handover, KhoData
from kho_sim.kho.load import (
    LoadRefused,
    place_kernel,
    source_page_count,
)
from kho_sim.kho.preserve import (
    FilePages,
    LiveUpdate,
    Outgoing,
    PreserveFailed,
    preserve_area,
    preserve_file,
    unpreserve_file,
)
from kho_sim.machine.machine import Machine
from kho_sim.memory.early import NamedArea
from kho_sim.memory.early.options import GIGANTIC_PAGE_BYTES
from kho_sim.memory.pages import (
    UNMOVABLE,
    Interleaving,
    OutOfMemory,
    PageAllocator,
    Run,
)
from kho_sim.platform.loader import LoadRequest, Placement

EXEC_FROM = "KHO: exec from: {} (count {})"
"""What KHO's initcall says of the kernel before (kernel-facts 12.1)."""


@dataclass
class RunningMemory:
    """What a kernel holds after early boot. Build it with ``start``."""

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
    _areas_preserved: bool = False
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
        interleaving: Interleaving,
        drawn: random.Random,
    ) -> RunningMemory:
        """Bring the kernel up to its user space. Raises PreserveFailed, OutOfMemory."""
        pages = open_allocator(machine, booted, booted.early.revived, interleaving, drawn)
        initialise_deferred(pages, booted, setup, machine.cpus)
        memory = cls(setup, booted, pages)
        memory.gigantic_pool = [address for address, _ in booted.early.gigantic.pages]
        for request in setup.options.hugepages:
            if request.size_bytes == pages.geometry.huge_page_bytes:
                memory.huge_pool, memory.messages = fill_huge_pool(pages, request.count)
        adopt_gigantic_pages(pages, booted)
        if memory.kho_enabled:
            if not booted.early.revived:
                pages.release_scratch()
            memory.outgoing, memory.luo = start_kho_and_luo(pages, setup)
        pages.home = node_of_user_space(machine)
        if handover and booted.incoming is not None:
            memory.kexec_count = handover.kexec_count
            if setup.release.kexec_metadata:
                origin = (handover.release, handover.kexec_count)
                memory.messages.append(EXEC_FROM.format(*origin))
        return memory

    # What was handed over

    def retrieve_files(self, handover: Handover) -> None:
        """User space reads its sessions and retrieves every file: data stays, metadata is freed."""
        for run, order in handover.luo_pages:
            self.pages.free([run], order)
        shift = self.pages.geometry.page_shift
        for handed in handover.files:
            file = FilePages(
                handed.name, handed.kind, handed.size_bytes, list(handed.data), handed.session
            )
            self.files[file.name] = file
            if file.kind == "memfd":
                self.pages.adopt(folios.extent(shift) for folios in file.data)
                file.index = index_restored_file(self.pages, file.data)
            else:
                self.pages.adopt_gigantic(folios.extent(shift) for folios in file.data)
        for handed in handover.files:
            self.pages.free(handed.metadata)

    # Files of user space

    def create_memfd(
        self, name: str, size_bytes: int, huge_folios: bool, session: str
    ) -> FilePages:
        """Make a memfd and write every page of it. Raises OutOfMemory (the OOM killer's moment)."""
        count = -(-size_bytes >> self.pages.geometry.page_shift)
        data, index = write_file(self.pages, count, huge_folios)
        file = FilePages(name, "memfd", size_bytes, data, session, index)
        self.files[name] = file
        return file

    def pool_of(self, page_bytes: int) -> list[int]:
        """Return the free huge pages of a size: a live list."""
        return self.gigantic_pool if page_bytes == GIGANTIC_PAGE_BYTES else self.huge_pool

    def create_hugetlb(self, name: str, count: int, page_bytes: int, session: str) -> FilePages:
        """Make a file of pages from a huge page pool; it gets as many as the pool still has."""
        pool = self.pool_of(page_bytes)
        geometry = self.pages.geometry
        order = geometry.order_of(page_bytes)
        taken, pool[:] = pool[:count], pool[count:]
        data = [Folios(Run(address >> geometry.page_shift, 1), order) for address in taken]
        file = FilePages(name, "hugetlb", len(taken) * page_bytes, data, session)
        self.files[name] = file
        return file

    def close(self, name: str) -> None:
        """Close a file: its memory is free again (huge pages go back to their pool)."""
        file = self.files.pop(name)
        geometry = self.pages.geometry
        if file.kind == "hugetlb":
            for folios in file.data:
                pool = self.pool_of(geometry.page_bytes << folios.order)
                pool.extend(folios.addresses(geometry.page_shift))
        else:
            forget_file(self.pages, file.data, file.index)

    def hold(self, size_bytes: int, movable: bool) -> None:
        """Take memory that dies with this kernel. Raises OutOfMemory."""
        count = -(-size_bytes >> self.pages.geometry.page_shift)
        if movable:
            touch_anonymous(self.pages, count)
        else:
            self.pages.alloc(count, 0, UNMOVABLE)

    # Preservation and kexec

    def preserve(self, names: Iterable[str]) -> None:
        """Preserve files in this order. Raises PreserveFailed."""
        outgoing, luo = self.outgoing, self.luo
        if outgoing is None or luo is None:
            raise PreserveFailed("KHO is disabled")
        for name in names:
            self.handed.append(preserve_file(outgoing, luo, self.files[name]))

    @property
    def lasting_areas(self) -> tuple[NamedArea, ...]:
        """The ``reserve_mem=`` areas that can be handed on: those outside of scratch.

        A KHO boot that finds no area of that name may get one inside. The kernel notices that only
        with a debug option (kernel-facts 3.4), and the next one would boot over it; here it is left
        out of the handover.
        """
        scratch = [Extent(start, start + size) for start, size in self.booted.scratch_areas]
        return tuple(
            area
            for area in self.booted.early.named_areas
            if not any(area.extent.overlaps(part) for part in scratch)
        )

    def close_session(self, session: str) -> None:
        """Close an outgoing session: none of its files is handed on, all stay open (kernel-facts
        10.4).

        Raises PreserveFailed if there is no such session.
        """
        luo, outgoing = self.luo, self.outgoing
        if outgoing is None or luo is None or session not in luo.sessions:
            raise PreserveFailed("-ENOENT")
        for handed in reversed(self.handed):
            if handed.session == session:
                unpreserve_file(outgoing, luo, handed)
        self.handed = [handed for handed in self.handed if handed.session != session]
        luo.remove_session(session)

    def preserve_areas(self) -> None:
        """Preserve the ``reserve_mem=`` areas and the page that lists them. Raises
        PreserveFailed."""
        outgoing, areas = self.outgoing, self.lasting_areas
        if outgoing is None or not areas or self._areas_preserved:
            return
        outgoing.allocate_preserved()
        for area in areas:
            preserve_area(outgoing, area.start, area.size_bytes)
        self._areas_preserved = True

    def unpreserve(self, kept: int) -> None:
        """Give up an update: the first ``kept`` preserved files stay so, the others are taken back.

        As when user space closes their sessions: keys go and the kernel's pages are freed; tables
        of the tree stay, and so do pages that were moved out of scratch (kernel-facts 10.4).
        """
        outgoing, luo = self.outgoing, self.luo
        if outgoing is None or luo is None:
            raise ModelError("nothing is preserved without KHO")
        for handed in reversed(self.handed[kept:]):
            unpreserve_file(outgoing, luo, handed)
            if not luo.sessions[handed.session].files:
                luo.remove_session(handed.session)
        del self.handed[kept:]

    def load(self, next_setup: KernelSetup) -> tuple[Placement, ...] | LoadRefused:
        """Load the next kernel into scratch (kexec_file_load()).

        Raises PreserveFailed with -ENOMEM if there are no pages for the image until the jump.
        """
        platform, request = next_setup.platform, _load_request(next_setup)
        placed = place_kernel(platform, self.booted.scratch_areas, request)
        if not isinstance(placed, LoadRefused):
            try:
                self.pages.alloc(source_page_count(platform.geometry, placed), 0, UNMOVABLE)
            except OutOfMemory as error:
                self.pages.free(error.allocated)
                raise PreserveFailed("Cannot allocate memory") from error
        return placed

    def hand_over(self, placed: tuple[Placement, ...], next_setup: KernelSetup) -> Handover:
        """Return what the next kernel will find: the jump itself keeps nothing else."""
        outgoing, luo = self.outgoing, self.luo
        if outgoing is None or luo is None:
            raise ModelError("a hand-over needs KHO")
        descriptors = next(place for place in placed if place.name == "descriptors")
        return Handover(
            loaded=next_setup.platform.load_kexec(placed, _load_request(next_setup)),
            kho=KhoData(
                compatible=self.setup.release.kho_compatible,
                fdt_address=luo.fdt_address,
                descriptors_address=descriptors.start,
                scratch_areas=self.booted.scratch_areas,
                named_areas=self.lasting_areas,
            ),
            tree=outgoing.tree.freeze(),
            files=tuple(self.handed),
            luo_pages=luo.state_pages(),
            release=self.setup.release.name,
            kexec_count=self.kexec_count + 1,
        )

    def work(self) -> Work:
        """Return the work that preserving has done so far."""
        return self.outgoing.work if self.outgoing else Work()


def _load_request(setup: KernelSetup) -> LoadRequest:
    return LoadRequest(setup.build, setup.options.command_line_bytes)
