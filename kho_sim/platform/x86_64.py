"""x86_64: what Linux keeps in arch/x86 of early boot, of kexec and of the layout of memory.

Models setup_arch() and what it calls, as far as it takes memory, and bzImage64_load(); 4 KiB pages,
a BIOS or EFI (``x86_efi``), KASLR (``kaslr``). Facts 1, 6 and 11, and kernel-facts-distro.
Left out: reservations below 1 MiB that the later reservation of all of it swallows (MP table), the
direct map's probing steps beyond the pages that they take, and IMA data in the boot parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from kho_sim.base import requesters
from kho_sim.base.extent import Extent, round_up
from kho_sim.platform import x86_efi, x86_map
from kho_sim.platform.geometry import Geometry
from kho_sim.platform.kaslr import NO_KASLR, Kaslr, entry_area_tables, image_slot
from kho_sim.platform.loader import LoadedKernel, LoadRequest, Placement, Segment
from kho_sim.platform.rules import EarlyRules, Step, UpperTables, ZoneLimit

if TYPE_CHECKING:
    from kho_sim.builds import Build
    from kho_sim.machine import Machine
    from kho_sim.memory.early import EarlyBoot

MIB = 1 << 20
FOUR_GIB = 4 << 30

# Early boot

ADDRESS_BITS = {4: 46, 5: 52}
"""Bits of physical addresses by levels of page tables (MAX_PHYSMEM_BITS)."""
DIRECT_MAP_BYTES = 1 << 46
"""The reach of four-level page tables, which every CPU has."""
TABLES_BELOW_UPPER = 3
"""Of the levels that map the memmap: one of huge pages, one that is counted by windows, and the top
level, which the kernel has in its image."""
END_OF_DMA = 16 * MIB
"""What devices on an ISA bus reach."""
LOWEST_RESERVED_BYTES = 0x10000
BIOS_AREA = Extent(0x9F000, MIB)
PROBE_BYTES = 2 * MIB
DIRECT_MAP_PAGES = 2
ONE_FOR_ALL = UpperTables(1 << 52, 1 << 52)
DIRECT_MAP_WINDOW_BYTES = 512 * MIB

# kexec

BOOT_PARAMS_BYTES = 4096
ELFCOREHDR_TEXT_BYTES = 30
"""Room that the command line always gets for "elfcorehdr=0x..." (MAX_ELFCOREHDR_STR_LEN)."""
SETUP_DATA_BYTES = 16 + 32
"""A struct setup_data with 32 bytes behind its header: EFI's, the random seed's and KHO's."""
SETUP_DATA_COUNT = 3
EFI_SETUP_DATA_BYTES = 16 + 96
"""EFI's where the kernel is built for it, on any machine: it then lies before KHO's. The next
kernel reserves it as well if the machine has EFI."""
RESERVED_SETUP_DATA_BYTES = 0x60
"""What the next kernel reserves of them, from KHO's on."""
EFI_PARAMETERS_BYTES = EFI_SETUP_DATA_BYTES + RESERVED_SETUP_DATA_BYTES
"""What it reserves of them on an EFI machine."""
KERNEL_ALIGN_BYTES = 2 * MIB
MIN_PURGATORY_ADDRESS = 0x3000
MIN_BOOT_PARAMS_ADDRESS = 0x3000
MIN_KERNEL_ADDRESS = 0x1000000
HIGHEST_MIN_RANDOM_ADDRESS = 512 * MIB
"""A BIOS kernel is moved to no place below where it was loaded, or below this."""
MIN_INITRD_ADDRESS = 0x1000000


