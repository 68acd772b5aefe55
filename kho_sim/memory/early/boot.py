"""One kernel's early boot: the steps that its platform names, and those that are generic.

``EarlyBoot.before_extension()`` runs from the first reservation to the point where KHO may extend
scratch; ``after_extension()`` runs the rest up to the hand-over to the page allocator. In between
the caller runs the extension strategy (room ``kho/``), which this room does not know. Which steps
there are and in which order, the platform says (kernel-facts 6.1 for x86_64).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, NamedTuple

from kho_sim.base import requesters
from kho_sim.base.command_line.reserve_mem import MIN_ALIGN_BYTES
from kho_sim.base.extent import Extent
from kho_sim.builds import Build
from kho_sim.machine.machine import Machine
from kho_sim.memory.early.bounce import allocate_bounce_buffers
from kho_sim.memory.early.cma import reserve_default_area, reserve_hugetlb_areas
from kho_sim.memory.early.crash import reserve_crash_kernel
from kho_sim.memory.early.gigantic import GiganticPages, allocate_gigantic_pages
from kho_sim.memory.early.hashes import allocate_early_hashes, free_pages_for_sizing
from kho_sim.memory.early.log_buffer import allocate_log_buffer, wanted_bytes
from kho_sim.memory.early.options import BootOptions
from kho_sim.memory.early.percpu import allocate_cpumasks, set_up_per_cpu
from kho_sim.memory.early.requests import BootPanic, Requests
from kho_sim.memory.early.sparse import initialise_sections
from kho_sim.memory.memblock import MAX_NUMNODES, NO_NODE, NOLEAKTRACE, NOMAP, Memblock
from kho_sim.platform.geometry import Geometry
from kho_sim.platform.kaslr import NO_KASLR, Kaslr
from kho_sim.platform.loader import LoadedKernel
from kho_sim.platform.rules import EarlyRules, Step
from kho_sim.releases import Release, load_release

if TYPE_CHECKING:
    from kho_sim.platform.platform import Platform


SKIPPED_GIGANTIC_PAGES = "HugeTLB: hugetlb_cma is enabled, skip boot time allocation"
MEMMAP_MISSING = (
    "sparse_init_nid: node[{}] memory map backing failed. Some memory will not be available."
)
DEAD_IDLE_TASK = "Attempted to kill the idle task!"
"""What a kernel says that goes on without struct pages, and the panic that it ends with."""


class NamedArea(NamedTuple):
    """A ``reserve_mem=`` area, the same memory in every kernel of a chain; or other early memory
    that its owner preserves."""

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

    platform: Platform
    machine: Machine
    build: Build
    options: BootOptions
    loaded: LoadedKernel
    populate: Callable[[EarlyBoot], None] | None = None
    memblock: Memblock = field(default_factory=Memblock)
    release: Release = field(default_factory=load_release)
    kaslr: Kaslr = NO_KASLR
    messages: list[str] = field(default_factory=list)
    gigantic: GiganticPages = field(default_factory=GiganticPages)
    named_areas: list[NamedArea] = field(default_factory=list)
    owned_areas: list[NamedArea] = field(default_factory=list)
    """Early memory beyond the build's that its owners will preserve."""
    handed_areas: tuple[NamedArea, ...] = ()
    """The named areas that were handed over and found."""
    late_memory: list[Extent] = field(default_factory=list)
    """What is reserved only until the page allocator runs: it gets that at arch_initcall."""
    revived: bool = False
    """Whether scratch areas were handed over and found: this is a KHO boot."""
    cma_areas: list[Extent] = field(default_factory=list)
    """Areas that the page allocator gets as CMA when initcalls begin."""
    kfence_pool: Extent | None = None
    free_pages: int = 0
    """Free pages when table sizes were fixed (``nr`` of kernel-facts 6.3)."""

    def __post_init__(self) -> None:
        self.requests = Requests(self.memblock)
        self._log_buffer_pending = True
        self._gigantic_pages_in_cma = False

    @property
    def geometry(self) -> Geometry:
        return self.platform.geometry

    @cached_property
    def rules(self) -> EarlyRules:
        return self.platform.early_rules(self.machine)

    # The story

    def before_extension(self) -> None:
        """Run the steps up to the extension: in a KHO boot all of it must fit in original scratch.

        Raises BootPanic.
        """
        for step in self.platform.before_extension(self):
            step.run()
        self._allocate_extras("before")

    def after_extension(self) -> None:
        """Run the steps from there to the page allocator. Raises BootPanic."""
        self.requests.phase = "after"
        for step in self.platform.after_extension(self):
            step.run()
        self._allocate_extras("after")

    def steps_of_start_kernel(self) -> Iterator[Step]:
        """Yield the generic steps after the extension, the same on every platform."""
        count = Step("free pages", self._count_free_pages, "calc_nr_kernel_pages()")
        areas = Step("hugetlb areas", self._reserve_hugetlb_cma, "hugetlb_cma_reserve()")
        take = Step("gigantic pages", self._allocate_gigantic_pages, "hugetlb_bootmem_alloc()")
        before = self.release.gigantic_pages_before_sizing
        yield from (areas, take, count) if before else (count, areas, take)
        yield Step("sections", self._initialise_sections, "sparse_init()")
        yield Step(requesters.COMMAND_LINE, self._copy_command_line, "setup_command_line()")
        yield Step("per-CPU areas", self._set_up_per_cpu, "setup_per_cpu_areas()")
        yield Step("unknown words", self._pass_unknown_words_to_init, "print_unknown_bootoptions()")
        yield Step("named areas", self._reserve_named_areas, "reserve_mem()")
        late = partial(self.set_up_log_buffer, late=True)
        yield Step("late log buffer", late, "setup_log_buf(0)")
        yield Step("hashes", self._allocate_hashes, "vfs_caches_init_early()")

    # Generic steps that a platform puts into its order

    def reserve_image(self) -> None:
        """Reserve text to the end of bss for the kernel."""
        self.memblock.reserve_kern(self.loaded.image.start, self.loaded.image.size)

    def reserve_initrd(self) -> None:
        """Reserve the initrd, if there is one, in whole pages."""
        if self.loaded.initrd:
            self.memblock.reserve_kern(self.loaded.initrd.start, self.loaded.initrd.size)

    def reserve_parameters(self) -> None:
        """Reserve what tells of a handover, if a loader passed any."""
        if self.loaded.parameters:
            self.memblock.reserve_kern(self.loaded.parameters.start, self.loaded.parameters.size)

    def populate_kho(self) -> None:
        """Let KHO find its handover, if there is one."""
        if self.populate:
            self.populate(self)

    def add_memory(self) -> None:
        """Add all memory of the firmware's map; its nodes are not known yet."""
        for extent in self.machine.memory:
            self.memblock.add(extent.start, extent.size, MAX_NUMNODES)
        for extent in self.machine.nomap:
            self.memblock.add(extent.start, extent.size, MAX_NUMNODES, NOMAP)

    def reserve_firmware_tables(self) -> None:
        """Reserve what firmware left for every kernel, ACPI's tables and those of UEFI, and what
        hardware uses."""
        for tables in (*self.machine.firmware_tables, *self.loaded.hardware_tables):
            self.memblock.reserve(tables.start, tables.size)

    def set_up_log_buffer(self, late: bool = False) -> None:
        """Allocate a larger log buffer where one is wanted; what failed early is tried again late.

        Source: setup_log_buf().
        """
        size = wanted_bytes(self.options, self.build, self.machine.cpus, late)
        if not size or not self._log_buffer_pending:
            return
        done, messages = allocate_log_buffer(self.requests, size)
        self._log_buffer_pending = not done
        self.messages += messages

    def initialise_nodes(self) -> None:
        """Give everything its node and allocate each node's own data, and before it the table of
        their distances, if the firmware has any. Source: numa_init(), numa_alloc_distance()."""
        if self.machine.has_node_distances:
            size = (max(self.machine.nodes) + 1) ** 2
            self.requests.alloc(requesters.NODE_DISTANCES, size, self.geometry.page_bytes)
        self.memblock.bottom_up = False
        for span in self.machine.node_spans:
            self.memblock.set_node(span.start, span.end - span.start, span.nid)
        for span in self.machine.node_spans:
            self.memblock.set_reserved_node(span.start, span.end - span.start, span.nid)
        self._give_other_scratch_a_node()
        size = self.build.node_data_bytes
        for nid in self.machine.nodes:
            panic = f"Cannot allocate {size} bytes for node {nid} data"
            self.requests.alloc(requesters.NODE_DATA, size, 64, nid=nid, or_panic=panic)

    def _give_other_scratch_a_node(self) -> None:
        """Scratch that was handed over stays memory where a command line leaves the rest out."""
        for region in self.memblock.memory[:]:
            if region.nid == MAX_NUMNODES:
                self.memblock.set_node(region.base, region.size, self.machine.nodes[0])

    def reserve_cma(self, end: int) -> None:
        """Reserve the area of ``cma=``, or the build's own, below ``end``."""
        align = self.rules.cma_align_bytes
        self._note_cma(reserve_default_area(self.requests, self.options.cma, end, align))

    def reserve_crash_kernel(self) -> None:
        """Reserve memory for a crash kernel."""
        bounce_bytes = self.build.swiotlb_bytes
        crashkernel = self.options.crashkernel
        self._note_cma(reserve_crash_kernel(self.requests, crashkernel, self.rules, bounce_bytes))

    def allocate_bounce_buffers(self, size: int) -> None:
        """Allocate the software IO TLB in low memory, unless it has 0 bytes."""
        cpus = self.machine.cpus
        if size:
            low = self.rules.low_address
            self.messages += allocate_bounce_buffers(self.requests, size, cpus, low)

    def alloc_or_panic(self, what: str, size: int, align: int = 64) -> int:
        """Allocate what no kernel can do without. Source: memblock_alloc_or_panic()."""
        panic = f"__memblock_alloc_or_panic: Failed to allocate {size} bytes"
        return self.requests.alloc(what, size, align, or_panic=panic)

    def alloc_pages_or_panic(self, what: str, count: int, panic: str) -> None:
        """Allocate so many pages, one by one, that no kernel can do without."""
        size = self.geometry.page_bytes
        got = self.requests.alloc_run(what, size, size, count, nid=NO_NODE, low=0, high=NOLEAKTRACE)
        if got < count:
            raise BootPanic(panic)

    # The generic steps after the extension

    def _count_free_pages(self) -> None:
        self.free_pages = free_pages_for_sizing(self.requests)

    def _reserve_hugetlb_cma(self) -> None:
        wanted, nodes = self.options.hugetlb_cma, self.machine.nodes
        reserved = reserve_hugetlb_areas(self.requests, wanted, nodes)
        self._gigantic_pages_in_cma = bool(reserved[0])
        self._note_cma(reserved)

    def _note_cma(self, reserved: tuple[list[Extent], list[str]]) -> None:
        areas, messages = reserved
        self.cma_areas += areas
        self.messages += messages

    def _allocate_gigantic_pages(self) -> None:
        """Take gigantic pages from memblock, unless areas are there to make them of at run time."""
        if self._gigantic_pages_in_cma and self.options.gigantic_pages(self.geometry):
            self.messages.append(SKIPPED_GIGANTIC_PAGES)
            return
        self.gigantic = allocate_gigantic_pages(
            self.requests,
            self.options,
            self.machine.nodes,
            self.release.gigantic_pages_avoid_scratch,
        )
        self.messages += self.gigantic.messages

    def _initialise_sections(self) -> None:
        """A kernel that goes on without struct pages dies when it needs the first of them."""
        said = self.release.memmap_failure_is_said
        optimised = self.gigantic.ranges if self.options.optimises_memmap else ()
        lacking = initialise_sections(self.requests, self.build, self.rules, said, optimised)
        self.messages += [MEMMAP_MISSING.format(nid) for nid in lacking]
        if lacking:
            raise BootPanic(DEAD_IDLE_TASK)

    def _copy_command_line(self) -> None:
        """Allocate two copies: one to keep, one that parsing cuts up."""
        for _ in range(2):
            self.alloc_or_panic(requesters.COMMAND_LINE, self.options.command_line_bytes + 1)

    def _set_up_per_cpu(self) -> None:
        cpus_by_node = {nid: self.machine.cpus_of(nid) for nid in self.machine.nodes}
        set_up_per_cpu(self.requests, self.build, self.rules, cpus_by_node)
        if self.build.config.cpumask_offstack:
            allocate_cpumasks(self.requests, self.machine.cpus, max(self.machine.nodes) + 1)

    def _pass_unknown_words_to_init(self) -> None:
        if self.options.unknown_words:
            size = sum(len(word) + 1 for word in self.options.unknown_words) + 1
            block = self.requests.alloc(requesters.UNKNOWN_PARAMETERS, size, 64)
            if block:
                self.requests.free(block, 0, size)

    def _reserve_named_areas(self) -> None:
        """``reserve_mem=``: an area that was handed over is found again, a new one is allocated
        with the size and the alignment that were asked for, whatever a page has."""
        found = {area.name: area for area in self.handed_areas}
        for area in self.options.reserve_mem:
            if area.name in found:
                self.named_areas.append(found[area.name])
                continue
            what = requesters.reserve_mem(area.name)
            size, align = area.size_bytes, max(area.align_bytes, MIN_ALIGN_BYTES)
            start = self.requests.alloc_range(what, size, align, 0, 0)
            if start:
                self.named_areas.append(NamedArea(area.name, start, size))
            else:
                self.messages.append(f"reserve_mem: could not reserve {area.name}")

    def _allocate_hashes(self) -> None:
        """Allocate the tables; with more nodes than one they come later, from vmalloc()."""
        if len(self.machine.nodes) == 1:
            allocate_early_hashes(self.requests, self.free_pages)

    def _allocate_extras(self, phase: str) -> None:
        """Allocate what a scenario says that this build needs beyond the recorded one."""
        for extra in self.build.early:
            if extra.phase == phase:
                message = f"{extra.what}: Failed to allocate {extra.size_bytes} bytes"
                start = self.requests.alloc(
                    extra.what,
                    extra.size_bytes,
                    extra.align_bytes,
                    nid=extra.nid,
                    or_panic=message if extra.required else "",
                )
                if start and extra.preserve:
                    name = f"early{len(self.owned_areas)}/{extra.what}"
                    self.owned_areas.append(NamedArea(name, start, extra.size_bytes))
