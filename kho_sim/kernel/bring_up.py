"""From memblock to user space: what a kernel takes from the page allocator on its way up.

The order is that of start_kernel() and the initcalls (kernel-facts 8, 10.1 and 12.1): some kernel
memory while most struct pages are still deferred, the deferred rest, huge page pools, KHO's
objects, the initramfs, LUO's objects. How much each part takes is the build's ``PageDemand``.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from kho_sim.base.extent import Extent, merged
from kho_sim.kernel.boot import BootedMemory, KernelSetup
from kho_sim.kho.preserve import LiveUpdate, Outgoing
from kho_sim.machine.machine import Machine
from kho_sim.memory.early.gigantic import shortfall
from kho_sim.memory.early.hashes import table_bytes
from kho_sim.memory.memblock import NOMAP
from kho_sim.memory.pages import (
    MOVABLE,
    RECLAIMABLE,
    UNMOVABLE,
    Interleaving,
    OutOfMemory,
    PageAllocator,
    Run,
)

MOUNT_HASH_SCALE = 19
MOUNT_HASHES = 2
"""Mount and mountpoint cache: large tables that come after memblock is gone; vmalloc() if they
are larger than the largest block."""


def open_allocator(
    machine: Machine,
    booted: BootedMemory,
    deferred: bool,
    kho_boot: bool,
    interleaving: Interleaving,
    drawn: random.Random,
) -> PageAllocator:
    """Return the page allocator right after memblock_free_all(): a deferred part is still out."""
    memblock = booted.early.memblock
    pages = PageAllocator(
        [(r.base, r.end, r.nid) for r in memblock.memory],
        booted.scratch_areas,
        [machine.present_cpus_of(nid) for nid in range(max(machine.nodes) + 1)],
        zones=booted.early.platform.zones(machine, booted.early.build),
        kho_boot=kho_boot,
        interleaving=interleaving,
        drawn=drawn,
        geometry=memblock.geometry,
        movable_core=booted.early.options.movable_core,
    )
    taken = [(r.base, r.end) for r in memblock.reserved]
    taken += [(r.base, r.end) for r in memblock.memory if r.flags & NOMAP]
    skipped = booted.retrieval.skipped if booted.retrieval else ()
    pages.open_early(merged([*taken, *skipped]), deferred)
    return pages


def hardware_tables(pages: PageAllocator, booted: BootedMemory) -> tuple[Extent, ...]:
    """Return what hardware keeps using: as it was found, or taken from the page allocator now."""
    early, shift = booted.early, pages.geometry.page_shift
    if early.loaded.hardware_tables:
        return early.loaded.hardware_tables
    tables = []
    for size_bytes in early.platform.hardware_table_bytes(early.machine):
        order = max(size_bytes >> shift, 1).bit_length() - 1
        (run,) = pages.alloc(1, order, UNMOVABLE)
        start, end = run.extent(order)
        tables.append(Extent(start << shift, end << shift))
    return tuple(tables)


def initialise_deferred(
    pages: PageAllocator, booted: BootedMemory, setup: KernelSetup, cpus: int
) -> None:
    """Take what comes before and with the deferred part, up to KHO's own objects."""
    demand = setup.build.demand
    pages.alloc(demand.early_unmovable, 0, UNMOVABLE)
    pages.alloc(demand.early_reclaimable, 0, RECLAIMABLE)
    pages.asking.take_turns()
    geometry, free_pages = booted.early.geometry, booted.early.free_pages
    mount_pages = table_bytes(geometry, free_pages, MOUNT_HASH_SCALE) >> geometry.page_shift
    for _ in range(MOUNT_HASHES):
        if mount_pages > geometry.max_order_pages:
            pages.alloc_largest(mount_pages)
        else:
            pages.alloc(1, mount_pages.bit_length() - 1, UNMOVABLE)
    pages.finish_deferred(setup.build.config.dma_pools, setup.platform.boot_moves)
    if booted.early.cma_areas:
        pages.release_cma(booted.early.cma_areas)
    pages.alloc(demand.late_unmovable + demand.unmovable_per_cpu * cpus, 0, UNMOVABLE)


def fill_huge_pool(
    pages: PageAllocator, size_bytes: int, count: int
) -> tuple[list[int], list[str]]:
    """Take huge pages at subsys_initcall (kernel-facts 7.3); return addresses and messages."""
    messages, geometry = [], pages.geometry
    order = geometry.order_of(size_bytes)
    try:
        runs = pages.alloc(count, order, MOVABLE)
    except OutOfMemory as error:
        runs = error.allocated
        got = sum(run.blocks for run in runs)
        messages.append(shortfall(count, size_bytes, got))
    taken = (pfn for run in runs for pfn in run.pfns(order))
    return [pfn << geometry.page_shift for pfn in taken], messages