class X86_64:  # noqa: N801 (the name of the architecture)
    """The platform of the recorded kernels; see ``platform.Platform``."""

    name = "x86_64"
    geometry = Geometry()
    address_bits = 52
    """With five-level page tables, see ADDRESS_BITS."""
    command_line_max_bytes = 2047
    """COMMAND_LINE_SIZE less the NUL."""
    init_moves, boot_moves = True, False
    """Recorded: b-numa2-16G; of boot's thread nothing is known."""
    boot_loader_end = FOUR_GIB
    """The boot protocol has 32-bit addresses of kernel and initrd."""
    unpacks_image = True
    """A bzImage (time-facts 6)."""

    # Memory

    def zones(self, machine: Machine, build: Build) -> tuple[ZoneLimit, ...]:  # noqa: ARG002
        """Return DMA32 and Normal, and DMA below in builds with it (kernel-facts-distro 5)."""
        dma_end = END_OF_DMA if build.config.zone_dma else 0
        return (
            *([ZoneLimit("DMA", 0, dma_end)] if dma_end else []),
            ZoneLimit("DMA32", dma_end, FOUR_GIB),
            ZoneLimit("Normal", FOUR_GIB, 1 << self.address_bits),
        )

    def early_rules(self, machine: Machine) -> EarlyRules:
        """Return what follows from the levels of page tables, and what is always the same."""
        levels = machine.page_table_levels
        return EarlyRules(
            low_address=FOUR_GIB - 1,
            memmap_address=16 * MIB,
            memmap_origin=0,
            memmap_upper_tables=(ONE_FOR_ALL,) * (levels - TABLES_BELOW_UPPER),
            physical_address_bits=ADDRESS_BITS[levels],
            per_cpu_atom_bytes=self.geometry.huge_page_bytes,
            cma_align_bytes=self.geometry.scratch_align_bytes,
            crash_low_end=FOUR_GIB,
            crash_align_bytes=16 * MIB,
            crash_high_end=DIRECT_MAP_BYTES,
            crash_low_bytes=256 * MIB,
            crash_low_holds_bounce_buffers=True,
        )

    # Loading

    def load_cold(self, machine: Machine, build: Build, kaslr: Kaslr = NO_KASLR) -> LoadedKernel:
        """Return the image where it was linked for or KASLR moves it, the initrd at the end of the
        highest range below 4 GiB that holds it.

        An initrd that is larger than every range lies below the end of low memory, or begins at
        address 0 (no boot loader would load it; the kernel dies of it later). On an EFI machine the
        loader of EFI puts both.
        """
        efi, page_bytes = machine.efi, self.geometry.page_bytes
        initrd_bytes = round_up(build.initrd_bytes, page_bytes)
        initrd = self._cold_initrd(machine, initrd_bytes)
        placed = kaslr.placed
        known = _if_possible(machine, placed.initrd, initrd_bytes, page_bytes)
        if initrd_bytes and known is not None:
            initrd = Extent(known, known + initrd_bytes)
        if kaslr.moves_cold_image:
            address = _random_cold_address(machine, build, initrd, kaslr)
        else:
            address = _if_possible(machine, placed.image, build.image_bytes, KERNEL_ALIGN_BYTES)
        if address is None:
            address = build.image_address
            if efi:
                size = build.init_size_bytes
                address = x86_efi.image_address(efi, size, MIN_KERNEL_ADDRESS, KERNEL_ALIGN_BYTES)
        return LoadedKernel(
            image=Extent(address, address + build.image_bytes),
            initrd=initrd,
            efi_map=efi.memory_map if efi else None,
        )

    def moved_in_scratch(
        self,
        loaded: LoadedKernel,
        areas: Iterable[tuple[int, int]],
        build: Build,
        kaslr: Kaslr,
    ) -> LoadedKernel:
        """Return the kernel where its decompressor moves it: to a slot of an original scratch area;
        where kexec put it without KASLR, or if there is none.

        Source: choose_random_location(), kernel-facts-distro 3.4.
        """
        if not kaslr.enabled:
            return loaded
        ranges = [Extent(start, start + size) for start, size in areas]
        avoided = [part for part in (loaded.initrd, loaded.parameters) if part]
        start = image_slot(ranges, avoided, build.image_bytes + build.brk_bytes, kaslr)
        if start is None:
            return loaded
        return replace(loaded, image=Extent(start, start + build.image_bytes))

    def _cold_initrd(self, machine: Machine, size: int) -> Extent | None:
        if not size:
            return None
        placed = x86_efi.initrd_of(machine.efi, size) if machine.efi else None
        if placed is not None:
            return placed
        low = [
            Extent(extent.start, min(extent.end, FOUR_GIB))
            for extent in machine.memory
            if extent.start < FOUR_GIB
        ]
        end = max((part.end for part in low if part.size >= size), default=low[-1].end)
        start = max(end - size, 0)
        return Extent(start, start + size)

    def kexec_segments(self, request: LoadRequest) -> tuple[Segment, ...]:
        """Return the segments of a bzImage; an initrd of 0 bytes gets none.

        Source: bzImage64_load().
        """
        build, page_bytes = request.build, self.geometry.page_bytes
        params = _setup_data_offset(request) + SETUP_DATA_COUNT * SETUP_DATA_BYTES
        segments = (
            Segment("purgatory", build.purgatory_bytes, page_bytes, MIN_PURGATORY_ADDRESS),
            Segment("boot_params", params, page_bytes, MIN_BOOT_PARAMS_ADDRESS),
            Segment("kernel", build.init_size_bytes, KERNEL_ALIGN_BYTES, MIN_KERNEL_ADDRESS),
            Segment("initrd", build.initrd_bytes, page_bytes, MIN_INITRD_ADDRESS),
        )
        return segments if build.initrd_bytes else segments[:-1]

    def hardware_table_bytes(self, machine: Machine) -> tuple[int, ...]:  # noqa: ARG002
        """Return nothing."""
        return ()

    def pages_to_load(self, boot: EarlyBoot) -> int:  # noqa: ARG002
        """Return 0: what maps memory for the jump is left out."""
        return 0

    def load_kexec(self, placed: Iterable[Placement], request: LoadRequest) -> LoadedKernel:
        """Return where the jump leaves everything; KHO's setup_data lies in the boot parameters,
        and on an EFI machine its map and its setup_data before it.

        Source: kho_setup_boot_parameters(), setup_efi_state().
        """
        at = {place.name: place for place in placed}
        image = at["kernel"].start
        setup_data = at["boot_params"].start + _setup_data_offset(request)
        reserved = Extent(setup_data, setup_data + RESERVED_SETUP_DATA_BYTES)
        efi_map = None
        if ranges := request.efi_ranges:
            reserved = reserved._replace(start=setup_data - EFI_SETUP_DATA_BYTES)
            start = reserved.start - x86_efi.map_bytes(ranges)
            efi_map = Extent(start, start + ranges * x86_efi.DESCRIPTOR_BYTES)
        return LoadedKernel(
            image=Extent(image, image + request.build.image_bytes),
            initrd=at["initrd"].extent if "initrd" in at else None,
            parameters=reserved,
            efi_map=efi_map,
            by_kexec=True,
        )

    # Early boot: steps 1 to 17, and 20 to 36, of kernel-facts 6.1

    def before_extension(self, boot: EarlyBoot) -> Iterator[Step]:
        """Yield what setup_arch() does up to initmem_init(), and what follows it before KHO."""
        yield Step("kernel image", boot.reserve_image, "setup_arch()")
        yield Step("first 64 KiB", partial(_reserve_first_64_kib, boot), "early_reserve_memory()")
        yield Step("initrd", boot.reserve_initrd, "early_reserve_initrd()")
        yield Step("setup data", boot.reserve_parameters, "memblock_x86_reserve_range_setup_data()")
        yield Step("BIOS area", partial(_reserve_bios_area, boot), "reserve_bios_regions()")
        yield Step("KHO", boot.populate_kho, "kho_populate()")
        if boot.machine.efi:
            reserve = partial(x86_efi.reserve_tables, boot)
            yield Step("EFI tables", reserve, "efi_memblock_x86_reserve_range()")
        yield Step("brk", partial(_reserve_brk, boot), "reserve_brk()")
        yield Step("memory", partial(_add_memory, boot), "e820__memblock_setup()")
        if boot.machine.efi:
            reserve = partial(x86_efi.reserve_boot_services, boot)
            yield Step("boot services", reserve, "efi_reserve_boot_services()")
        yield Step("real mode", partial(_set_up_real_mode, boot), "reserve_real_mode()")
        yield Step("direct map", partial(_map_memory, boot), "init_mem_mapping()")
        yield Step("log buffer", boot.set_up_log_buffer, "setup_log_buf(1)")
        yield Step("ACPI tables", boot.reserve_firmware_tables, "acpi_boot_table_init()")
        if boot.machine.efi:
            yield Step("EFI map copies", partial(x86_efi.copy_map, boot), "efi_mem_reserve()")
        yield Step("nodes", boot.initialise_nodes, "initmem_init()")
        cma = partial(boot.reserve_cma, boot.machine.end_of_memory)
        yield Step(requesters.CMA_AREA, cma, "dma_contiguous_reserve()")
        yield Step(requesters.CRASH_KERNEL, boot.reserve_crash_kernel, "arch_reserve_crashkernel()")
        yield Step(
            "resources", partial(x86_map.allocate_resources, boot), "e820__reserve_resources()"
        )
        config = boot.build.config
        if config.firmware_memmap:
            keep = partial(x86_map.keep_firmware_map, boot)
            yield Step("firmware map", keep, "e820__setup_firmware_memmap()")
        if config.hibernation:
            register = partial(x86_map.register_nosave_regions, boot)
            yield Step("nosave regions", register, "e820__register_nosave_regions()")

    def after_extension(self, boot: EarlyBoot) -> Iterator[Step]:
        """Yield the generic steps of start_kernel() with those of x86 behind them."""
        yield from boot.steps_of_start_kernel()
        yield Step("CPU entry areas", partial(_allocate_entry_areas, boot), "trap_init()")
        is_high = boot.machine.end_of_possible_memory > FOUR_GIB
        if is_high or boot.options.forces_bounce_buffers:
            bounce = partial(boot.allocate_bounce_buffers, boot.build.swiotlb_bytes)
            yield Step("bounce buffers", bounce, "swiotlb_init()")
        if boot.options.kfence_interval:
            yield Step(
                "KFENCE", partial(_allocate_kfence, boot), "kfence_alloc_pool_and_metadata()"
            )


