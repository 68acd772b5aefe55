"""Who asks for early memory: one name per kind of request, in the order of a boot.

The model, the faults of a scenario and the log reader use these names, so that a row of a
simulation and a row of a log mean the same request. A name stands for what is asked for, not for
the kernel function that asks: compilers inline differently, and one function asks for many things.
Left out: requests that a scenario names itself (``kernel.early``).

Source: kernel-facts 6.1, whose step numbers are given as [n].
"""

from __future__ import annotations

import re

# Before the extension: all of it must fit in original scratch

TRAMPOLINE = "real-mode trampoline"
"""[10] reserve_real_mode()."""
DIRECT_MAP_PROBE = "direct map probe"
"""[11] init_mem_mapping(): a 2 MiB block that is given back at once."""
DIRECT_MAP_PAGE = "direct map page"
"""[11] alloc_low_pages(): a page-table page that does not fit in the brk."""
LOG_BUFFER_TEXT = "log buffer text"
"""[12] setup_log_buf()."""
LOG_BUFFER_DESCRIPTORS = "log buffer desc"
"""[13] setup_log_buf(): 24 bytes for 32 bytes of text."""
LOG_BUFFER_INFOS = "log buffer info"
"""[14] setup_log_buf(): 88 bytes for 32 bytes of text."""
EFI_MAP_COPY = "efi map copy"
"""efi_mem_reserve(): EFI's map with one entry split, for a table that is kept."""
NODE_DISTANCES = "node distances"
"""numa_alloc_distance(), before the node data, if the firmware has a SLIT."""
NODE_DATA = "node data"
"""[16] alloc_node_data(), one per node with memory."""
CMA_AREA = "cma area"
"""``cma=``: dma_contiguous_reserve(); a log shows its answer only."""
CRASH_KERNEL = "crash kernel"
"""reserve_crashkernel_generic()."""
CRASH_KERNEL_LOW = "crash kernel low"
"""reserve_crashkernel_low(): beside a crash kernel above low memory."""
CRASH_KERNEL_CMA = "crash kernel cma area"
"""reserve_crashkernel_cma()."""
HPET_RESOURCE = "hpet resource"
"""[17] acpi_parse_hpet()."""
IOAPIC_RESOURCE = "ioapic resource"
"""[17] ioapic_setup_resources()."""
E820_RESOURCES = "e820 resources"
"""[17] e820__reserve_resources()."""
FIRMWARE_MAP_ENTRY = "firmware map entry"
"""firmware_map_add_early(), after the e820 resources: one per entry of the firmware's map."""
NOSAVE_REGION = "nosave region"
"""register_nosave_region(): one per gap between usable ranges; hibernation."""
DIGEST_PAGE = "digest page"
"""[18] kho_radix_alloc_node(): a page of the busy tree, given back after the extension."""

# After the extension

