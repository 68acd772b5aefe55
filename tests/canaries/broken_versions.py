"""Broken versions of functions of memory/ and kho/: each has one bug that is easily made.

A broken version gets the real function first and is called in its place (see ``test_canaries``).
"""

from dataclasses import replace

import numpy as np

from kho_sim.kho.handover import Folios
from kho_sim.memory.memblock import NO_NODE
from kho_sim.memory.pages import Pinned, Runs
from kho_sim.platform.geometry import PAGES_4K

PAGE = 4096

# Extension strategies


def marks_a_busy_block(extend, memblock, incoming, options, *pages):
    extension = extend(memblock, incoming, options, *pages)
    for start in extension.busy_blocks[-1:]:
        memblock.mark_kho_scratch(start, 1 << options.shift)
    return extension


def gap_ends_a_page_late(extend, memblock, incoming, options, *pages):
    extension = extend(memblock, incoming, options, *pages)
    for start in extension.busy_blocks[:1]:
        memblock.mark_kho_scratch(start, PAGE)
    return extension


def forgets_what_lies_above(extend, memblock, incoming, options, *pages):
    extension = extend(memblock, incoming, options, *pages)
    if extension.busy_blocks:
        end = extension.busy_blocks[-1] + (1 << options.shift)
        memblock.clear_kho_scratch(end, memblock.end_of_dram())
    return extension


def forgets_the_pages_of_the_incoming_tree(extend, memblock, incoming, options, *pages):
    """Digests a tree whose pages all lie where something is preserved anyway."""
    overlaid = incoming.freeze()
    for _, start, _ in list(incoming.runs())[:1]:
        overlaid._tables = tuple(dict.fromkeys(level, start) for level in overlaid._tables)
    return extend(memblock, overlaid, options, *pages)


def marks_all_memory(extend, memblock, incoming, options, *pages):
    extension = extend(memblock, incoming, options, *pages)
    memblock.mark_kho_scratch(0, memblock.end_of_dram())
    return extension


# Retrieval and hand-over


def skips_the_last_preservation(retrieve, memblock, incoming, options):
    shorter = incoming.freeze()
    for leaf in shorter._keys.leaves()[-1:]:
        shorter._keys.remove_bits(leaf, 1 << (shorter._keys.bits(leaf).bit_length() - 1))
    return retrieve(memblock, shorter, options)


def loses_a_file(hand_over, *args):
    handover = hand_over(*args)
    return replace(handover, objects=handover.objects[1:])


def loses_a_key(hand_over, *args):
    handover = hand_over(*args)
    leaf = handover.tree._keys.leaves()[0]
    lowest = handover.tree._keys.bits(leaf)
    handover.tree._keys.remove_bits(leaf, lowest & -lowest)
    return handover


def restores_at_the_wrong_offset(retrieve, memory, handover):
    files = tuple(replace(file, data=_last_first(file.data)) for file in handover.objects)
    return retrieve(memory, replace(handover, objects=files))


def _last_first(data):
    return tuple(
        Folios(Runs.chained([part.runs[1:], part.runs[:1]], part.order), part.order)
        for part in data
    )


def keeps_the_records(retrieve, memory, handover):
    files = tuple(replace(file, metadata=()) for file in handover.objects)
    return retrieve(memory, replace(handover, objects=files))


def unpreserves_nothing(unpreserve, outgoing, runs, order):
    """Pages are freed, their keys stay."""


def closes_every_session(close_session, memory, session):
    close_session(memory, session)
    for name in list(memory.luo.sessions):
        close_session(memory, name)


# The page allocator


def pins_in_place(migrate, allocator, runs, order=0, node=None):
    return Pinned(Runs.of(runs), 0)


def hands_out_a_page_twice(alloc, allocator, blocks, order=0, *args, **kwargs):
    """The last block of one request is the first of the next of its order."""
    last = vars(allocator).setdefault("last_runs", {})
    runs = list(alloc(allocator, blocks, order, *args, **kwargs))
    if not runs:
        return runs
    before, last[order] = last.get(order), runs[-1]
    if before and blocks > 1:
        runs[0] = runs[0]._replace(first_pfn=before.pfns(order)[-1])
    return runs


def takes_unmovable_pages_from_cma(serve, allocator, request, node):
    return serve(allocator, replace(request, cma=True), node)


def loses_a_freed_page(free, allocator, runs, order=0, user=False):
    return free(allocator, list(runs)[1:], order, user)


def puts_freed_pages_at_the_tail(append, blocks, pfn):
    return blocks.push_tail(pfn)


# The radix tree


def loses_the_last_key_of_a_leaf(add_bits, keys, leaf, bits):
    return add_bits(keys, leaf, bits & ~(1 << (1 << PAGES_4K.leaf_shift) - 1))


def deletes_one_key_too_few(del_keys, tree, first, end):
    return del_keys(tree, first, max(end - 1, first))


def destroys_parents_first(destroy, tree):
    freed, real = [], tree._free_page
    tree._free_page = freed.append
    destroy(tree)
    for page in reversed(freed):
        real(page)


def keeps_tables_of_a_failed_addition(make_path, tree, leaf):
    real, tree._free_page = tree._free_page, [].append
    error = make_path(tree, leaf)
    tree._free_page = real
    return error


def hands_on_a_live_tree(freeze, tree):
    return tree


# memblock


def merges_reservations_of_other_flags(reserve, memblock, base, size, nid=NO_NODE, flags=0):
    """What merging with a neighbour of other flags comes to: the new part gets the old flags."""
    for region in memblock.reserved:
        if region.end == base:
            nid, flags = region.nid, region.flags
    return reserve(memblock, base, size, nid, flags)


def marks_a_page_too_many(mark, memblock, base, size):
    return mark(memblock, base, size + PAGE)


def marks_a_page_too_many_each(mark, memblock, ranges, *flags):
    return mark(memblock, ranges + np.array([0, PAGE], np.uint64), *flags)


def ignores_nodes(find, memblock, size, align, start, end, nid=NO_NODE, flags=0):
    return find(memblock, size, align, start, end, NO_NODE, flags)


def forgets_scratch_only_mode(find, memblock, size, align, start, end, nid=NO_NODE, flags=0):
    return find(memblock, size, align, start, end, nid, 0)


def overlaps_nothing(overlaps, memblock, base, size):
    return False


def frees_a_page_too_many(phys_free, memblock, base, size):
    return phys_free(memblock, base, size + PAGE)


# kexec


def ignores_earlier_segments(place_segments, page_bytes, areas, segments):
    placed = []
    for segment in segments:
        alone = place_segments(page_bytes, areas, [segment])
        if not isinstance(alone, tuple):
            return alone
        placed += alone
    return tuple(placed)


def ignores_lower_limits(place_segments, page_bytes, areas, segments):
    return place_segments(
        page_bytes, areas, [replace(segment, min_address=0) for segment in segments]
    )


def tries_the_last_area_first(place_segments, page_bytes, areas, segments):
    return place_segments(page_bytes, areas[::-1], segments)
