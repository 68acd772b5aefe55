"""What the build of a kernel fixes: sizes that early boot and kexec need.

The numbers are in the data files of this folder, each beside its source. A scenario can set some of
them (``kernel.image: ...``). Left out: what follows from the page size (``platform/``) and what the
release rules (``releases/``).
"""

from __future__ import annotations

from dataclasses import dataclass

from kho_sim.base.data_file import DataFile
from kho_sim.base.extent import Extent

STATIC_REGIONS = 128
"""INIT_MEMBLOCK_REGIONS."""


@dataclass(frozen=True, slots=True)
class EarlyRequest:
    """One more early allocation of a kernel build, in order, after (or before) the extension
    step."""

    what: str
    size_bytes: int
    align_bytes: int = 64
    nid: int = -1
    phase: str = "after"
    required: bool = True
    preserve: bool = False
    """Whether its owner preserves it before the kernel goes."""


@dataclass(frozen=True, slots=True)
class PageDemand:
    """Pages that a booting kernel takes from the page allocator until user space runs.

    One set for all machines, so agreement with the recorded chains is close and not exact
    (docs/placement.md).
    """

    early_unmovable: int
    """Before deferred struct pages are initialised."""
    late_unmovable: int
    """From there to the first object of KHO."""
    unmovable_per_cpu: int
    """For each CPU, in the same time."""
    initramfs: int
    """User pages of the unpacked initramfs, between KHO's objects and LUO's."""
    before_luo: int
    """Unmovable pages between KHO's objects and LUO's."""
    user_space: int
    """Unmovable pages from LUO's objects until init is ready."""
    early_reclaimable: int
    """Slab pages of dentries and inodes, before deferred struct pages are initialised. They claim
    pageblocks of their own."""
    late_reclaimable: int
    """The same, when the initramfs is unpacked."""
    init_movable: int
    """User pages of init itself."""


@dataclass(frozen=True, slots=True)
class ImageSections:
    """Where the sections of an image lie, in bytes from its beginning.

    What lies between sections, behind the last one, and what only start-up needs is given to the
    page allocator right before the first process starts.
    """

    text_end_bytes: int
    rodata_start_bytes: int
    rodata_end_bytes: int
    data_start_bytes: int
    init_start_bytes: int
    init_end_bytes: int
    bss_end_bytes: int

    def freed(self, image: Extent) -> tuple[Extent, ...]:
        """Return what is given away of an image, in that order: free_initmem(), mark_readonly()."""
        start, end = image
        return (
            Extent(start + self.bss_end_bytes, end),
            Extent(start + self.init_start_bytes, start + self.init_end_bytes),
            Extent(start + self.text_end_bytes, start + self.rodata_start_bytes),
            Extent(start + self.rodata_end_bytes, start + self.data_start_bytes),
        )


@dataclass(frozen=True, slots=True)
class Config:
    """Options of a kernel's configuration that take or move early memory, or check it, by their
    names in it; one that is left out is off."""

    cpumask_offstack: bool = False
    """CPU masks are allocated, as kernels for very many CPUs do."""
    dma_pools: bool = False
    """Each zone has a pool of memory for devices, to be had without sleeping."""
    efi: bool = False
    """The kernel can run on EFI; kexec then passes room for EFI's data on any machine."""
    firmware_memmap: bool = False
    """The firmware's map is kept for /sys/firmware."""
    hibernation: bool = False
    """What is no memory is listed, so that nobody saves it."""
    kexec_handover_debug: bool = False
    """KHO refuses to preserve what lies in scratch."""
    page_extension: bool = False
    """A section's record has a place for data beside its struct pages."""
    randomize_base: bool = False
    """The kernel lies at a random place, unless its command line says nokaslr (KASLR)."""
    zone_dma: bool = False
    """The first 16 MiB are a zone of their own, for old devices (x86)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build(DataFile):
    """Sizes of one kernel build, in bytes unless the name says otherwise."""

    platform: str = "x86_64"
    image_bytes: int
    """Text to the end of bss."""
    brk_bytes: int = 0
    """Early page tables behind the image (x86)."""
    image_address: int = 0
    """Where a boot loader puts the kernel on a cold boot (x86)."""
    initrd_bytes: int
    """The initrd file."""
    init_size_bytes: int = 0
    """What kexec must find for the kernel segment (x86)."""
    purgatory_bytes: int = 0
    trampoline_bytes: int = 0
    """The real-mode trampoline below 1 MiB (x86)."""
    node_data_bytes: int
    """NODE_DATA, for each node."""
    hpet_resource_bytes: int = 0
    ioapic_resource_bytes: int = 0
    e820_resource_bytes: int = 0
    """A resource for each firmware entry, and one more (x86)."""
    default_log_buffer_bytes: int
    """The log buffer without ``log_buf_len=`` (CONFIG_LOG_BUF_SHIFT)."""
    log_buffer_per_cpu_bytes: int
    """What each CPU but the first adds to what the log may need (CONFIG_LOG_CPU_MAX_BUF_SHIFT)."""
    usage_map_bytes: int
    """For each section."""
    per_cpu_static_bytes: int
    """The static per-cpu section of one CPU."""
    per_cpu_dynamic_bytes: int
    """Room for dynamic per-cpu allocations behind it."""
    per_cpu_reserved_bytes: int = 0
    """Room between the two for the per-cpu variables of modules."""
    entry_area_pages_per_cpu: int = 0
    """Pages of a CPU's entry area: they decide how many page tables the areas need (x86)."""
    swiotlb_bytes: int
    """Bounce buffers without ``swiotlb=``; arm64 takes fewer on small machines."""
    cma_bytes: int = 0
    """The area for contiguous allocations without ``cma=`` (CONFIG_CMA_SIZE_MBYTES)."""
    init_section_offset: int = 0
    """Where in the image the part begins that is freed before user space runs (arm64)."""
    init_section_bytes: int = 0
    bss_end_offset: int = 0
    """Where in the image bss ends (arm64: where its mapping ends)."""
    kfence_pool_objects: int = 0
    """Objects of KFENCE's pool, of two pages each, and a guard; 0 in a build without KFENCE."""
    kfence_metadata_bytes: int = 0
    memory_regions: int = STATIC_REGIONS
    """Regions that memblock.memory has room for before it has to grow."""
    reserved_regions: int = STATIC_REGIONS
    """The same for memblock.reserved; a build for GICv3 has one more for each CPU and one."""
    unknown_words: tuple[str, ...]
    """Words of a command line that this build does not know and passes to init."""
    demand: PageDemand
    sections: ImageSections | None = None
    """The places of the image's sections; None: what is freed of it stays out of the model."""
    config: Config = Config()
    early: tuple[EarlyRequest, ...] = ()
    """Early allocations that a scenario adds; never in a data file."""

    def freed_parts(self, image: Extent) -> tuple[Extent, ...]:
        """Return what is given away of an image right before the first process starts."""
        if self.sections:
            return self.sections.freed(image)
        init = image.start + self.init_section_offset
        return (Extent(init, init + self.init_section_bytes),) if self.init_section_bytes else ()

    def kfence_pool_bytes(self, page_bytes: int) -> int:
        """Return the size of KFENCE's pool, 0 in a build without it."""
        return (self.kfence_pool_objects + 1) * 2 * page_bytes if self.kfence_pool_objects else 0
