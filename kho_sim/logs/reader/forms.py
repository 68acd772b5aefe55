"""Forms of early requests: what one request says of itself, wherever in the boot it comes.

A form looks at function, size, alignment, node and window, in pages and blocks of the kernel's
geometry. Sizes are those of kernel-facts 6.1, kernel-facts-distro 1 and kernel-facts-arm64 5.1;
steps of the first are given as [n].
"""

from __future__ import annotations

from collections.abc import Callable

from kho_sim.logs.reader.facts import MemblockCall
from kho_sim.platform.geometry import Geometry

MIB = 1 << 20
GIB = 1 << 30
CACHE_LINE_BYTES = 64
CRASHKERNEL_ALIGN = 16 * MIB
ROOT_ARRAY_BYTES = 16 << 10
"""The smallest of x86_64: 46 bits of physical address, 16 bytes a section (kernel-facts-distro 1,
[22])."""
TEXT_LIMIT_BYTES = 2048
"""The longest command line, and so the longest list of its words."""
NO_LEAK_TRACE = 1
"""How a log shows the upper end of a window that has none, where no leak detector looks
(MEMBLOCK_ALLOC_NOLEAKTRACE)."""

Form = Callable[[MemblockCall, Geometry], bool]


# Ways to ask


def _zeroed(call: MemblockCall) -> bool:
    return call.function == "memblock_alloc_try_nid"


def _raw(call: MemblockCall) -> bool:
    return call.function in ("memblock_alloc_try_nid_raw", "memblock_alloc_exact_nid_raw")


def _in_range(call: MemblockCall) -> bool:
    return call.function == "memblock_phys_alloc_range"


def _is_answer_only(call: MemblockCall) -> bool:
    """Tell whether the kernel printed the answer of a search, but not its request."""
    return not call.function


def _has_end(call: MemblockCall) -> bool:
    return call.max_address > NO_LEAK_TRACE


# Structures and pages


def small(call: MemblockCall, _geometry: Geometry) -> bool:
    """Tell whether a structure on any node is asked for, aligned to a cache line."""
    window = call.min_address or call.max_address
    return _zeroed(call) and call.align == CACHE_LINE_BYTES and call.nid < 0 and not window


def small_of_node(call: MemblockCall, _geometry: Geometry) -> bool:
    return _zeroed(call) and call.align == CACHE_LINE_BYTES and call.nid >= 0


def pages(call: MemblockCall, geometry: Geometry) -> bool:
    """Tell whether memory on any node is asked for, aligned to a page."""
    anywhere = call.nid < 0 and not call.max_address
    return _zeroed(call) and call.align == geometry.page_bytes and anywhere


def page(call: MemblockCall, geometry: Geometry) -> bool:
    return pages(call, geometry) and call.size == geometry.page_bytes


def whole_pages(call: MemblockCall, geometry: Geometry) -> bool:
    return pages(call, geometry) and not call.size % geometry.page_bytes


def several_pages(call: MemblockCall, geometry: Geometry) -> bool:
    return whole_pages(call, geometry) and call.size > geometry.page_bytes


def small_whole_pages(call: MemblockCall, geometry: Geometry) -> bool:
    """Tell whether a structure takes whole pages, but need not begin at one."""
    return small(call, geometry) and call.size > 0 and not call.size % geometry.page_bytes


def multiple(of_bytes: int) -> Form:
    """Return the form of a structure of entries of that size."""
    return lambda call, geometry: (
        small(call, geometry) and call.size > 0 and not call.size % of_bytes
    )


def exactly(size_bytes: int) -> Form:
    """Return the form of a structure of that size."""
    return lambda call, geometry: small(call, geometry) and call.size == size_bytes


def text(call: MemblockCall, geometry: Geometry) -> bool:
    """Tell whether a structure can be the command line, or words of it."""
    return small(call, geometry) and call.size <= TEXT_LIMIT_BYTES


def log_buffer(call: MemblockCall, _geometry: Geometry) -> bool:
    return _zeroed(call) and call.align == 8


# Before the extension, on x86_64


def trampoline(call: MemblockCall, _geometry: Geometry) -> bool:
    return _in_range(call) and 0 < call.max_address <= MIB


def direct_map_probe(call: MemblockCall, _geometry: Geometry) -> bool:
    return _in_range(call) and call.size == call.align == 2 * MIB and call.min_address == MIB


def direct_map_page(call: MemblockCall, geometry: Geometry) -> bool:
    return _is_page_in_range(call, geometry) and call.min_address > 0


def crash_kernel(call: MemblockCall, _geometry: Geometry) -> bool:
    return _in_range(call) and call.align == CRASHKERNEL_ALIGN