def _if_possible(
    machine: Machine, address: int | None, size_bytes: int, align_bytes: int
) -> int | None:
    """Return an address that something is said to lie at; None if it cannot."""
    if address is None or address % align_bytes:
        return None
    fits = any(m.start <= address and address + size_bytes <= m.end for m in machine.memory)
    return address if fits else None


def _random_cold_address(
    machine: Machine, build: Build, initrd: Extent | None, kaslr: Kaslr
) -> int | None:
    """Return a slot of memory that is free when a first kernel starts (kernel-facts-distro 3).

    EFI's loader asks for all of init_size, the decompressor for what the kernel needs to run [I].
    """
    if machine.efi:
        free, size, lowest = machine.efi.conventional, build.init_size_bytes, MIN_KERNEL_ADDRESS
    else:
        free, size = kaslr.memory, build.image_bytes + build.brk_bytes
        lowest = min(build.image_address, HIGHEST_MIN_RANDOM_ADDRESS)
    ranges = [extent._replace(start=max(extent.start, lowest)) for extent in free]
    return image_slot(ranges, [initrd] if initrd else [], size, kaslr)


def _setup_data_offset(request: LoadRequest) -> int:
    """Boot parameters, command line and the room for one more option come before any setup_data,
    and EFI's before KHO's (kernel-facts-distro 1, after 4)."""
    line_bytes = request.command_line_bytes + 1 + ELFCOREHDR_TEXT_BYTES
    has_efi = request.build.config.efi or request.efi_ranges
    of_efi = EFI_SETUP_DATA_BYTES if has_efi else 0
    of_efi += x86_efi.map_bytes(request.efi_ranges)
    return round_up(BOOT_PARAMS_BYTES + line_bytes, 16) + of_efi


