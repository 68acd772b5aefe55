"""Early memory of one kernel with KHO in it: early boot, the extension, retrieval or scratch.

Puts the two halves of ``memory.early`` around an extension strategy (kernel-facts 5.1) and ends
where memblock gives way to the page allocator. Plain code without a clock: it returns what was
done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from kho_sim.base import requesters
from kho_sim.base.command_line import ScratchRequest
from kho_sim.base.extent import subtracted
from kho_sim.base.work import Work
from kho_sim.builds import Build
from kho_sim.kho.bitmaps import FrozenBitmaps
from kho_sim.kho.extend import (
    ExtendOptions,
    Extension,
    extend_scratch,
    retrieval_beside,
    strategy_of,
)
from kho_sim.kho.handover import Handover
from kho_sim.kho.populate import NO_MAP, data_found, populate, scratch_found
from kho_sim.kho.radix import FrozenRadixTree
from kho_sim.kho.retrieve import (
    FirstPass,
    Retrieval,
    RetrieveOptions,
    retriever_of,
)
from kho_sim.kho.scratch import ScratchReservation, reserve_scratch
from kho_sim.machine import Machine, MachineLimits
from kho_sim.memory.early import BootOptions, BootPanic, EarlyBoot, Refusal, Requests
from kho_sim.memory.failing_marks import FailingMarks
from kho_sim.memory.memblock import Memblock
from kho_sim.memory.regions import Regions
from kho_sim.platform.kaslr import NO_KASLR, Kaslr
from kho_sim.platform.loader import LoadRequest
from kho_sim.releases import Release, load_release

if TYPE_CHECKING:
    from kho_sim.platform.platform import Platform


@dataclass(frozen=True, slots=True)
class KernelSetup:
    """What decides a kernel's early memory: its platform, build and release, its command line,
    its ways to extend scratch and to retrieve."""

    platform: Platform
    build: Build
    options: BootOptions
    release: Release = field(default_factory=load_release)
    kho: bool = True
    scratch: ScratchRequest = field(default_factory=ScratchRequest)
    limits: MachineLimits = field(default_factory=MachineLimits)
    """What its command line leaves of the machine."""
    strategy: str = "blocks"
    extend: ExtendOptions = field(default_factory=ExtendOptions)
    retrieval: str = "per-key"
    messages: tuple[str, ...] = ()
    """What the kernel prints about its command line."""
    kaslr: Kaslr = NO_KASLR
    spares_bad_frames: bool = False
    """Whether the extension is told of bad frames that earlier kernels knew."""
    extend_fails_after: int | None = None
    """A fault: how many ranges the extension can mark before it fails with -ENOMEM."""
    refusals: tuple[Refusal, ...] = ()
    """Early allocations that a fault makes fail."""

    @property
    def retrieves_by(self) -> str:
        """The retrieval that goes with the extension."""
        return retrieval_beside(self.strategy, self.retrieval)


@dataclass
class BootedMemory:
    """The state at the end of early boot, and what was noticed on the way.

    ``regions`` maps a moment (see ``trace.records.RegionRow``) to both arrays at that moment.
    """

    early: EarlyBoot
    scratch_areas: tuple[tuple[int, int], ...] = ()
    incoming: FrozenRadixTree | None = None
    """The tree that says what was preserved for this kernel, if it found one."""
    reservation: ScratchReservation | None = None
    extension: Extension | None = None
    first_pass: FirstPass | None = None
    """Of a retrieval that reserves before the extension."""
    retrieval: Retrieval | None = None
    messages: list[str] = field(default_factory=list)
    regions: dict[str, tuple[Regions, Regions]] = field(default_factory=dict)
    panic: str = ""
    """What the kernel said when it died, if it did; the state is then that of this moment."""
    early_work: Work = field(default_factory=Work)
    """Searches and insertions of early boot itself, the KHO steps left out: where memory that was
    reserved early, page by page, is paid for by everyone else."""

    def remember(self, moment: str) -> None:
        memblock = self.early.memblock
        self.regions[moment] = (memblock.memory[:], memblock.reserved[:])


def boot_memory(machine: Machine, setup: KernelSetup, handover: Handover | None) -> BootedMemory:
    """Boot a kernel up to the hand-over to the page allocator, or to where it dies.

    ``handover`` is None for a first kernel.
    """
    booted = boot_to_retrieval(machine, setup, handover)
    if not booted.panic:
        finish_boot(booted, setup)
    return booted


def boot_to_retrieval(
    machine: Machine, setup: KernelSetup, handover: Handover | None
) -> BootedMemory:
    """Do the part of ``boot_memory`` that comes before the retrieval, or before scratch is reserved
    in a first kernel."""
    platform = setup.platform
    kind = Memblock if setup.extend_fails_after is None else FailingMarks
    memblock = kind(platform.geometry)
    memblock.memory.capacity = setup.build.memory_regions
    memblock.reserved.capacity = setup.build.reserved_regions
    if handover:
        areas = handover.kho.scratch_areas
        loaded = platform.moved_in_scratch(handover.loaded, areas, setup.build, setup.kaslr)
    else:
        loaded = platform.load_cold(machine, setup.build, setup.kaslr)
    machine = setup.limits.seen(machine)
    step = partial(populate, handover, setup.release) if handover else None
    early = EarlyBoot(
        platform, machine, setup.build, setup.options, loaded, step, memblock, setup.release,
        kaslr=setup.kaslr,
    )  # fmt: skip
    early.requests.refusals = setup.refusals
    booted = BootedMemory(early)
    if handover and scratch_found(handover, setup.release):
        booted.scratch_areas = handover.kho.scratch_areas
    try:
        _counted(booted, early.before_extension)
        if handover and data_found(handover, setup.release):
            booted.incoming = _as_read(handover.tree, setup.release)
        elif early.revived:
            booted.messages.append(NO_MAP)
        if booted.incoming is not None:
            bad_frames = _bad_frames(booted, setup, handover) if handover else ()
            _extend(booted, setup, booted.incoming, bad_frames)
        _counted(booted, early.after_extension)
        if booted.incoming is not None and setup.limits.edits:
            _check_reach(early.memblock, booted.incoming)
    except BootPanic as panic:
        booted.panic = str(panic)
        return booted
    if not setup.release.struct_pages_deferred:
        pages = early.memblock.memory_size() // early.geometry.page_bytes
        booted.early_work += Work(pages_initialised=pages)
    booted.remember("before_retrieve")
    return booted


def finish_boot(booted: BootedMemory, setup: KernelSetup) -> None:
    """Do the rest of it, in a kernel that has not died."""
    early = booted.early
    machine = early.machine
    if booted.incoming is not None:
        booted.retrieval = _retrieve(booted, setup, booted.incoming, machine.cpus)
    elif setup.kho and not early.revived:
        booted.reservation = reserve_scratch(
            early.requests,
            setup.scratch,
            machine.nodes_for_scratch(setup.release.scratch.on_nodes_without_memory),
            early.rules.low_address,
            setup.release.scratch,
        )
        booted.scratch_areas = booted.reservation.areas
    booted.remember("after_retrieve")


def _as_read(handed: FrozenRadixTree, release: Release) -> FrozenRadixTree:
    """Return what this kernel takes for preserved memory: bitmaps do not say how large they are."""
    wanted = release.tracker.bitmap_bytes
    return handed.as_read(wanted) if isinstance(handed, FrozenBitmaps) and wanted else handed


def _check_reach(memblock: Memblock, incoming: FrozenRadixTree) -> None:
    """Raise BootPanic if something that was preserved is no memory to this kernel; words are
    ours."""
    memory = [(region.base, region.end) for region in memblock.memory]
    outside = subtracted(incoming.preserved_extents(), memory)
    if outside:
        raise BootPanic(
            f"KHO: preserved memory at {outside[0].start:#x} is no memory to this kernel "
            "(its command line leaves it out)"
        )


def _counted(booted: BootedMemory, half: Callable[[], None]) -> None:
    memblock = booted.early.memblock
    scanned, moved = memblock.regions_scanned, memblock.regions_moved
    half()
    booted.early_work += Work(
        regions_scanned=memblock.regions_scanned - scanned,
        regions_moved=memblock.regions_moved - moved,
    )


def _bad_frames(booted: BootedMemory, setup: KernelSetup, handover: Handover) -> tuple[int, ...]:
    """Return the frames that the extension is to leave alone; those in original scratch are lost to
    it, for scratch is usable whatever is busy."""
    if not setup.spares_bad_frames:
        return ()
    overlaps = booted.early.memblock.overlaps_original_scratch
    return tuple(frame for frame in handover.bad_frames if not overlaps(frame, 1))


def _extend(
    booted: BootedMemory,
    setup: KernelSetup,
    incoming: FrozenRadixTree,
    bad_frames: tuple[int, ...],
) -> None:
    requests = booted.early.requests
    booted.remember("before_extend")
    if setup.strategy != "none":
        requests.start_counterfactual()
    memblock = booted.early.memblock
    if isinstance(memblock, FailingMarks):
        memblock.marks_left = setup.extend_fails_after
    reserve_first = retriever_of(setup.retrieves_by).reserve_first
    if reserve_first:
        booted.first_pass = reserve_first(memblock, incoming)
    if strategy_of(setup.strategy).needs_reserved:
        for frame in bad_frames:
            memblock.reserve(frame, memblock.geometry.page_bytes)
    booted.extension = extend_scratch(
        strategy_of(setup.strategy),
        memblock,
        incoming,
        replace(
            setup.extend,
            gigantic_shifts=_gigantic_shifts(setup, memblock),
            bad_frames=bad_frames,
        ),
        lambda: _digest_page(requests),
        lambda address: requests.free(address, 0, requests.geometry.page_bytes),
    )
    if booted.extension.error:
        booted.messages.append(booted.extension.error)
    booted.remember("after_extend")


def _retrieve(
    booted: BootedMemory, setup: KernelSetup, incoming: FrozenRadixTree, cpus: int
) -> Retrieval:
    reserved = booted.first_pass is not None and not booted.first_pass.error
    options = RetrieveOptions(
        cpus=cpus,
        reserved=reserved,
        sizes_have_64_bits=setup.release.sizes_have_64_bits,
        struct_pages_deferred=setup.release.struct_pages_deferred,
    )
    return retriever_of(setup.retrieves_by).retrieve(booted.early.memblock, incoming, options)


def _gigantic_shifts(setup: KernelSetup, memblock: Memblock) -> tuple[int, ...]:
    """Return log2 of the pages on the command line that are larger than the buddy's blocks."""
    largest = memblock.geometry.page_bytes << memblock.geometry.max_order
    sizes = {request.size_bytes for request in setup.options.hugepages}
    return tuple(sorted(size.bit_length() - 1 for size in sizes if size > largest))


def _digest_page(requests: Requests) -> int:
    page_bytes = requests.geometry.page_bytes
    return requests.alloc(requesters.DIGEST_PAGE, page_bytes, page_bytes)


def load_request(booted: BootedMemory, setup: KernelSetup, kexec_count: int) -> LoadRequest:
    """Return what a kernel that has booted so loads for a next one of that setup."""
    machine = booted.early.machine
    return LoadRequest(
        setup.build,
        setup.options.command_line_bytes,
        efi_ranges=machine.efi.runtime_ranges if machine.efi else 0,
        device_tree=machine.device_tree,
        kexec_count=kexec_count,
    )