def e820_resources(call: MemblockCall, geometry: Geometry) -> bool:
    """Tell whether a structure has 64 bytes an entry, and is smaller than a section root array."""
    return multiple(64)(call, geometry) and call.size < ROOT_ARRAY_BYTES


def section_root_array(call: MemblockCall, geometry: Geometry) -> bool:
    return power_of_two(call, geometry) and call.size >= ROOT_ARRAY_BYTES


def per_cpu_units(call: MemblockCall, geometry: Geometry) -> bool:
    """Tell whether memory is aligned to a huge page, as the units of per-CPU memory on x86_64."""
    return _zeroed(call) and call.align == geometry.huge_page_bytes


# The same on arm64


def linear_map_table(call: MemblockCall, geometry: Geometry) -> bool:
    return _is_page_in_range(call, geometry) and not (call.min_address or _has_end(call))


def kfence_pool(call: MemblockCall, geometry: Geometry) -> bool:
    """Tell whether pairs of pages are asked for, as for the pool of KFENCE."""
    aligned = _in_range(call) and call.align == geometry.page_bytes
    return aligned and call.size > call.align and not call.size % (2 * call.align)


def device_tree(call: MemblockCall, _geometry: Geometry) -> bool:
    return _zeroed(call) and call.align == 8 and call.nid < 0


def arm64_crash_kernel(call: MemblockCall, _geometry: Geometry) -> bool:
    return _in_range(call) and call.align == 2 * MIB


def per_cpu_pages(call: MemblockCall, geometry: Geometry) -> bool:
    """Tell whether pages on the node of the CPUs are asked for."""
    return _zeroed(call) and call.align == geometry.page_bytes and call.nid >= 0


# Before the extension, on all


def answer_on_node(call: MemblockCall, _geometry: Geometry) -> bool:
    return _is_answer_only(call) and call.nid >= 0


def cma_area(call: MemblockCall, geometry: Geometry) -> bool:
    return _is_answer_only(call) and call.nid < 0 and not call.size % geometry.pageblock_bytes


# After the extension


def hugetlb_cma_area(call: MemblockCall, geometry: Geometry) -> bool:
    return answer_on_node(call, geometry) and not call.size % GIB


def gigantic_page(call: MemblockCall, geometry: Geometry) -> bool:
    """Tell whether a gigantic page is asked for: from 7.3 on by a function of its own."""
    whole = _raw(call) and call.size == call.align > geometry.scratch_align_bytes
    return whole or call.function == "memblock_alloc_hugetlb"


def power_of_two(call: MemblockCall, geometry: Geometry) -> bool:
    return small(call, geometry) and _is_power_of_two(call.size)


def section_root(call: MemblockCall, geometry: Geometry) -> bool:
    return small_of_node(call, geometry) and call.size == geometry.page_bytes


def memmap(call: MemblockCall, geometry: Geometry) -> bool:
    """Tell whether a block for the struct pages of one section is asked for."""
    return _raw(call) and call.size == call.align == geometry.huge_page_bytes


def memmap_page(call: MemblockCall, geometry: Geometry) -> bool:
    """Tell whether a page of struct pages, or of the tables that map them, is asked for."""
    return _raw(call) and call.size == call.align == geometry.page_bytes


def named_memory(call: MemblockCall, _geometry: Geometry) -> bool:
    return _in_range(call) and not (call.min_address or call.max_address)


def hash_table(call: MemblockCall, geometry: Geometry) -> bool:
    return power_of_two(call, geometry) and call.size >= geometry.page_bytes


def bounce_buffers(call: MemblockCall, geometry: Geometry) -> bool:
    """Tell whether pages in low memory are asked for, as for bounce buffers."""
    return _zeroed(call) and call.align == geometry.page_bytes and _has_end(call)


def scratch_array(call: MemblockCall, geometry: Geometry) -> bool:
    """Tell whether a structure of 16 bytes an area, less than a page, is asked for."""
    return pages(call, geometry) and call.size < geometry.page_bytes and not call.size % 16


def lowmem_scratch(call: MemblockCall, geometry: Geometry) -> bool:
    return _scratch(call, geometry) and _has_end(call)


def global_scratch(call: MemblockCall, geometry: Geometry) -> bool:
    return _scratch(call, geometry) and not call.max_address


def _scratch(call: MemblockCall, geometry: Geometry) -> bool:
    """Tell whether a range is aligned to a pageblock (up to 7.2) or the largest block (7.3)."""
    aligns = (geometry.pageblock_bytes, geometry.scratch_align_bytes)
    return _in_range(call) and call.align in aligns and not call.min_address


def _is_page_in_range(call: MemblockCall, geometry: Geometry) -> bool:
    return _in_range(call) and call.size == call.align == geometry.page_bytes


def _is_power_of_two(size: int) -> bool:
    return size > 0 and not size & (size - 1)
