"""The extension step on the patch's own tree, and on trees that are large or scattered."""

import pytest

from kho_sim.kho.extend import STRATEGIES, ExtendOptions
from kho_sim.kho.radix import RadixTree
from kho_sim.memory.memblock import Memblock

GIB = 1 << 30
PAGES_PER_GIB = GIB >> 12


def tree_of(first_gib, gib, step=1):
    tree = RadixTree()
    first = first_gib * PAGES_PER_GIB
    if step == 1:
        tree.add_pages(first, gib * PAGES_PER_GIB)
    else:
        every_other = int("01" * (PAGES_PER_GIB // 2), 2)
        for number in range(gib):
            tree.add_bits((1 << 52) + first + number * PAGES_PER_GIB, every_other)
    return tree.freeze()


def host(scratch_bytes=2 * GIB):
    """A host whose memory begins with scratch, up to 4 GiB, and goes on for 2 TiB."""
    memblock = Memblock()
    memblock.add(4 * GIB - scratch_bytes, 2048 * GIB, 0)
    memblock.mark_kho_scratch(4 * GIB - scratch_bytes, scratch_bytes)
    memblock.scratch_only = True
    return memblock


def extend(tree, shift, memblock=None):
    memblock = memblock or host()
    return STRATEGIES["blocks"].extend(
        memblock,
        tree,
        ExtendOptions(shift),
        lambda: memblock.phys_alloc_range(4096, 4096, 0, 0),
        lambda page: memblock.phys_free(page, 4096),
    )


SHIFTS = pytest.mark.parametrize("shift", [12, 16, 21, 30, 36, 40])


@SHIFTS
def test_patch_case_2(benchmark, shift):
    tree = tree_of(4, 2)
    assert benchmark(extend, tree, shift).busy


@SHIFTS
def test_one_tib_of_contiguous_pages(benchmark, shift):
    tree = tree_of(4, 1024)
    assert benchmark.pedantic(extend, (tree, shift), rounds=3).busy


@SHIFTS
def test_every_other_page_of_64_gib(benchmark, shift):
    tree = tree_of(4, 64, step=2)
    assert benchmark.pedantic(extend, (tree, shift), rounds=3).busy


def test_every_other_page_without_room_for_the_marks(benchmark):
    """At shift 12 memblock.memory outgrows 1 GiB of scratch at the last doubling of 18."""
    tree = tree_of(4, 64, step=2)
    extension = benchmark.pedantic(lambda: extend(tree, 12, host(GIB)), rounds=3)
    assert extension.error.endswith("-ENOMEM")
    assert extension.extended_bytes


def test_every_other_page_with_a_look_at_all_regions(benchmark):
    """A chain takes them into its trace after each step."""
    tree = tree_of(4, 64, step=2)

    def extend_and_look():
        memblock = host()
        extend(tree, 12, memblock)
        return memblock.memory[:]

    assert len(benchmark.pedantic(extend_and_look, rounds=3)) > 2**24
