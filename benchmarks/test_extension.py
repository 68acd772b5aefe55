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


def extend(tree, shift, strategy="blocks"):
    memblock = Memblock()
    memblock.add(0x1000, 2048 * GIB, 0)
    memblock.mark_kho_scratch(2000 * GIB, GIB)
    memblock.scratch_only = True
    return STRATEGIES[strategy](
        memblock,
        tree,
        ExtendOptions(shift),
        lambda: memblock.phys_alloc_range(4096, 4096),
        lambda page: memblock.phys_free(page, 4096),
    )


@pytest.mark.parametrize("shift", [21, 30])
def test_patch_case_2(benchmark, shift):
    tree = tree_of(4, 2)
    assert benchmark(extend, tree, shift).extended_bytes


@pytest.mark.parametrize("shift", [21, 30, 36])
def test_one_tib_of_contiguous_pages(benchmark, shift):
    tree = tree_of(4, 1024)
    assert benchmark.pedantic(extend, (tree, shift), rounds=3).extended_bytes


@pytest.mark.parametrize("shift", [21, 30, 36])
def test_every_other_page_of_64_gib(benchmark, shift):
    tree = tree_of(4, 64, step=2)
    assert benchmark.pedantic(extend, (tree, shift), rounds=3).extended_bytes
