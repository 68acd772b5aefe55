"""Numbers of an arm64 kernel's early boot: kernel-facts-arm64 1.3, 5.2 to 5.7."""

from __future__ import annotations

import pytest

import kho_sim as ks
from kho_sim.base.extent import Extent
from kho_sim.chain.build import build_plan
from kho_sim.kernel.boot import boot_memory
from kho_sim.memory.memblock import NOMAP, RSRV_KERN
from kho_sim.platform.arm64 import ARM64
from kho_sim.platform.arm64.linear_map import MapCall, tables_by_call
from kho_sim.platform.geometry import ARM64_GEOMETRIES
from kho_sim.trace.records import Allocation
from tests.platform.arm64.machines import GIB, KIB, MIB, cold_boot, scenario

X86_STEPS = {"trampoline", "direct map", "brk", "BIOS area", "CPU entry areas"}


def rows(booted, what):
    return [row for row in booted.early.requests.rows if row.what == what]


def sizes(booted, what):
    return [row.size_bytes for row in rows(booted, what)]


@pytest.mark.parametrize(
    ("memory", "zones"),
    [
        ("2GiB", [("DMA", 3 * GIB), ("DMA32", 3 * GIB), ("Normal", 1 << 48)]),
        ("8GiB", [("DMA", 4 * GIB), ("DMA32", 4 * GIB), ("Normal", 1 << 48)]),
    ],
)
def test_low_memory_is_dma_and_dma32_is_empty(memory, zones):
    plan = build_plan(scenario(memory, 2))
    machine = plan.machine
    limits = ARM64[4 * KIB].zones(machine, plan.kernels[0].build)
    assert [(zone.name, zone.end) for zone in limits] == zones
    assert ARM64[4 * KIB].early_rules(machine).low_address == zones[0][1] - 1


def test_memory_above_4_gib_alone_is_all_low():
    ranges = [{"start": "8GiB", "end": "16GiB"}]
    plan = build_plan(scenario(None, 2, memory_map=ranges))
    assert ARM64[4 * KIB].early_rules(plan.machine).low_address == 16 * GIB - 1
    (area,) = boot_memory(plan.machine, plan.kernels[0], None).early.cma_areas
    start = 8 * GIB + 10 * MIB
    assert area == Extent(start, start + 32 * MIB), "from 4 GiB upwards, behind the image"


@pytest.mark.parametrize(
    ("page", "memory", "tables"),
    [
        ("4KiB", "4GiB", 2048 + 4 + 1),
        ("4KiB", "8GiB", 4096 + 8 + 1),
        ("16KiB", "8GiB", 256 + 1 + 1),
        ("64KiB", "8GiB", 16 + 1),
    ],
)
def test_the_linear_map_takes_a_table_for_each_unit(page, memory, tables):
    booted = cold_boot(memory, 2, "cma=0", page)
    assert len(rows(booted, "linear map table")) == tables


def test_mapping_by_blocks_takes_tables_where_a_block_does_not_fit():
    """Recorded: 6 pages on 4 GiB, with the pool of KFENCE."""
    booted = cold_boot("4GiB", 2, "rodata=noalias kfence.sample_interval=500")
    assert sizes(booted, "kfence pool") == [2 * MIB]
    assert len(rows(booted, "linear map table")) == 6


@pytest.mark.parametrize("size_kib", [4, 16, 64])
def test_tables_are_counted_once_whichever_call_needs_them_first(size_kib):
    geometry = ARM64_GEOMETRIES[size_kib * KIB]
    whole = MapCall(Extent(GIB, 9 * GIB), by_pages=True)
    part = MapCall(Extent(3 * GIB, 3 * GIB + MIB), by_pages=True)
    (alone,) = tables_by_call([whole], GIB, geometry)
    first, rest = tables_by_call([part, whole], GIB, geometry)
    assert first + rest == alone
    assert tables_by_call([whole, part], GIB, geometry) == [alone, 0]


