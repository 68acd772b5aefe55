"""Chains on arm64 from end to end: counts of kernel-facts-arm64 9, firmware, failures."""

from __future__ import annotations

from pathlib import Path

import pytest

import kho_sim as ks
from kho_sim.chain.build import build_plan
from kho_sim.kernel.boot import boot_memory
from kho_sim.scenario import from_dict, with_values
from kho_sim.trace.records import Allocation, RegionRow
from tests.platform.arm64.machines import MIB, areas_mib, cold_boot, scenario

ROOT = Path(__file__).parents[3]
NODES = {"4KiB": 6, "16KiB": 5, "64KiB": 4}


def run(memory, cpus, line="", page="4KiB", **values):
    chosen = with_values(scenario(memory, cpus, line, page), values)
    return ks.run(chosen)


@pytest.mark.parametrize(
    ("page", "count", "size", "preservations"),
    [
        ("4KiB", 2, "1MiB", 0x20C),
        ("4KiB", 2, "256MiB", 0x2020A),
        ("4KiB", 3, "16MiB", 0x303C),
        ("16KiB", 2, "1MiB", 0x8C),
        ("16KiB", 2, "256MiB", 0x802A),
        ("64KiB", 2, "1MiB", 0x2C),
        ("64KiB", 2, "256MiB", 0x200C),
    ],
)
def test_preservations_by_page_size(page, count, size, preservations):
    values = {"workload[0].count": count, "workload[0].size": size}
    trace = run("8GiB", 4, page=page, **values)
    assert trace.outcome.kind == "completed"
    assert trace["boots"][1].preservations == preservations
    assert trace["boots"][1].digest_pages == NODES[page]


def test_huge_folios_are_keys_of_their_order():
    """Recorded: 256 keys of order 9 beside those of single pages."""
    values = {"workload[0].size": "256MiB", "workload[0].folio": "2MiB"}
    by_order = run("8GiB", 4, **values)["boots"][1].preservations_by_order
    assert dict(by_order) == {0: 12, 9: 256}


@pytest.mark.parametrize("firmware", ["qemu-virt", "qemu-virt-uefi"])
def test_a_kho_boot_finds_all_its_early_memory_in_scratch(firmware):
    trace = run("4GiB", 2, **{"machine.firmware": firmware})
    assert trace.outcome.kind == "completed"
    before = trace[Allocation].where(boot=1, phase="before")
    assert {row.source for row in before} == {"scratch"}
    assert not any(row.failed for row in trace[Allocation].where(boot=1))


def test_tables_of_interrupts_stay_reserved_on_uefi():
    """Facts 6.4: one page, and 64 KiB for properties and for each CPU."""
    trace = run("4GiB", 2, **{"machine.firmware": "qemu-virt-uefi", "chain.boots": 3})
    sizes = []
    for boot in range(3):
        reserved = trace[RegionRow].where(boot=boot, moment="before_retrieve", array="reserved")
        sizes.append({row.end - row.start for row in reserved if not row.flags})
    assert 0x30000 not in sizes[0]
    assert {0x30000, 0x1000} <= sizes[1] & sizes[2]


def test_a_kernel_dies_where_scratch_does_not_hold_its_tables():
    trace = run("8GiB", 2, "kho_scratch=16M,4M,4M")
    outcome = (trace.outcome.kind, trace.outcome.boot, trace.outcome.message)
    assert outcome == ("boot_failed", 1, "Failed to allocate page table page")


def test_without_room_for_its_area_a_kernel_goes_on_without_cma():
    trace = run("8GiB", 2, "kho_scratch=8M,64M,64M")
    assert trace.outcome.kind == "completed"
    said = [row.detail for row in trace["events"] if "cma:" in row.detail and row.boot == 1]
    assert said == ["cma: Failed to reserve 32 MiB"]


def test_a_load_is_refused_where_nothing_lies_above_the_image():
    trace = run("2GiB", 2, "kho_scratch=8M,32M,32M")
    assert (trace.outcome.kind, trace.outcome.boot) == ("load_refused", 0)


@pytest.mark.parametrize(
    ("page", "size", "count"), [("4KiB", "32M", 16), ("4KiB", "1G", 4), ("16KiB", "1G", 4)]
)
def test_gigantic_pages_are_found_with_the_extension_only(page, size, count):
    line = f"hugepagesz={size} hugepages={count}"
    with_it = run("16GiB", 4, line, page)["boots"][1]
    without = run("16GiB", 4, line, page, **{"kernel.extend.strategy": "none"})["boots"][1]
    assert with_it.gigantic_pages_requested == with_it.gigantic_pages_allocated == count
    assert (without.gigantic_pages_requested, without.gigantic_pages_allocated) == (count, 0)


def test_pages_of_32_mib_come_from_the_page_allocator_with_pages_of_16_kib():
    trace = run("8GiB", 4, "hugepagesz=32M hugepages=8", "16KiB")
    assert trace["boots"][0].gigantic_pages_requested == 0
    assert not [row for row in trace[Allocation] if row.what == "gigantic page"]


def test_the_reported_workstation_has_its_three_areas():
    """field.md, section 4: exact with its build's size, within 5 % from its size alone."""
    plan = build_plan(ks.load(ROOT / "scenarios" / "arm64-workstation.yaml"))
    booted = boot_memory(plan.machine, plan.kernels[0], None)
    assert areas_mib(booted) == [192, 4794, 4600]
    assert booted.scratch_areas[0] == (0xEA000000, 192 * MIB)
    plan = build_plan(
        from_dict(
            {
                "machine": {"platform": "arm64", "memory": "121GiB", "cpus": 20},
                "kernel": {"build": "arm64-generic"},
            }
        )
    )
    generic = areas_mib(boot_memory(plan.machine, plan.kernels[0], None))
    assert generic == pytest.approx([192, 4794, 4600], rel=0.05)


@pytest.mark.parametrize("name", ["arm64-vm-800mib", "arm64-64k-server", "arm64-four-nodes"])
def test_the_shipped_chains_complete(name):
    chosen = ks.load(ROOT / "scenarios" / f"{name}.yaml")
    trace = ks.run(with_values(chosen, {"chain.twin": False, "chain.boots": 2}))
    assert trace.outcome.kind == "completed"


def test_an_area_of_a_sixth_is_lost_on_800_mib():
    assert sum(areas_mib(cold_boot("800MiB", 2))) == 140


@pytest.mark.parametrize(("cpus", "in_initrd"), [(1, True), (2, False)])
def test_files_of_one_cpu_lie_where_the_initrd_was(cpus, in_initrd):
    """Recorded: a64-machine-1G, whose second file ends with the initrd; not so with two CPUs."""
    trace = run("1GiB", cpus)
    ends = {row.end for row in trace["preserved"] if 0x48000000 <= row.start < 0x48690000}
    assert (0x48690000 in ends or 0x4868F000 in ends) == in_initrd


def test_what_boot_preserves_lies_on_two_nodes_in_turn():
    """Recorded: a64-numa2-8G, seven pages of the tree, the two pages of KHO's on both nodes."""
    trace = run("8GiB", 4, **{"machine.nodes": 2})
    assert trace["boots"][1].radix_nodes == 7
    border = 5 << 30
    assert {row.address >= border for row in trace["tree_pages"]} == {False, True}
