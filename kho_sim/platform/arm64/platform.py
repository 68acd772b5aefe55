"""arm64 with pages of 4, 16 or 64 KiB: zones, where kernels are loaded, the order of early boot.

Models setup_arch() of arch/arm64 and what it calls, as far as it takes memory (kernel-facts-arm64
1 to 5), for virtual and physical addresses of 48 bits. KASLR moves virtual addresses only, so
nothing here depends on it. Left out: /reserved-memory nodes, the limits of DMA that a device tree
or IORT can name, protected KVM, and a UEFI stub that places the image at random.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from kho_sim.base import requesters
from kho_sim.base.extent import round_down
from kho_sim.platform.arm64 import early, kexec
from kho_sim.platform.arm64.linear_map import map_memory, pages_to_copy
from kho_sim.platform.geometry import ARM64_GEOMETRIES, STRUCT_PAGE_BYTES, Geometry
from kho_sim.platform.kaslr import NO_KASLR, Kaslr
from kho_sim.platform.loader import LoadedKernel, LoadRequest, Placement, Segment
from kho_sim.platform.rules import EarlyRules, Step, UpperTables, ZoneLimit

if TYPE_CHECKING:
    from kho_sim.builds import Build
    from kho_sim.machine import Machine
    from kho_sim.memory.early import EarlyBoot

MIB = 1 << 20
GIB = 1 << 30
FOUR_GIB = 4 * GIB
ADDRESS_BITS = 48
LPI_TABLE_BYTES = 64 << 10
CRASH_ALIGN_BYTES = 2 * MIB
CRASH_LOW_BYTES = 128 * MIB
MEMMAP_BELOW_BORDER_BYTES = GIB
"""The virtual memory map begins 1 GiB below a border of what upper tables map."""
MEMMAP_UPPER_LEVEL = {4 << 10: 3, 16 << 10: 2}
"""Page size -> the level of the tables above those that map struct pages, from 1 for the lowest."""
START_ALIGN_BYTES = {4 << 10: GIB, 16 << 10: GIB, 64 << 10: 512 * MIB}
"""Page size -> what the first address of the linear map is a multiple of (ARM64_MEMSTART_ALIGN)."""


@dataclass(frozen=True)
class Arm64:
    """The platform of one page size; see ``platform.Platform``."""

    geometry: Geometry

    name = "arm64"
    address_bits = ADDRESS_BITS
    command_line_max_bytes = 2047
    """COMMAND_LINE_SIZE less the NUL."""
    init_moves = False
    """Recorded: a64-numa2-8G and a64-numa2-16G-huge, both with all user memory on node 0."""
    boot_moves = True
    """Recorded: with 2 CPUs trees begin 637 pages into the first block or later, while LUO's pages
    of others lie at 360; with 4 at 1059 or later, LUO's at 903 to 958."""
    boot_loader_end = 1 << ADDRESS_BITS
    """Anywhere: under UEFI near the top of memory (kernel-facts-arm64 1.1)."""
    unpacks_image = False
    """An Image (kernel-facts-arm64 6.2)."""

    # Memory

    def zones(self, machine: Machine, build: Build) -> tuple[ZoneLimit, ...]:  # noqa: ARG002
        """Return DMA, DMA32 (nearly always empty) and Normal (kernel-facts-arm64 1.3)."""
        low_end = end_of_low_memory(machine)
        dma32_end = max(low_end, min(FOUR_GIB, machine.end_of_memory))
        return (
            ZoneLimit("DMA", 0, low_end),
            ZoneLimit("DMA32", low_end, dma32_end),
            ZoneLimit("Normal", dma32_end, 1 << ADDRESS_BITS),
        )

    def early_rules(self, machine: Machine) -> EarlyRules:
        """Return the rules of a machine: low memory ends at 4 GiB, or with all of memory."""
        start = self.start_of_linear_map(machine)
        return EarlyRules(
            low_address=end_of_low_memory(machine) - 1,
            memmap_address=start,
            memmap_origin=start,
            memmap_upper_tables=self._memmap_upper_tables,
            physical_address_bits=ADDRESS_BITS,
            per_cpu_atom_bytes=self.geometry.page_bytes,
            cma_align_bytes=self.geometry.pageblock_bytes,
            crash_low_end=end_of_low_memory(machine),
            crash_align_bytes=CRASH_ALIGN_BYTES,
            crash_high_end=1 << ADDRESS_BITS,
            crash_low_bytes=CRASH_LOW_BYTES,
            crash_low_holds_bounce_buffers=False,
        )

    def start_of_linear_map(self, machine: Machine) -> int:
        """Return the address that linear map and memory map begin with (memstart_addr)."""
        return round_down(machine.start_of_memory, START_ALIGN_BYTES[self.geometry.page_bytes])

    # Loading

    def load_cold(
        self,
        machine: Machine,
        build: Build,
        kaslr: Kaslr = NO_KASLR,  # noqa: ARG002
    ) -> LoadedKernel:
        """Return where the boot loader of the machine puts image, initrd and device tree."""
        return kexec.cold_load(machine, build)

    def kexec_segments(self, request: LoadRequest) -> tuple[Segment, ...]:
        """Return the segments of an Image; an initrd of 0 bytes gets none."""
        return kexec.segments(request, self.geometry.page_bytes)

    def moved_in_scratch(
        self,
        loaded: LoadedKernel,
        areas: Iterable[tuple[int, int]],  # noqa: ARG002
        build: Build,  # noqa: ARG002
        kaslr: Kaslr,  # noqa: ARG002
    ) -> LoadedKernel:
        """Return the kernel where kexec put it: no decompressor moves it."""
        return loaded

    def load_kexec(self, placed: Iterable[Placement], request: LoadRequest) -> LoadedKernel:
        """Return where the jump leaves everything; /chosen of the device tree leads to KHO."""
        return kexec.loaded(placed, request)

    def hardware_table_bytes(self, machine: Machine) -> tuple[int, ...]:
        """Return the tables of the interrupt controller (GICv3 with ITS) that UEFI remembers: the
        page that lists them, the properties, and what is pending for each CPU.

        A machine with a device tree forgets them. Source: kernel-facts-arm64 6.4.
        """
        if not machine.device_tree or machine.device_tree.unflattened_bytes:
            return ()
        return (self.geometry.page_bytes, *(LPI_TABLE_BYTES,) * (1 + machine.cpus))

    def pages_to_load(self, boot: EarlyBoot) -> int:
        """Return the pages of the linear map's copy that the jump goes through."""
        return pages_to_copy(boot)

    # Early boot: steps 1 to 15, and 17 to 28, of kernel-facts-arm64 5.1

    def before_extension(self, boot: EarlyBoot) -> Iterator[Step]:
        """Yield what setup_arch() does up to bootmem_init(), and what follows it before KHO."""
        yield Step("device tree blob", partial(early.reserve_blob, boot), "setup_machine_fdt()")
        yield Step("KHO", boot.populate_kho, "kho_populate()")
        yield Step("memory", boot.add_memory, "early_init_dt_scan_memory(), efi_init()")
        yield Step("firmware tables", boot.reserve_firmware_tables, "efi_init()")
        yield Step("initrd", partial(early.reserve_initrd, boot), "arm64_memblock_init()")
        yield Step("kernel image", partial(early.reserve_image, boot), "arm64_memblock_init()")
        yield Step("KFENCE pool", partial(early.reserve_kfence_pool, boot), "map_mem()")
        yield Step("linear map", partial(map_memory, boot), "paging_init()")
        yield Step("device tree", partial(early.unflatten, boot), "unflatten_device_tree()")
        yield Step("nodes", boot.initialise_nodes, "bootmem_init()")
        cma = partial(boot.reserve_cma, boot.rules.low_address + 1)
        yield Step(requesters.CMA_AREA, cma, "dma_contiguous_reserve()")
        yield Step(requesters.CRASH_KERNEL, boot.reserve_crash_kernel, "arch_reserve_crashkernel()")
        yield Step("resources", partial(early.allocate_resources, boot), "setup_arch()")

    def after_extension(self, boot: EarlyBoot) -> Iterator[Step]:
        """Yield the generic steps of start_kernel(), then bounce buffers, which arm64 always has
        some of."""
        yield from boot.steps_of_start_kernel()
        bounce = partial(early.allocate_bounce_buffers, boot)
        yield Step("bounce buffers", bounce, "arch_mm_preinit()")
        metadata = partial(early.allocate_kfence_metadata, boot)
        yield Step(requesters.KFENCE_METADATA, metadata, "kfence_alloc_pool_and_metadata()")

    # Inside

    @property
    def _memmap_upper_tables(self) -> tuple[UpperTables, ...]:
        """The level above the tables of struct pages, where the kernel has no static one of it.

        Source: kernel-facts-arm64 5.5.
        """
        level = MEMMAP_UPPER_LEVEL.get(self.geometry.page_bytes)
        if level is None:
            return ()
        table_bytes = self.geometry.page_bytes << level * self.geometry.table_shift
        memory_per_byte = self.geometry.page_bytes // STRUCT_PAGE_BYTES
        return (
            UpperTables(MEMMAP_BELOW_BORDER_BYTES * memory_per_byte, table_bytes * memory_per_byte),
        )


def end_of_low_memory(machine: Machine) -> int:
    """Return where memory ends that every device reaches: no device tree or IORT restricts it, so
    4 GiB where memory begins below (kernel-facts-arm64 1.3)."""
    end = machine.end_of_memory
    return min(FOUR_GIB, end) if machine.start_of_memory < FOUR_GIB else end


ARM64: Mapping[int, Arm64] = {size: Arm64(one) for size, one in ARM64_GEOMETRIES.items()}
"""By page size in bytes."""