@pytest.mark.parametrize(
    ("cpus", "nodes", "cold_bytes"),
    [(1, 1, 42484), (2, 1, 43868), (4, 1, 46428), (12, 1, 56668), (4, 2, 47604), (8, 4, 54452)],
)
def test_the_unflattened_tree_grows_with_cpus_and_nodes(cpus, nodes, cold_bytes):
    booted = cold_boot("4GiB", cpus, nodes=nodes)
    assert sizes(booted, "device tree") == [cold_bytes]


def test_after_kexec_the_tree_has_three_properties_more():
    trace_sizes = [
        [row.size_bytes for row in trace_rows if row.what == "device tree"]
        for trace_rows in _allocations("2GiB", 2)
    ]
    assert trace_sizes == [[43868], [43868 + 312]]


def _allocations(memory, cpus):
    trace = ks.run(scenario(memory, cpus))
    return [list(trace[Allocation].where(boot=boot)) for boot in (0, 1)]


@pytest.mark.parametrize(
    ("memory", "cpus", "firmware", "mib"),
    [
        ("1GiB", 1, "qemu-virt", 1),
        ("2GiB", 2, "qemu-virt", 2),
        ("3GiB", 2, "qemu-virt", 4),
        ("2GiB", 2, "qemu-virt-uefi", 4),
        ("4GiB", 2, "qemu-virt", 64),
        ("1GiB", 16, "qemu-virt", 4),
    ],
)
def test_bounce_buffers_follow_memory_and_cpus(memory, cpus, firmware, mib):
    """With 16 CPUs every area has a segment of 256 KiB."""
    booted = cold_boot(memory, cpus, firmware=firmware)
    assert sizes(booted, "swiotlb") == [mib * MIB]


@pytest.mark.parametrize(
    ("page", "unit"), [("4KiB", 0x11000), ("16KiB", 0x14000), ("64KiB", 0x20000)]
)
def test_per_cpu_units_are_one_block_per_node(page, unit):
    booted = cold_boot("16GiB", 8, "", page, nodes=2)
    assert sizes(booted, "per-cpu units") == [4 * unit, 4 * unit]


@pytest.mark.parametrize(
    ("page", "memory", "tables"),
    [
        ("4KiB", "64GiB", 2),
        ("4KiB", "128GiB", 4),
        ("16KiB", "16GiB", 2 + 1),
        ("16KiB", "300GiB", 38 + 2),
        ("64KiB", "600GiB", 2),
    ],
)
def test_tables_of_the_memory_map(page, memory, tables):
    assert len(rows(cold_boot(memory, 4, "", page), "vmemmap table")) == tables


def test_image_initrd_and_blob_are_no_kernel_memory():
    booted = cold_boot("4GiB", 2)
    kern = [r for r in booted.early.memblock.reserved if r.flags & RSRV_KERN]
    loaded = booted.early.loaded
    for part in (loaded.image, loaded.initrd, loaded.parameters):
        assert not any(part.overlaps(Extent(r.base, r.end)) for r in kern)


def test_uefi_keeps_memory_that_nobody_maps_and_makes_one_node():
    booted = cold_boot("8GiB", 4, firmware="qemu-virt-uefi", nodes=2)
    memory = booted.early.memblock.memory
    nomap = [(r.base, r.end) for r in memory if r.flags & NOMAP]
    top = 5 * GIB
    assert nomap == [
        (0x4000000, 0x8000000), (top - 0x3BC0000, top - 0x38D0000), (top - 0x400000, top - 0x20000),
    ]  # fmt: skip
    assert {r.nid for r in memory} == {0}
    assert booted.early.rules.memmap_origin == 0
    assert not rows(booted, "device tree")


def test_mem_is_a_size_and_no_address():
    """Memory begins at 1 GiB, so 4 GiB of it end at 5 GiB."""
    booted = cold_boot("8GiB", 2, "mem=4G")
    assert booted.early.memblock.end_of_dram() == 5 * GIB
    assert cold_boot("2GiB", 2, "mem=4G").early.memblock.end_of_dram() == 3 * GIB


def test_no_step_of_x86_is_taken():
    booted = cold_boot("4GiB", 2)
    names = {step.name for step in ARM64[4 * KIB].before_extension(booted.early)}
    names |= {step.name for step in ARM64[4 * KIB].after_extension(booted.early)}
    assert not names & X86_STEPS
