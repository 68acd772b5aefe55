"""Places of early requests: what must have come before in the boot, for a request to be of a kind.

A place looks at the story so far, and at sizes that follow from it: of the requests before, and of
what other lines of the log say (CPUs, nodes, the command line).
"""

from __future__ import annotations

from collections.abc import Callable

from kho_sim.base import requesters
from kho_sim.base.extent import round_up
from kho_sim.logs.reader.facts import MemblockCall
from kho_sim.logs.reader.progress import Progress

LOG_RECORD_BYTES = 32
"""Text of one log record (kernel-facts 6.1, [12] to [14])."""
SLAB_BYTES, SLOT_BYTES = 2048, 24
"""A slab of the bounce buffers, and what describes it."""
DENTRY_MESSAGE = "Dentry cache"
KFENCE_OPTION = "kfence."

Place = Callable[[Progress, MemblockCall], bool]


def anywhere(_progress: Progress, _call: MemblockCall) -> bool:
    return True


def first_of_all(progress: Progress, _call: MemblockCall) -> bool:
    """Tell whether no request came before."""
    return not progress.begun


def where_its_caller_says(_progress: Progress, _call: MemblockCall) -> bool:
    """Tell that no place shows the request: nothing but a known caller does."""
    return False


def after(*names: str) -> Place:
    """Return the place after a request of one of these names that was answered."""
    return lambda progress, _call: progress.has(*names)


def at_the_start(progress: Progress, _call: MemblockCall) -> bool:
    """Tell whether the log has its first lines, or shows where it is: small requests say little."""
    return not progress.log.starts_late or progress.has(requesters.NODE_DATA)


def log_share(record_bytes: int) -> Place:
    """Return the place of so many bytes for each record of the text before it."""

    def fits(progress: Progress, call: MemblockCall) -> bool:
        text = progress.size_bytes(requesters.LOG_BUFFER_TEXT)
        return call.size * LOG_RECORD_BYTES == text * record_bytes

    return fits


def node_distances(progress: Progress, call: MemblockCall) -> bool:
    """Tell whether there is a byte for each pair of the SRAT's nodes, before their data."""
    nodes = len({place.nid for place in progress.log.srat})
    return call.size == nodes * nodes > 0 and not progress.has(requesters.NODE_DATA)


def with_lines_before_it(progress: Progress, _call: MemblockCall) -> bool:
    """Tell whether lines come before: an answer that opens a log may have lost its request."""
    return not progress.log.starts_late or progress.begun


def before_nodes(progress: Progress, _call: MemblockCall) -> bool:
    return not progress.has(requesters.NODE_DATA)


def of_a_handover(progress: Progress, _call: MemblockCall) -> bool:
    return progress.extends or progress.log.found_handover


def like_node_data(progress: Progress, call: MemblockCall) -> bool:
    return call.size == progress.size_bytes(requesters.NODE_DATA)


def before_scratch(progress: Progress, _call: MemblockCall) -> bool:
    return not progress.has(requesters.SCRATCH_ARRAY, requesters.LOWMEM_SCRATCH)


def in_sections(progress: Progress, _call: MemblockCall) -> bool:
    return progress.asked(requesters.USAGE_MAP, requesters.MEMMAP)


def where_pages_are_due(progress: Progress, call: MemblockCall) -> bool:
    return progress.is_memmap_page_due(call)


# Per-CPU memory


def in_per_cpu(progress: Progress, _call: MemblockCall) -> bool:
    return progress.has(requesters.PER_CPU_UNITS) or progress.log.percpu is not None


def per_group(progress: Progress, call: MemblockCall) -> bool:
    """Tell whether there are eight bytes for each group of CPUs."""
    groups = progress.count(requesters.PER_CPU_UNITS)
    return call.size == 8 * groups if groups else in_per_cpu(progress, call)


def per_cpu(bytes_each: int) -> Place:
    """Return the place of so many bytes for each possible CPU."""

    def fits(progress: Progress, call: MemblockCall) -> bool:
        cpus = progress.log.nr_cpu_ids or call.size // bytes_each
        return in_per_cpu(progress, call) and call.size == bytes_each * cpus

    return fits


def next_chunk(progress: Progress, call: MemblockCall) -> bool:
    """Tell whether a chunk is due: one for modules, if they reserve memory, and the dynamic one."""
    percpu = progress.log.percpu
    chunks = 2 if percpu is not None and percpu.reserved_bytes else 1
    return in_per_cpu(progress, call) and progress.count(requesters.PER_CPU_CHUNK) < chunks


def once_for_each(before: str, name: str) -> Place:
    """Return the place that comes once after each request named ``before``."""
    return lambda progress, _call: progress.count(name) < progress.count(before)


def boundary_map(progress: Progress, call: MemblockCall) -> bool:
    """Tell whether there is a word more than in the allocation map before it."""
    maps = requesters.PER_CPU_ALLOCATION_MAP
    due = progress.count(requesters.PER_CPU_BOUNDARY_MAP) < progress.count(maps)
    return due and call.size == progress.size_bytes(maps) + 8


def cpumask(progress: Progress, call: MemblockCall) -> bool:
    """Tell whether a mask of a bit a CPU is due: one for each node, and one more."""
    ids, nodes = progress.log.nr_cpu_ids, progress.log.nr_node_ids
    if not ids or not nodes or not progress.has(requesters.PER_CPU_PAGE_BLOCKS):
        return False
    return progress.count(requesters.CPUMASK) <= nodes and call.size == round_up(ids, 64) // 8


# What comes last


def named_on_the_command_line(progress: Progress, call: MemblockCall) -> bool:
    return bool(progress.named_memory(call))


def before_dentries(progress: Progress, _call: MemblockCall) -> bool:
    per_cpu_done = progress.has(requesters.PER_CPU_PAGE_BLOCKS)
    return per_cpu_done and DENTRY_MESSAGE not in progress.log.hash_bytes


def after_dentries(progress: Progress, _call: MemblockCall) -> bool:
    return progress.has(requesters.DENTRY_HASH) or DENTRY_MESSAGE in progress.log.hash_bytes


def describes_bounce_buffers(progress: Progress, call: MemblockCall) -> bool:
    slabs = progress.size_bytes(requesters.SWIOTLB) // SLAB_BYTES
    return call.size == round_up(slabs * SLOT_BYTES, progress.log.geometry.page_bytes) > 0


def with_kfence(progress: Progress, _call: MemblockCall) -> bool:
    return KFENCE_OPTION in progress.log.command_line
