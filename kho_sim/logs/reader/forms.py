"""Forms of early requests: what one request says of itself, wherever in the boot it comes.

A form looks at function, size, alignment, node and window. Sizes are those of kernel-facts 6.1 and
kernel-facts-distro 1; steps of the former are given as [n].
"""

from __future__ import annotations

from collections.abc import Callable

from kho_sim.logs.reader.facts import MemblockCall

PAGE_BYTES = 4096
MIB = 1 << 20
GIB = 1 << 30
CACHE_LINE_BYTES = 64
LOW_ADDRESS_LIMIT = 0xFFFFFFFF
SCRATCH_ALIGNS = (2 * MIB, 4 * MIB)
"""Up to 7.2, and from 7.3 on (kernel-facts-releases)."""
CRASHKERNEL_ALIGN = 16 * MIB
CMA_ALIGN = 4 * MIB
PER_CPU_ATOM_BYTES = 2 * MIB
MEMMAP_BYTES = 2 * MIB
"""The struct pages of one section, if they find a block of their own."""
ROOT_ARRAY_BYTES = 16 << 10
"""The smallest: 46 bits of physical address, 16 bytes a section (kernel-facts-distro 1, [22])."""
TEXT_LIMIT_BYTES = 2048
"""The longest command line, and so the longest list of its words."""

Form = Callable[[MemblockCall], bool]


def zeroed(call: MemblockCall) -> bool:
    return call.function == "memblock_alloc_try_nid"


def raw(call: MemblockCall) -> bool:
    return call.function in ("memblock_alloc_try_nid_raw", "memblock_alloc_exact_nid_raw")


def in_range(call: MemblockCall) -> bool:
    return call.function == "memblock_phys_alloc_range"


def answer_only(call: MemblockCall) -> bool:
    """A search whose request the kernel does not print."""
    return not call.function


# Structures and pages


def small(call: MemblockCall) -> bool:
    """A structure on any node, aligned to a cache line."""
    window = call.min_address or call.max_address
    return zeroed(call) and call.align == CACHE_LINE_BYTES and call.nid < 0 and not window


def small_of_node(call: MemblockCall) -> bool:
    return zeroed(call) and call.align == CACHE_LINE_BYTES and call.nid >= 0


def pages(call: MemblockCall) -> bool:
    """Something on any node, aligned to a page."""
    return zeroed(call) and call.align == PAGE_BYTES and call.nid < 0 and not call.max_address


def page(call: MemblockCall) -> bool:
    return pages(call) and call.size == PAGE_BYTES


def whole_pages(call: MemblockCall) -> bool:
    return pages(call) and not call.size % PAGE_BYTES


def several_pages(call: MemblockCall) -> bool:
    return whole_pages(call) and call.size > PAGE_BYTES


def multiple(of_bytes: int) -> Form:
    """A structure of entries of that size."""
    return lambda call: small(call) and call.size > 0 and not call.size % of_bytes


def exactly(size_bytes: int) -> Form:
    """A structure of that size."""
    return lambda call: small(call) and call.size == size_bytes


def text(call: MemblockCall) -> bool:
    """The command line, or words of it."""
    return small(call) and call.size <= TEXT_LIMIT_BYTES


def log_buffer(call: MemblockCall) -> bool:
    return zeroed(call) and call.align == 8


# Before the extension


def trampoline(call: MemblockCall) -> bool:
    return in_range(call) and 0 < call.max_address <= MIB


def direct_map_probe(call: MemblockCall) -> bool:
    return in_range(call) and call.size == call.align == 2 * MIB and call.min_address == MIB


def direct_map_page(call: MemblockCall) -> bool:
    return in_range(call) and call.size == call.align == PAGE_BYTES and call.min_address > 0


def answer_on_node(call: MemblockCall) -> bool:
    return answer_only(call) and call.nid >= 0


def cma_area(call: MemblockCall) -> bool:
    return answer_only(call) and call.nid < 0 and not call.size % CMA_ALIGN


def crash_kernel(call: MemblockCall) -> bool:
    return in_range(call) and call.align == CRASHKERNEL_ALIGN


def e820_resources(call: MemblockCall) -> bool:
    """64 bytes an entry; fewer entries than a section root array has bytes."""
    return multiple(64)(call) and call.size < ROOT_ARRAY_BYTES


# After the extension


def hugetlb_cma_area(call: MemblockCall) -> bool:
    return answer_on_node(call) and not call.size % GIB


def gigantic_page(call: MemblockCall) -> bool:
    """Up to 7.2 a request like any other; from 7.3 on of a function of its own."""
    whole = raw(call) and call.size == call.align >= GIB
    return whole or call.function == "memblock_alloc_hugetlb"


def section_root_array(call: MemblockCall) -> bool:
    return small(call) and _is_power_of_two(call.size) and call.size >= ROOT_ARRAY_BYTES


def section_root(call: MemblockCall) -> bool:
    return small_of_node(call) and call.size == PAGE_BYTES


def memmap(call: MemblockCall) -> bool:
    return raw(call) and call.size == call.align == MEMMAP_BYTES


def memmap_page(call: MemblockCall) -> bool:
    """A page of struct pages, or of the tables that map them."""
    return raw(call) and call.size == call.align == PAGE_BYTES


def per_cpu_units(call: MemblockCall) -> bool:
    return zeroed(call) and call.align == PER_CPU_ATOM_BYTES


def named_memory(call: MemblockCall) -> bool:
    return in_range(call) and not (call.min_address or call.max_address)


def hash_table(call: MemblockCall) -> bool:
    return small(call) and _is_power_of_two(call.size) and call.size >= PAGE_BYTES


def bounce_buffers(call: MemblockCall) -> bool:
    low = call.max_address == LOW_ADDRESS_LIMIT
    return zeroed(call) and call.align == PAGE_BYTES and low


def scratch_array(call: MemblockCall) -> bool:
    """16 bytes an area."""
    return pages(call) and call.size < PAGE_BYTES and not call.size % 16


def lowmem_scratch(call: MemblockCall) -> bool:
    return _scratch(call) and call.max_address == LOW_ADDRESS_LIMIT


def global_scratch(call: MemblockCall) -> bool:
    return _scratch(call) and not call.max_address


def _scratch(call: MemblockCall) -> bool:
    return in_range(call) and call.align in SCRATCH_ALIGNS and not call.min_address


def _is_power_of_two(size: int) -> bool:
    return size > 0 and not size & (size - 1)
