"""The memory of a kernel that is up: page allocator, restored and new files, preservation, kexec
load.

Puts page allocator and preserved objects together, in the order in which a kernel meets them
(kernel-facts 8 to 12). Plain code: it returns the work done; ``chain/`` turns that into time. Left
out: what user space does with its memory beyond holding it and being killed for it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from kho_sim.base.errors import ModelError
from kho_sim.base.extent import Extent
from kho_sim.base.work import Work
from kho_sim.kernel.boot import BootedMemory, KernelSetup, load_request
from kho_sim.kernel.bring_up import (
    adopt_gigantic_pages,
    fill_huge_pool,
    free_image_parts,
    free_initrd,
    hardware_tables,
    initialise_deferred,
    open_allocator,
    run_initcalls,
    start_init,
    start_kho_and_luo,
)
from kho_sim.kernel.image_pages import take_image_pages
from kho_sim.kernel.own_memory import (
    Overwritten,
    areas_by_name,
    lies_in_scratch,
    named_areas_of,
    overwritten,
)
from kho_sim.kernel.processes import Processes
from kho_sim.kernel.refusals import NOT_PROTECTED, refused_files, unprotected
from kho_sim.kernel.user_memory import take
from kho_sim.kho.handover import HandedObject, Handover, KhoData
from kho_sim.kho.load import (
    LoadRefused,
    place_kernel,
)
from kho_sim.kho.preserve import (
    KINDS,
    LiveObject,
    LiveUpdate,
    NewObject,
    Outgoing,
    PreserveFailed,
)
from kho_sim.kho.versions import (
    metadata_message,
    reserve_mem_message,
    versions_of,
)
from kho_sim.machine.machine import Machine
from kho_sim.memory.early import NamedArea
from kho_sim.memory.pages import (
    Interleaving,
    PageAllocator,
    Run,
)
from kho_sim.platform.loader import Placement

EXEC_FROM = "KHO: exec from: {} (count {})"
"""What KHO's initcall says of the kernel before (kernel-facts 12.1)."""
KHO_OFF = "luo: Disabling liveupdate because KHO is disabled"
NO_DEVICE = "open liveupdate: No such file or directory"
BROKEN_DEVICE = "open liveupdate: Input/output error"
"""Where the kernel's own message came before: what user space is told."""


