"""The kinds of early requests that a log can show, in stages that boots of all architectures have.

What an architecture asks for, and the order of all of it, is in ``stages``.

Each kind has a form (``forms``), a place (``places``), and the functions that are known to ask for
it. Some functions ask for several kinds, most small requests come through one function that says
nothing, and another compiler inlines otherwise: so a caller is a hint, and form and place decide.

Left out: KASAN and other debugging options.

Source: kernel-facts 6.1 (steps), kernel-facts-distro 1, 6 and 8.
"""

from __future__ import annotations

from typing import NamedTuple

from kho_sim.base import requesters as names
from kho_sim.logs.reader import forms, places
from kho_sim.logs.reader.forms import Form
from kho_sim.logs.reader.places import Place

ANY_NAMED_MEMORY = "reserve_mem"
"""Stands for each area of ``reserve_mem=``."""
ANY_NODE_SCRATCH = "node scratch"
"""Stands for each node's scratch area."""

LOG_BUFFER = "setup_log_buf"
EARLY_RADIX = ("kho_radix_alloc_node", "kho_radix_add_key", "kho_memory_init_early")
SCRATCH = ("kho_memory_init", "kho_reserve_scratch")
GIGANTIC = ("alloc_bootmem_huge_page", "__alloc_bootmem_huge_page", "alloc_bootmem")
MEMMAP = (
    "memmap_alloc",
    "vmemmap_pgd_populate",
    "vmemmap_p4d_populate",
    "vmemmap_pud_populate",
    "vmemmap_populate_hugepages",
    "vmemmap_populate_address",
)
HASHES = "alloc_large_system_hash"
SWIOTLB = "swiotlb_init_remap"
KFENCE = "kfence_alloc_pool_and_metadata"


class Kind(NamedTuple):
    """One kind of request. ``times``: how many are answered at most in one boot, 0: any number."""

    name: str
    fits: Form
    callers: tuple[str, ...]
    may_come: Place
    times: int


Stage = tuple[Kind, ...]


def kind(
    name: str, fits: Form, *callers: str, place: Place = places.anywhere, times: int = 0
) -> Kind:
    return Kind(name, fits, callers, place, times)


def once(name: str, fits: Form, *callers: str, place: Place = places.anywhere) -> Stage:
    return (Kind(name, fits, callers, place, 1),)


LOG_BUFFER_KINDS: Stage = (
    kind(names.LOG_BUFFER_DESCRIPTORS, forms.log_buffer, LOG_BUFFER, place=places.log_share(24)),
    kind(names.LOG_BUFFER_INFOS, forms.log_buffer, LOG_BUFFER, place=places.log_share(88)),
    kind(names.LOG_BUFFER_TEXT, forms.log_buffer, LOG_BUFFER),
)

DISTANCES = once(
    names.NODE_DISTANCES, forms.pages, "numa_alloc_distance", place=places.node_distances
)
NODES: Stage = (kind(names.NODE_DATA, forms.answer_on_node, place=places.with_lines_before_it),)
BUSY_TREE: Stage = (kind(names.DIGEST_PAGE, forms.page, *EARLY_RADIX, place=places.of_a_handover),)


def areas(crash_kernel: Form) -> Stage:
    """Return the areas of ``cma=`` and ``crashkernel=``; each architecture has its crash kernel."""
    after_another = places.after(names.CRASH_KERNEL)
    return (
        kind(names.CRASH_KERNEL_CMA, forms.cma_area, place=after_another),
        kind(names.CMA_AREA, forms.cma_area, place=places.after(names.NODE_DATA)),
        kind(names.CRASH_KERNEL_LOW, crash_kernel, "reserve_crashkernel_low", place=after_another),
        kind(names.CRASH_KERNEL, crash_kernel, "reserve_crashkernel_generic"),
    )


SECTIONS: Stage = (
    kind(
        names.USAGE_MAP,
        forms.small_of_node,
        "sparse_init_nid",
        place=places.after(names.SECTION_ROOT),
    ),
    kind(
        names.MEMMAP_TAIL_PAGE,
        forms.memmap_page,
        "vmemmap_populate_hvo",
        place=places.where_its_caller_says,
    ),
    kind(names.MEMMAP_PAGE, forms.memmap_page, *MEMMAP, place=places.where_pages_are_due),
    kind(names.VMEMMAP_TABLE, forms.memmap_page, *MEMMAP, place=places.in_sections),
    kind(names.MEMMAP, forms.memmap, *MEMMAP),
)
"""Again for each node."""

PER_CPU_GROUPS: tuple[Stage, ...] = (
    once(
        names.PER_CPU_GROUP_INFO,
        forms.whole_pages,
        "pcpu_build_alloc_info",
        place=places.after(names.COMMAND_LINE),
    ),
    once(
        names.PER_CPU_AREAS,
        forms.small_whole_pages,
        "pcpu_embed_first_chunk",
        place=places.after(names.PER_CPU_GROUP_INFO),
    ),
)