def _reserve_first_64_kib(boot: EarlyBoot) -> None:
    boot.memblock.reserve(0, LOWEST_RESERVED_BYTES)


def _reserve_bios_area(boot: EarlyBoot) -> None:
    boot.memblock.reserve(BIOS_AREA.start, BIOS_AREA.size)


def _reserve_brk(boot: EarlyBoot) -> None:
    """The early page tables behind the image."""
    boot.memblock.reserve_kern(boot.loaded.image.end, boot.build.brk_bytes)


def _add_memory(boot: EarlyBoot) -> None:
    """Only the first MiB may be used until real mode has its part, in a KHO boot as well."""
    boot.add_memory()
    boot.memblock.mark_kho_scratch(0, MIB)
    boot.memblock.current_limit = MIB
    boot.memblock.bottom_up = boot.options.movable_node


def _set_up_real_mode(boot: EarlyBoot) -> None:
    """The trampoline that wakes other CPUs; then nobody may use the first MiB any more."""
    size, page_bytes = boot.build.trampoline_bytes, boot.geometry.page_bytes
    if not boot.requests.alloc_range(requesters.TRAMPOLINE, size, page_bytes, 0, MIB):
        boot.messages.append("No sub-1M memory is available for the trampoline")
    boot.memblock.reserve(0, MIB)
    boot.memblock.clear_kho_scratch(0, MIB)


