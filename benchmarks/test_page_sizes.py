"""The same at pages of 4, 16 and 64 KiB on arm64: the extension step, a chain, an early boot."""

import pytest

from kho_sim.chain import run_scenario
from kho_sim.chain.build import build_plan
from kho_sim.kernel.boot import boot_memory
from kho_sim.kho.extend import STRATEGIES, ExtendOptions
from kho_sim.kho.radix import RadixTree
from kho_sim.memory.memblock import Memblock
from kho_sim.platform.geometry import ARM64_GEOMETRIES
from kho_sim.scenario import from_dict

GIB = 1 << 30
PAGES = pytest.mark.parametrize("page", ["4KiB", "16KiB", "64KiB"])


def geometry_of(page):
    return ARM64_GEOMETRIES[int(page.removesuffix("KiB")) << 10]


def host(memory, cpus, page):
    """Two memfds of a sixty-fourth of memory each, three kernels."""
    return from_dict(
        {
            "machine": {"platform": "arm64", "memory": memory, "cpus": cpus},
            "kernel": {"page_size": page},
            "workload": [{"kind": "memfd", "count": 2, "size": memory // 64}],
            "chain": {"boots": 3, "twin": False},
        }
    )


@PAGES
def test_one_tib_of_contiguous_pages(benchmark, page):
    geometry = geometry_of(page)
    tree = RadixTree(geometry=geometry)
    tree.add_pages(4 * GIB // geometry.page_bytes, 1024 * GIB // geometry.page_bytes)
    frozen = tree.freeze()

    def extend():
        memblock = Memblock(geometry)
        memblock.add(2 * GIB, 2048 * GIB, 0)
        memblock.mark_kho_scratch(2 * GIB, 2 * GIB)
        memblock.scratch_only = True
        size = geometry.page_bytes
        return STRATEGIES["blocks"].extend(
            memblock,
            frozen,
            ExtendOptions(30),
            lambda: memblock.phys_alloc_range(size, size, 0, 0),
            lambda address: memblock.phys_free(address, size),
        )

    assert benchmark.pedantic(extend, rounds=5).busy


@PAGES
def test_chain_of_64_gib(benchmark, page):
    trace = benchmark.pedantic(run_scenario, (host(64 * GIB, 12, page),), rounds=2)
    assert trace.outcome.kind == "completed"


@PAGES
@pytest.mark.parametrize("gib", [256, 1024, 4096])
def test_early_boot(benchmark, page, gib):
    plan = build_plan(host(gib * GIB, 64, page))
    booted = benchmark.pedantic(boot_memory, (plan.machine, plan.kernels[0], None), rounds=2)
    assert booted.scratch_areas