def per_cpu_units(fits: Form) -> Stage:
    """Return the units of each group of CPUs; architectures take them in different blocks."""
    callers = ("pcpu_fc_alloc", "pcpu_embed_first_chunk")
    return (kind(names.PER_CPU_UNITS, fits, *callers, place=places.after(names.PER_CPU_AREAS)),)


PER_CPU: tuple[Stage, ...] = (
    once(names.PER_CPU_GROUP_OFFSETS, forms.multiple(8), place=places.per_group),
    once(names.PER_CPU_GROUP_SIZES, forms.multiple(8), place=places.per_group),
    once(names.PER_CPU_UNIT_MAP, forms.multiple(4), place=places.per_cpu(4)),
    once(names.PER_CPU_UNIT_OFFSETS, forms.multiple(8), place=places.per_cpu(8)),
    once(names.PER_CPU_CHUNK_SLOTS, forms.multiple(16), place=places.in_per_cpu),
    (
        kind(
            names.PER_CPU_PAGE_BLOCKS,
            forms.multiple(32),
            place=places.once_for_each(names.PER_CPU_BOUNDARY_MAP, names.PER_CPU_PAGE_BLOCKS),
        ),
        kind(names.PER_CPU_BOUNDARY_MAP, forms.multiple(8), place=places.boundary_map),
        kind(
            names.PER_CPU_ALLOCATION_MAP,
            forms.multiple(8),
            place=places.once_for_each(names.PER_CPU_CHUNK, names.PER_CPU_ALLOCATION_MAP),
        ),
        kind(names.PER_CPU_CHUNK, forms.multiple(8), place=places.next_chunk),
    ),
    (kind(names.CPUMASK, forms.multiple(8), place=places.cpumask),),
)

SCRATCH_STAGES: tuple[Stage, ...] = (
    once(
        names.SCRATCH_ARRAY,
        forms.scratch_array,
        *SCRATCH,
        place=places.after(names.PER_CPU_PAGE_BLOCKS),
    ),
    once(
        names.LOWMEM_SCRATCH,
        forms.lowmem_scratch,
        *SCRATCH,
        place=places.after(names.SCRATCH_ARRAY),
    ),
    once(
        names.GLOBAL_SCRATCH,
        forms.global_scratch,
        *SCRATCH,
        place=places.after(names.LOWMEM_SCRATCH),
    ),
    (
        kind(
            ANY_NODE_SCRATCH,
            forms.answer_on_node,
            place=places.after(names.LOWMEM_SCRATCH, names.GLOBAL_SCRATCH),
        ),
    ),
)

HUGE_PAGES: Stage = (
    kind(names.HUGETLB_CMA_AREA, forms.hugetlb_cma_area, place=places.before_scratch),
    kind(names.GIGANTIC_PAGE, forms.gigantic_page, *GIGANTIC),
)
SECTION_ROOTS: Stage = (
    kind(
        names.SECTION_ROOT,
        forms.section_root,
        "sparse_index_alloc",
        place=places.after(names.SECTION_ROOT_ARRAY),
    ),
)
COMMAND_LINES: Stage = (
    kind(
        names.COMMAND_LINE,
        forms.text,
        place=places.after(names.MEMMAP, names.MEMMAP_PAGE),
        times=2,
    ),
)

PARAMETERS: tuple[Stage, ...] = (
    once(
        names.UNKNOWN_PARAMETERS,
        forms.text,
        "start_kernel",
        "print_unknown_bootoptions",
        place=places.after(names.PER_CPU_PAGE_BLOCKS),
    ),
    (kind(ANY_NAMED_MEMORY, forms.named_memory, place=places.named_on_the_command_line),),
    LOG_BUFFER_KINDS,
    once(names.DENTRY_HASH, forms.hash_table, HASHES, place=places.before_dentries),
    once(names.INODE_HASH, forms.hash_table, HASHES, place=places.after_dentries),
)

BOUNCE_BUFFERS: tuple[Stage, ...] = (
    (
        kind(
            names.SWIOTLB,
            forms.bounce_buffers,
            SWIOTLB,
            place=places.after(names.PER_CPU_PAGE_BLOCKS),
        ),
    ),
    once(names.SWIOTLB_SLOTS, forms.pages, SWIOTLB, place=places.describes_bounce_buffers),
    once(
        names.SWIOTLB_AREAS,
        forms.multiple(16),
        SWIOTLB,
        place=places.after(names.SWIOTLB_SLOTS),
    ),
)
KFENCE_METADATA = once(
    names.KFENCE_METADATA, forms.pages, KFENCE, place=places.after(names.KFENCE_POOL)
)