def adopt_gigantic_pages(pages: PageAllocator, booted: BootedMemory) -> None:
    """Count the boot-time gigantic pages as managed, which raises watermarks and reserves."""
    pages.adopt_gigantic(booted.early.gigantic.ranges)


def run_initcalls(pages: PageAllocator, setup: KernelSetup) -> None:
    """Take what initcalls and user space take in a kernel without KHO."""
    demand = setup.build.demand
    pages.alloc(demand.initramfs, 0, MOVABLE)
    pages.alloc(demand.late_reclaimable, 0, RECLAIMABLE)
    pages.alloc(demand.before_luo + demand.user_space, 0, UNMOVABLE)


def start_kho_and_luo(
    pages: PageAllocator, setup: KernelSetup, release_scratch: bool
) -> tuple[Outgoing, LiveUpdate]:
    """Make the outgoing tree and LUO's objects, with what other initcalls take between them.

    ``release_scratch``: whether the kernel has areas to give to the page allocator, as a first one.
    """
    demand, late = setup.build.demand, setup.release.scratch.given_late
    if release_scratch and not late:
        pages.release_scratch()
    outgoing = Outgoing(pages, setup.release.tracker.bitmap_bytes)
    luo = LiveUpdate(outgoing, setup.release)
    luo.start_kho()
    pages.alloc(demand.initramfs, 0, MOVABLE, pages.asking.home)  # a worker's, which takes no turns
    pages.alloc(demand.late_reclaimable, 0, RECLAIMABLE, pages.asking.home)
    pages.alloc(demand.before_luo, 0, UNMOVABLE)
    luo.start_luo()
    if release_scratch and late:
        pages.release_scratch()
    pages.alloc(demand.user_space, 0, UNMOVABLE, pages.asking.home)
    return outgoing, luo


def free_initrd(pages: PageAllocator, booted: BootedMemory) -> None:
    """Free the initrd once it is unpacked, if there is one: a worker does it (``other_cpus``).

    Source: free_initrd_mem(); recorded: memfds of a64-machine-1G (one CPU) lie in it, those of two
    CPUs but for one chain do not.
    """
    if booted.early.loaded.initrd:
        pages.give_late(_present(pages, [booted.early.loaded.initrd]), by_worker=True)


def start_init(pages: PageAllocator, machine: Machine, setup: KernelSetup) -> None:
    """Go on where the scheduler puts the first process, and take its own pages: kernel_execve()."""
    pages.asking.run_on(node_of_user_space(machine, setup.platform.init_moves))
    pages.alloc(setup.build.demand.init_movable, 0, MOVABLE)


def free_image_parts(pages: PageAllocator, booted: BootedMemory) -> None:
    """Free what the image holds that a running kernel does not need, page by page.

    Source: free_initmem(), free_kernel_image_pages().
    """
    early = booted.early
    shift = pages.geometry.page_shift
    parts = _present(pages, early.build.freed_parts(early.loaded.image))
    pages.adopt(parts, user=False)
    pages.free(Run(start >> shift, (end - start) >> shift) for start, end in parts)


def _present(pages: PageAllocator, extents: Iterable[tuple[int, int]]) -> list[Extent]:
    """Return what of these ranges (bytes, whole pages), which a loader chose, is memory to this
    kernel, in their order."""
    shift = pages.geometry.page_shift
    return [
        Extent(*(pfn << shift for pfn in part.extent()))
        for start, end in extents
        for part in pages.zone_map.present(Run(start >> shift, (end - start) >> shift))
    ]


def node_of_user_space(machine: Machine, init_moves: bool) -> int:
    """Return the node whose CPUs run user space; ``init_moves``: see ``Platform``.

    Boot runs on the first node. When it executes init, the scheduler moves it to the node with most
    idle CPUs (sched_exec(), find_idlest_group()): boot's own CPU is busy, so to the next node that
    has as many. Recorded: b-numa2-16G, where all of user space's memory is on node 1.
    """
    first, *others = machine.nodes
    if not init_moves:
        return first
    busiest_fit = machine.present_cpus_of(first)
    fits = (nid for nid in others if machine.present_cpus_of(nid) >= busiest_fit > 0)
    return next(fits, first)
