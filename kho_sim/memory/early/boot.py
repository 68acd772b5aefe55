"""The story of one kernel's early boot: each step of kernel-facts section 6 in its order.

``EarlyBoot.before_extension()`` runs from the first reservation to the point where KHO may extend
scratch; ``after_extension()`` runs the rest up to the hand-over to the page allocator. In between
the caller runs the extension strategy (room ``kho/``), which this room does not know.

Left out: reservations below 1 MiB that the later reservation of all of it swallows (MP table), and
the direct map's probing steps beyond the pages that they take.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from kho_sim.base import requesters
from kho_sim.base.extent import Extent, round_up
from kho_sim.builds.profile import KernelProfile
from kho_sim.machine.machine import FOUR_GIB, Machine
from kho_sim.memory.early.bounce import allocate_bounce_buffers
from kho_sim.memory.early.gigantic import GiganticPages, allocate_gigantic_pages
from kho_sim.memory.early.hashes import allocate_early_hashes, free_pages_for_sizing
from kho_sim.memory.early.log_buffer import allocate_log_buffer, wanted_bytes
from kho_sim.memory.early.options import BootOptions
from kho_sim.memory.early.percpu import set_up_per_cpu
from kho_sim.memory.early.requests import BootPanic, Requests
from kho_sim.memory.early.sparse import initialise_sections
from kho_sim.memory.memblock import MAX_NUMNODES, PAGE_SIZE, Memblock
from kho_sim.platform.loader import LoadedKernel

MIB = 1 << 20
LOWEST_RESERVED_BYTES = 0x10000
BIOS_AREA = Extent(0x9F000, MIB)
PROBE_BYTES = 2 * MIB
DIRECT_MAP_PAGES = 2
DIRECT_MAP_WINDOW_BYTES = 512 * MIB
CRASHKERNEL_ALIGN = 16 * MIB


class NamedArea(NamedTuple):
    """A ``reserve_mem=`` area: the same memory in every kernel of a chain."""

    name: str
    start: int
    size_bytes: int

    @property
    def extent(self) -> Extent:
        return Extent(self.start, self.start + self.size_bytes)


@dataclass
class EarlyBoot:
    """Early memory of one booting kernel.

    ``loaded``: where the loader put the kernel. ``populate``: KHO's step, None for a kernel that
    was handed nothing. After the run: ``memblock``, ``requests.rows``, ``gigantic`` and
    ``messages``.
    """

    machine: Machine
    profile: KernelProfile
    options: BootOptions
    loaded: LoadedKernel
    populate: Callable[[EarlyBoot], None] | None = None
    memblock: Memblock = field(default_factory=Memblock)
    messages: list[str] = field(default_factory=list)
    gigantic: GiganticPages = field(default_factory=GiganticPages)
    named_areas: list[NamedArea] = field(default_factory=list)
    handed_areas: tuple[NamedArea, ...] = ()
    """The named areas that were handed over and found."""
    revived: bool = False
    """Whether scratch areas were handed over and found: this is a KHO boot."""
    free_pages: int = 0
    """Free pages when table sizes were fixed (``nr`` of kernel-facts 6.3)."""

    def __post_init__(self) -> None:
        self.requests = Requests(self.memblock)
        self._log_buffer_pending = True

    # Before the extension step: all of it must fit in original scratch

    def before_extension(self) -> None:
        """Run steps 1 to 17. Raises BootPanic."""
        self._reserve_what_is_loaded()
        if self.populate:
            self.populate(self)
        self.memblock.reserve_kern(self.loaded.image.end, self.profile.brk_bytes)
        self._register_memory()
        self._set_up_real_mode()
        self._map_memory()
        self._set_up_log_buffer(late=False)
        for tables in self.machine.firmware_tables:
            self.memblock.reserve(*_base_size(tables))
        self._initialise_nodes()
        self._reserve_crashkernel()
        self._allocate_resources()
        self._allocate_extras("before")

    def after_extension(self) -> None:
        """Run steps 20 to 36. Raises BootPanic."""
        self.requests.phase = "after"
        self.free_pages = free_pages_for_sizing(self.requests)
        self.gigantic = allocate_gigantic_pages(self.requests, self.options, self.machine.nodes)
        self.messages += self.gigantic.messages
        initialise_sections(self.requests, self.profile)
        for _ in range(2):
            self._or_panic(requesters.COMMAND_LINE, self.options.command_line_bytes + 1)
        cpus_by_node = {nid: self.machine.cpus_of(nid) for nid in self.machine.nodes}
        set_up_per_cpu(self.requests, self.profile, cpus_by_node)
        self._pass_unknown_words_to_init()
        self._reserve_named_memory()
        self._set_up_log_buffer(late=True)
        if len(self.machine.nodes) == 1:
            allocate_early_hashes(self.requests, self.free_pages)
        self._allocate_entry_areas()
        if self.machine.has_memory_above_4g and self.profile.swiotlb_bytes:
            self.messages += allocate_bounce_buffers(
                self.requests, self.profile.swiotlb_bytes, self.machine.cpus
            )
        self._allocate_extras("after")

    # The steps, in order

    def _reserve_what_is_loaded(self) -> None:
        loaded = self.loaded
        self.memblock.reserve_kern(*_base_size(loaded.image))
        self.memblock.reserve(0, LOWEST_RESERVED_BYTES)
        if loaded.initrd:
            self.memblock.reserve_kern(*_base_size(loaded.initrd))
        if loaded.parameters:
            self.memblock.reserve_kern(*_base_size(loaded.parameters))
        self.memblock.reserve(*_base_size(BIOS_AREA))

    def _register_memory(self) -> None:
        """Source: e820__memblock_setup(). The first MiB may be used until real mode has its
        part."""
        for extent in self.machine.memory:
            self.memblock.add(extent.start, extent.size, MAX_NUMNODES)
        self.memblock.mark_kho_scratch(0, MIB)
        self.memblock.current_limit = MIB

    def _set_up_real_mode(self) -> None:
        size = self.profile.trampoline_bytes
        if not self.requests.alloc_range(requesters.TRAMPOLINE, size, PAGE_SIZE, 0, MIB):
            self.messages.append("No sub-1M memory is available for the trampoline")
        self.memblock.reserve(0, MIB)
        self.memblock.clear_kho_scratch(0, MIB)

    def _map_memory(self) -> None:
        """The direct map: a probe that is given back, and on cold boots pages for its tables.

        The tables normally come from the brk behind the image; on a cold boot of a machine with
        memory above 4 GiB two of them can not (kernel-facts 6.1, step 11).
        """
        end = self.machine.end_of_memory
        self.memblock.current_limit = end
        probe = self.requests.alloc_range(
            requesters.DIRECT_MAP_PROBE, PROBE_BYTES, PROBE_BYTES, MIB, end
        )
        if probe:
            self.requests.free(probe, 0, PROBE_BYTES)
        else:
            self.messages.append("Failed to release memory for alloc_low_pages()")
        if self.loaded.by_kexec or not self.machine.has_memory_above_4g:
            return
        low = max(end - DIRECT_MAP_WINDOW_BYTES, FOUR_GIB)
        for _ in range(DIRECT_MAP_PAGES):
            if not self.requests.alloc_range(
                requesters.DIRECT_MAP_PAGE, PAGE_SIZE, PAGE_SIZE, low, end
            ):
                raise BootPanic("alloc_low_pages: can not alloc memory")

    def _set_up_log_buffer(self, late: bool) -> None:
        size = wanted_bytes(self.options, self.profile, self.machine.cpus, late)
        if not size or not self._log_buffer_pending:
            return
        done, messages = allocate_log_buffer(self.requests, size)
        self._log_buffer_pending = not done
        self.messages += messages

    def _initialise_nodes(self) -> None:
        """Give everything its node and allocate each node's own data. Source: initmem_init()."""
        for span in self.machine.node_spans:
            self.memblock.set_node(span.start, span.end - span.start, span.nid)
        for span in self.machine.node_spans:
            self.memblock.set_reserved_node(span.start, span.end - span.start, span.nid)
        size = self.profile.node_data_bytes
        for nid in self.machine.nodes:
            self.requests.alloc(
                requesters.NODE_DATA,
                size,
                64,
                nid=nid,
                or_panic=f"Cannot allocate {size} bytes for node {nid} data",
            )

    def _reserve_crashkernel(self) -> None:
        """Source: reserve_crashkernel_generic(): below 4 GiB, or above if it does not fit there."""
        size = self.options.crashkernel_bytes
        if not size:
            return
        for low, high in ((CRASHKERNEL_ALIGN, FOUR_GIB), (FOUR_GIB, 0)):
            if self.requests.alloc_range(
                requesters.CRASH_KERNEL, size, CRASHKERNEL_ALIGN, low, high
            ):
                return
        self.messages.append("crashkernel reservation failed - No suitable area found.")

    def _allocate_resources(self) -> None:
        profile = self.profile
        entries = len(self.machine.firmware) + 1
        self._or_panic(requesters.HPET_RESOURCE, profile.hpet_resource_bytes)
        self._or_panic(requesters.IOAPIC_RESOURCE, profile.ioapic_resource_bytes)
        self._or_panic(requesters.E820_RESOURCES, profile.e820_resource_bytes * entries)

    def _pass_unknown_words_to_init(self) -> None:
        if self.options.unknown_words:
            size = sum(len(word) + 1 for word in self.options.unknown_words) + 1
            block = self.requests.alloc(requesters.UNKNOWN_PARAMETERS, size, 64)
            if block:
                self.requests.free(block, 0, size)

    def _reserve_named_memory(self) -> None:
        """``reserve_mem=``: an area that was handed over is found again, a new one is allocated."""
        found = {area.name: area for area in self.handed_areas}
        for area in self.options.reserve_mem:
            if area.name in found:
                self.named_areas.append(found[area.name])
                continue
            what = requesters.reserve_mem(area.name)
            size = round_up(area.size_bytes, PAGE_SIZE)
            start = self.requests.alloc_range(what, size, max(area.align_bytes, PAGE_SIZE), 0, 0)
            if start:
                self.named_areas.append(NamedArea(area.name, start, size))
            else:
                self.messages.append(f"reserve_mem: could not reserve {area.name}")

    def _allocate_entry_areas(self) -> None:
        pages = 2 + -(-self.profile.entry_area_pages_per_cpu * self.machine.cpus // 512)
        for _ in range(pages):
            self._or_panic(requesters.ENTRY_AREA_TABLE, PAGE_SIZE, PAGE_SIZE)

    def _allocate_extras(self, phase: str) -> None:
        """What a scenario says that this build needs beyond the recorded one."""
        for extra in self.profile.early:
            if extra.phase != phase:
                continue
            message = f"{extra.what}: Failed to allocate {extra.size_bytes} bytes"
            self.requests.alloc(
                extra.what,
                extra.size_bytes,
                extra.align_bytes,
                nid=extra.nid,
                or_panic=message if extra.required else "",
            )

    # Helpers

    def _or_panic(self, what: str, size: int, align: int = 64) -> int:
        message = f"__memblock_alloc_or_panic: Failed to allocate {size} bytes"
        return self.requests.alloc(what, size, align, or_panic=message)


def _base_size(extent: Extent) -> tuple[int, int]:
    return extent.start, extent.size