def _map_memory(boot: EarlyBoot) -> None:
    """The direct map: a probe that is given back, and on cold boots pages for its tables; neither
    where memory is taken from below.

    The tables normally come from the brk behind the image; on a cold boot of a machine with memory
    above 4 GiB two of them cannot, unless the image lies there as well (kernel-facts 6.1, step 11;
    kernel-facts-distro 3.4).
    """
    requests, end, page_bytes = boot.requests, boot.machine.end_of_memory, boot.geometry.page_bytes
    boot.memblock.current_limit = end
    if boot.memblock.bottom_up:
        return
    probe = requests.alloc_range(requesters.DIRECT_MAP_PROBE, PROBE_BYTES, PROBE_BYTES, MIB, end)
    if probe:
        requests.free(probe, 0, PROBE_BYTES)
    else:
        boot.messages.append("Failed to release memory for alloc_low_pages()")
    pages = boot.kaslr.placed.direct_map_pages
    if pages is None:
        is_low = boot.loaded.image.start < FOUR_GIB
        needs_some = is_low and end > FOUR_GIB and not boot.loaded.by_kexec
        pages = DIRECT_MAP_PAGES if needs_some else 0
    low = max(end - DIRECT_MAP_WINDOW_BYTES, FOUR_GIB)
    panic = "alloc_low_pages: cannot alloc memory"
    for _ in range(pages):
        requests.alloc_range(
            requesters.DIRECT_MAP_PAGE, page_bytes, page_bytes, low, end, or_panic=panic
        )


def _allocate_kfence(boot: EarlyBoot) -> None:
    """The pool that KFENCE watches, and what it notes of each object."""
    page_bytes = boot.geometry.page_bytes
    size = boot.build.kfence_pool_bytes(page_bytes)
    if size and boot.requests.alloc(requesters.KFENCE_POOL, size, page_bytes):
        metadata_bytes = boot.build.kfence_metadata_bytes
        boot.requests.alloc(requesters.KFENCE_METADATA, metadata_bytes, page_bytes)


def _allocate_entry_areas(boot: EarlyBoot) -> None:
    """Page tables of the areas that hold each CPU's entry stacks: side by side without KASLR."""
    page_bytes, entries = boot.geometry.page_bytes, boot.geometry.table_entries
    pages_per_cpu, cpus = boot.build.entry_area_pages_per_cpu, boot.machine.cpus
    if boot.kaslr.enabled:
        pages = entry_area_tables(boot.geometry, cpus, pages_per_cpu, boot.kaslr)
    else:
        pages = 2 + -(-pages_per_cpu * cpus // entries)
    for _ in range(pages):
        boot.alloc_or_panic(requesters.ENTRY_AREA_TABLE, page_bytes, page_bytes)
