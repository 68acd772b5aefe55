"""The stages of early requests, by architecture: which kinds a boot can show, and in which order.

A boot goes through its stages in their order, and leaves out what its build and its command line do
not ask for.

Source: kernel-facts 6.1 and kernel-facts-distro 1 (x86_64); kernel-facts-arm64 5.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kho_sim.base import requesters as names
from kho_sim.base.words import ARM64
from kho_sim.logs.reader import forms, kinds, places
from kho_sim.logs.reader.kinds import Stage, kind, once


class Stages(NamedTuple):
    """Those up to the extension, which in a KHO boot have to find room in original scratch, and
    those from there to the hand-over to the page allocator."""

    before: tuple[Stage, ...]
    after: tuple[Stage, ...]


_X86_64 = Stages(
    before=(
        (kind(names.TRAMPOLINE, forms.trampoline, "reserve_real_mode"),),
        (
            kind(names.DIRECT_MAP_PROBE, forms.direct_map_probe, "init_mem_mapping"),
            kind(names.DIRECT_MAP_PAGE, forms.direct_map_page, "alloc_low_pages"),
        ),
        kinds.LOG_BUFFER_KINDS,
        kinds.DISTANCES,
        kinds.NODES,
        kinds.areas(forms.crash_kernel),
        once(names.HPET_RESOURCE, forms.exactly(73), place=places.at_the_start),
        once(names.IOAPIC_RESOURCE, forms.multiple(75), place=places.at_the_start),
        once(names.E820_RESOURCES, forms.e820_resources, place=places.at_the_start),
        (
            kind(
                names.FIRMWARE_MAP_ENTRY,
                forms.exactly(104),
                "firmware_map_add_early",
                place=places.at_the_start,
            ),
        ),
        (kind(names.NOSAVE_REGION, forms.exactly(32), place=places.at_the_start),),
        kinds.BUSY_TREE,
    ),
    after=(
        (kind(names.NODE_DATA, forms.small, place=places.like_node_data),),
        kinds.HUGE_PAGES,
        once(names.SECTION_ROOT_ARRAY, forms.section_root_array, place=places.at_the_start),
        kinds.SECTION_ROOTS,
        kinds.SECTIONS,
        kinds.COMMAND_LINES,
        *kinds.PER_CPU_GROUPS,
        kinds.per_cpu_units(forms.per_cpu_units),
        *kinds.PER_CPU,
        *kinds.PARAMETERS,
        (
            kind(
                names.ENTRY_AREA_TABLE,
                forms.page,
                "spp_getpage",
                "init_cpu_entry_area_ptes",
                place=places.after(names.PER_CPU_PAGE_BLOCKS),
            ),
        ),
        *kinds.BOUNCE_BUFFERS,
        once(names.KFENCE_POOL, forms.several_pages, kinds.KFENCE, place=places.with_kfence),
        kinds.KFENCE_METADATA,
        *kinds.SCRATCH_STAGES,
    ),
)

_ARM64 = Stages(
    before=(
        once(names.KFENCE_POOL, forms.kfence_pool, "paging_init", place=places.first_of_all),
        (kind(names.LINEAR_MAP_TABLE, forms.linear_map_table, "early_pgtable_alloc"),),
        (kind(names.DEVICE_TREE, forms.device_tree, place=places.before_nodes),),
        kinds.DISTANCES,
        kinds.NODES,
        kinds.areas(forms.arm64_crash_kernel),
        once(names.MEMORY_RESOURCES, forms.multiple(64), place=places.at_the_start),
        kinds.BUSY_TREE,
    ),
    after=(
        kinds.HUGE_PAGES,
        once(names.SECTION_ROOT_ARRAY, forms.power_of_two, place=places.at_the_start),
        kinds.SECTION_ROOTS,
        kinds.SECTIONS,
        kinds.COMMAND_LINES,
        *kinds.PER_CPU_GROUPS,
        kinds.per_cpu_units(forms.per_cpu_pages),
        *kinds.PER_CPU,
        *kinds.PARAMETERS,
        *kinds.BOUNCE_BUFFERS,
        kinds.KFENCE_METADATA,
        *kinds.SCRATCH_STAGES,
    ),
)

_BY_ARCHITECTURE: Mapping[str, Stages] = {ARM64: _ARM64}


def stages_of(architecture: str) -> Stages:
    """Return the stages of a boot; where no line says its architecture, those of x86_64."""
    return _BY_ARCHITECTURE.get(architecture, _X86_64)