HUGETLB_CMA_AREA = "hugetlb cma area"
"""[21] ``hugetlb_cma=``: hugetlb_cma_reserve(); a log shows its answer only."""
GIGANTIC_PAGE = "gigantic page"
"""[21] alloc_bootmem_huge_page()."""
SECTION_ROOT_ARRAY = "section root array"
"""[22] memory_present()."""
SECTION_ROOT = "section root"
"""[23] sparse_index_alloc(): a page of section records."""
USAGE_MAP = "usage map"
"""[24] sparse_init_nid(): the pageblock maps of one node's sections."""
VMEMMAP_TABLE = "vmemmap table"
"""[25] vmemmap_alloc_block(): a page table of the virtual memmap."""
MEMMAP = "memmap"
"""[26] vmemmap_alloc_block(): the struct pages of one section."""
MEMMAP_PAGE = "memmap page"
"""[26] vmemmap_alloc_block(): one page of them, where a section found no 2 MiB."""
MEMMAP_TAIL_PAGE = "memmap tail page"
"""vmemmap_populate_hvo(): the page that the tails of all gigantic pages of a node share."""
COMMAND_LINE = "command line"
"""[27] setup_command_line(): two copies."""
PER_CPU_GROUP_INFO = "per-cpu group info"
"""[28] pcpu_build_alloc_info(), given back at the end of the set-up."""
PER_CPU_AREAS = "per-cpu areas"
"""[28] pcpu_embed_first_chunk(): the list of blocks, given back as well."""
PER_CPU_UNITS = "per-cpu units"
"""[29] pcpu_embed_first_chunk(): the units of one group of CPUs."""
PER_CPU_GROUP_OFFSETS = "per-cpu group offsets"
"""[30] pcpu_setup_first_chunk(), as the next four."""
PER_CPU_GROUP_SIZES = "per-cpu group sizes"
PER_CPU_UNIT_MAP = "per-cpu unit map"
PER_CPU_UNIT_OFFSETS = "per-cpu unit offsets"
PER_CPU_CHUNK_SLOTS = "per-cpu chunk slots"
PER_CPU_CHUNK = "per-cpu chunk"
"""[30] pcpu_alloc_first_chunk(), as the next three."""
PER_CPU_ALLOCATION_MAP = "per-cpu allocation map"
PER_CPU_BOUNDARY_MAP = "per-cpu boundary map"
PER_CPU_PAGE_BLOCKS = "per-cpu page blocks"
CPUMASK = "cpumask"
"""alloc_bootmem_cpumask_var(), after the per-CPU set-up: one per node and one more."""
UNKNOWN_PARAMETERS = "unknown parameters"
"""[31] print_unknown_bootoptions(), given back at once."""
DENTRY_HASH = "dentry hash"
"""[33] alloc_large_system_hash()."""
INODE_HASH = "inode hash"
"""[33] alloc_large_system_hash()."""
ENTRY_AREA_TABLE = "cpu entry area table"
"""[34] init_cpu_entry_area_ptes(): a page-table page."""
SWIOTLB = "swiotlb"
"""[35] swiotlb_memblock_alloc(): the bounce buffers."""
SWIOTLB_SLOTS = "swiotlb slots"
"""[36] swiotlb_init_remap()."""
SWIOTLB_AREAS = "swiotlb areas"
"""[36] swiotlb_init_remap()."""
KFENCE_POOL = "kfence pool"
"""kfence_alloc_pool_and_metadata(), after the bounce buffers."""
KFENCE_METADATA = "kfence metadata"
"""kfence_alloc_pool_and_metadata()."""

# Scratch of a first kernel

SCRATCH_ARRAY = "scratch array"
"""[37] kho_reserve_scratch(): one descriptor per area."""
LOWMEM_SCRATCH = "lowmem scratch"
"""[37] kho_reserve_scratch()."""
GLOBAL_SCRATCH = "global scratch"
"""[37] kho_reserve_scratch()."""

# On arm64 (kernel-facts-arm64 5.1, whose step numbers are given as [n])

LINEAR_MAP_TABLE = "linear map table"
"""[8] early_pgtable_alloc(): a page table of the linear map."""
DEVICE_TREE = "device tree"
"""[10] unflatten_device_tree(): the nodes and properties of the device tree, one block."""
MEMORY_RESOURCES = "memory resources"
"""[15] request_standard_resources(): one for each region of memblock.memory."""

REQUESTERS: tuple[str, ...] = tuple(
    value for name, value in globals().items() if name.isupper() and isinstance(value, str)
)
"""Every name above: those that ask in a modelled build. Machine and command line decide which of
them do."""

LOST_REQUEST = "lost request"
"""An answer in a log that does not have the line of its request."""
_OTHER = "other: "
_NAMED_MEMORY = "reserve_mem "
_NODE_SCRATCH = re.compile(r"node \d+ scratch")


def other(function: str) -> str:
    """Return the name of a request that no rule recognises: ``other: `` and the function that
    made it."""
    return _OTHER + function


def node_scratch(nid: int) -> str:
    """Return the name of a node's scratch area; [37] kho_reserve_scratch()."""
    return f"node {nid} scratch"


def reserve_mem(name: str) -> str:
    """Return the name of a ``reserve_mem=`` area; reserve_mem()."""
    return f"{_NAMED_MEMORY}{name}"


def is_scratch_area(what: str) -> bool:
    """Tell whether a name is that of a scratch area: lowmem, global, or a node's."""
    return what in (LOWMEM_SCRATCH, GLOBAL_SCRATCH) or bool(_NODE_SCRATCH.fullmatch(what))


def is_modelled(what: str) -> bool:
    """Tell whether a modelled build can make a request of that name."""
    return what in REQUESTERS or what.startswith(_NAMED_MEMORY) or is_scratch_area(what)