@dataclass
class RunningMemory:
    """What a kernel holds after early boot. Build it with ``start``."""

    setup: KernelSetup
    booted: BootedMemory
    pages: PageAllocator
    hardware_tables: tuple[Extent, ...] = ()
    """What hardware uses, for good."""
    kexec_count: int = 0
    outgoing: Outgoing | None = None
    luo: LiveUpdate | None = None
    files: dict[str, LiveObject] = field(default_factory=dict)
    """Objects of user space, by name; each is preserved in its session."""
    own: dict[str, LiveObject] = field(default_factory=dict)
    """The kernel's own, ``reserve_mem=`` areas and what early memory's owners keep, by name."""
    pools: dict[int, list[int]] = field(default_factory=dict)
    """Free huge pages (addresses), in the order in which they are handed out, by size in bytes."""
    retrieved: list[HandedObject] = field(default_factory=list)
    """What it was handed and has found again."""
    refused: list[HandedObject] = field(default_factory=list)
    """What it was handed and can not use; all but areas that are allocated anew stays reserved."""
    overwritten: list[Overwritten] = field(default_factory=list)
    """What it was handed and has written over while it booted; it is among the refused."""
    why_refused: str = ""
    device_error: str = ""
    """Why user space can not open the device of live update, if it can not for ever."""
    handed: list[HandedObject] = field(default_factory=list)
    """What it has preserved for the next kernel, in that order."""
    messages: list[str] = field(default_factory=list)
    processes: Processes = field(init=False)
    _preserving: str = ""
    """The file that is being preserved."""

    def __post_init__(self) -> None:
        self.processes = Processes(self)

    @property
    def kho_enabled(self) -> bool:
        """Tell whether this kernel can hand memory on."""
        return self.setup.kho and bool(self.booted.scratch_areas)

    @property
    def why_disabled(self) -> str:
        """Why this kernel hands nothing on, in its words; '' if it does."""
        reservation = self.booted.reservation
        if self.kho_enabled:
            return self.device_error
        if reservation and reservation.failed:
            return reservation.messages[0]
        return KHO_OFF if self.setup.release.luo else NO_DEVICE

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
        machine = setup.limits.running(machine)
        pages = open_allocator(
            machine,
            booted,
            setup.release.struct_pages_deferred,
            booted.early.revived,
            interleaving,
            drawn,
        )
        tables = hardware_tables(pages, booted)
        initialise_deferred(pages, booted, setup, machine.present_cpus)
        pages.give_late(booted.early.late_memory)
        memory = cls(setup, booted, pages, tables)
        for start, end in booted.early.gigantic.ranges:
            memory.pool_of(end - start).append(start)
        for request in setup.options.hugepages:
            if not pages.geometry.is_gigantic(request.size_bytes):
                taken, messages = fill_huge_pool(pages, request.size_bytes, request.count)
                memory.pool_of(request.size_bytes).extend(taken)
                memory.messages += messages
        adopt_gigantic_pages(pages, booted)
        if memory.kho_enabled:
            first = not booted.early.revived
            memory.outgoing, memory.luo = start_kho_and_luo(pages, setup, first)
        else:
            run_initcalls(pages, setup)
        for name, area in memory.named_areas.items():
            wanted = NewObject(name, area.size_bytes, pages.geometry.page_bytes, session="")
            kind = "early" if area in booted.early.owned_areas else "reserve_mem"
            memory.own[name] = KINDS[kind].create(memory, wanted)
        free_initrd(pages, booted)
        free_image_parts(pages, booted)
        start_init(pages, machine, setup)
        if handover and booted.incoming is not None and memory.kho_enabled:
            memory._read_metadata(handover)
            if setup.release.fdt_page_freed:
                shift = pages.geometry.page_shift
                pages.free([Run(handover.kho.fdt_address >> shift, 1)])
        return memory

    def _read_metadata(self, handover: Handover) -> None:
        """The count of kexecs begins anew after a kernel that left none, or one of another
        version."""
        if not (self.setup.release.kexec_metadata and handover.versions.metadata):
            return
        refused = metadata_message(handover.versions)
        self.messages.append(refused or EXEC_FROM.format(handover.release, handover.kexec_count))
        self.kexec_count = 0 if refused else handover.kexec_count

    # Preserved objects, old and new

    def retrieve(self, handover: Handover) -> None:
        """Find what was handed over: user space reads its sessions and retrieves every file, the
        kernel its own. Data stays, records are freed; what is refused stays as it is. Raises
        OutOfMemory."""
        self.overwritten = overwritten(self.booted, handover)
        spoilt = [one.handed for one in self.overwritten]
        self.refused = [*self._unreadable(handover), *self._unprotected(handover), *spoilt]
        for handed in self.refused:
            self.own.pop(handed.name if handed.kind == "reserve_mem" else "", None)
        asked = {area.name for area in self.booted.early.named_areas}
        sessions_read = self._has_device and not self.device_error
        for run, order in handover.luo_pages if sessions_read else ():
            self.pages.free([run], order)
        for handed in handover.objects:
            live = None if handed in self.refused else KINDS[handed.kind].retrieve(self, handed)
            if live is not None:
                self.retrieved.append(handed)
                (self.files if handed.session else self.own)[handed.name] = live
            elif not handed.session and handed.name in asked and handed not in self.refused:
                self.refused.append(handed)
                self.why_refused = self.why_refused or reserve_mem_message(handover.versions)
        for handed in handover.objects:
            if handed not in self.refused:
                self.pages.free(handed.metadata)

    @property
    def _has_device(self) -> bool:
        return self.luo is not None and self.luo.has_device

    def _unreadable(self, handover: Handover) -> list[HandedObject]:
        """Return the files that this kernel can not read, and note what comes of it."""
        no_device = "" if self._has_device else self.why_disabled or NO_DEVICE
        refused = refused_files(handover, self.setup.release, no_device)
        self.why_refused = refused.why
        self.messages += refused.messages
        self.device_error = BROKEN_DEVICE if refused.breaks_device else ""
        return refused.files

    def _unprotected(self, handover: Handover) -> list[HandedObject]:
        """Return the kernel's own objects whose memory bitmaps of another size do not show."""
        incoming = self.booted.incoming
        lost = unprotected(handover, incoming) if incoming else []
        if lost:
            self.why_refused = NOT_PROTECTED
        return lost

    def create(
        self,
        kind: str,
        name: str,
        size_bytes: int,
        folio_bytes: int | None = None,
        session: str = "session",
        hole_bytes: int = 0,
    ) -> LiveObject:
        """Make an object of user space, by the name of its kind (see ``kho.preserve.KINDS``).

        ``folio_bytes``: one page if not given. ``hole_bytes`` of ``size_bytes`` are not written.
        Raises OutOfMemory (the OOM killer's moment).
        """
        folio_bytes = folio_bytes or self.pages.geometry.page_bytes
        wanted = NewObject(name, size_bytes - hole_bytes, folio_bytes, session)
        live = self.files[name] = KINDS[kind].create(self, wanted)
        live.size_bytes, live.hole_bytes = live.size_bytes + hole_bytes, hole_bytes
        return live

    def pool_of(self, page_bytes: int) -> list[int]:
        """Return the free huge pages of a size: a live list."""
        return self.pools.setdefault(page_bytes, [])

    @property
    def named_areas(self) -> dict[str, NamedArea]:
        """Early memory that the kernel is to hand on, by name."""
        return areas_by_name(self.booted.early)

    def close(self, name: str) -> None:
        """Close an object of user space: its memory is free again, or back in its pool."""
        live = self.files.pop(name)
        KINDS[live.kind].close(self, live)

    def hold(self, size_bytes: int, movable: bool) -> list[Run]:
        """Take memory that nobody can be killed for and that dies with this kernel: the kernel's
        own, or (``movable``) init's. Returns its pages. Raises OutOfMemory."""
        return take(self.pages, size_bytes, movable)

    # Preservation and kexec

    def preserve(self, names: Iterable[str]) -> None:
        """Preserve objects of user space in this order; none in a release without live update.

        A file goes without saying if the process that had it was killed meanwhile. Raises
        PreserveFailed.
        """
        if self.luo is None:
            raise PreserveFailed("KHO is disabled")
        for name in names if self._has_device else ():
            if name in self.files:
                self._preserve(self.luo, self.files[name])

    def preserve_own(self) -> None:
        """Preserve the kernel's own objects, where that is still to do. Raises PreserveFailed."""
        preserved = {handed.name for handed in self.handed if not handed.session}
        for name, live in self.own.items():
            if self.luo is not None and name not in preserved and not self.refuses(live):
                self._preserve(self.luo, live)

    def refuses(self, live: LiveObject) -> bool:
        """Tell whether KHO says -EINVAL to an object of the kernel's own, as it lies in scratch."""
        debug = self.setup.build.config.kexec_handover_debug
        return debug and lies_in_scratch(self.booted, self.named_areas[live.name])

    def _preserve(self, luo: LiveUpdate, live: LiveObject) -> None:
        self._preserving = live.name
        try:
            self.handed.append(KINDS[live.kind].preserve(luo, live))
        finally:
            self._preserving = ""

    def is_preserved(self, name: str) -> bool:
        """Tell whether live update has a file of user space open: preserved, or about to be."""
        return name == self._preserving or any(one.name == name for one in self.handed)

    def close_session(self, session: str) -> None:
        """Close an outgoing session: none of its files is handed on, all stay open (kernel-facts
        10.4).

        Raises PreserveFailed if there is no such session.
        """
        luo = self.luo
        if luo is None or session not in luo.sessions:
            raise PreserveFailed("-ENOENT")
        for handed in reversed(self.handed):
            if handed.session == session:
                KINDS[handed.kind].unpreserve(luo, handed)
        self.handed = [handed for handed in self.handed if handed.session != session]
        luo.remove_session(session)

    def unpreserve(self, kept: int) -> None:
        """Give up an update: the first ``kept`` preserved objects stay so, the others are taken
        back, but for the kernel's own, which no user can give up.

        As when user space closes its sessions: keys go and the kernel's pages are freed; tables
        of the tree stay, and so do pages that were moved out of scratch (kernel-facts 10.4).
        """
        luo = self.luo
        if luo is None:
            raise ModelError("nothing is preserved without KHO")
        given_up = self.handed[kept:]
        for handed in reversed(given_up):
            if handed.session:
                KINDS[handed.kind].unpreserve(luo, handed)
                if not luo.sessions[handed.session].files:
                    luo.remove_session(handed.session)
        self.handed[kept:] = [handed for handed in given_up if not handed.session]

    def finalize(self, when: str) -> None:
        """Write down what is preserved, if this release does so then. Raises PreserveFailed."""
        if self.outgoing and self.setup.release.tracker.finalized == when:
            self.outgoing.finalize()

    def load(self, next_setup: KernelSetup) -> tuple[Placement, ...] | LoadRefused:
        """Load the next kernel into scratch (kexec_file_load()).

        Raises PreserveFailed if there are no pages for the image until the jump.
        """
        platform, early = next_setup.platform, self.booted.early
        request = load_request(self.booted, next_setup, self.kexec_count)
        placed = place_kernel(platform, self.booted.scratch_areas, request)
        if not isinstance(placed, LoadRefused):
            take_image_pages(self.pages, platform, early, placed, next_setup.build)
        return placed

    def hand_over(self, placed: tuple[Placement, ...], next_setup: KernelSetup) -> Handover:
        """Return what the next kernel will find: the jump itself keeps nothing else."""
        outgoing, luo = self.outgoing, self.luo
        if outgoing is None or luo is None:
            raise ModelError("a hand-over needs KHO")
        descriptors = next(place for place in placed if place.name == "descriptors")
        request = load_request(self.booted, next_setup, self.kexec_count)
        loaded = next_setup.platform.load_kexec(placed, request)
        return Handover(
            loaded=replace(loaded, hardware_tables=self.hardware_tables),
            kho=KhoData(
                compatible=self.setup.release.kho_compatible,
                fdt_address=luo.fdt_address,
                descriptors_address=descriptors.start,
                scratch_areas=self.booted.scratch_areas,
                named_areas=named_areas_of(self.booted.early, self.handed),
            ),
            tree=outgoing.tree.freeze(),
            objects=tuple(sorted(self.handed, key=lambda handed: not handed.session)),
            luo_pages=luo.state_pages(),
            release=self.setup.release.name,
            kexec_count=self.kexec_count + 1,
            versions=versions_of(self.setup.release),
        )

    def work(self) -> Work:
        """Return the work that preserving has done so far."""
        return self.outgoing.work if self.outgoing else Work()
