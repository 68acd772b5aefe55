"""The simulator against the recorded chains of arm64, with pages of 4, 16 and 64 KiB."""

from __future__ import annotations

import pytest

from kho_sim.chain import run_scenario
from kho_sim.logs.importing import scenario_from_trace
from kho_sim.scenario import from_dict
from kho_sim.trace.records import PreservedRun
from kho_sim.verification import totals
from tests.verify.conftest import RECORDED, recorded_check, recorded_trace

NAMES = sorted(
    f"arm64/{path.name.removesuffix('.log.xz')}" for path in (RECORDED / "arm64").glob("*.log.xz")
)
LANDED = ("kernel_address", "initrd_address", "device_tree_address", "descriptors_address")
DIES_BEFORE_ITS_DUMP = "arm64/a64-scratch-8G-16M_4M_4M"


@pytest.mark.parametrize("name", NAMES)
def test_every_early_allocation_lands_where_the_kernel_put_it(name):
    for boot in recorded_check(name).boots:
        assert not boot.placements.misses
        if (name, boot.boot) != (DIES_BEFORE_ITS_DUMP, 1):
            assert not boot.placements.left_out


@pytest.mark.parametrize("name", NAMES)
def test_every_step_is_exact(name):
    trace = recorded_trace(name)
    for boot, log in zip(recorded_check(name).boots, trace.extra["boots"], strict=True):
        assert not [step for step, value in boot.steps.items() if not value.exact]
        if boot.kind == "kho" and log.nodes:
            assert boot.steps.keys() >= {"radix_nodes", *LANDED}


def test_outcomes_and_what_the_kernel_reserves_are_exact():
    sums = totals([recorded_check(name) for name in NAMES])
    assert sums["outcomes"] == {"compared": 15, "exact": 15}
    assert sums["placements"]["compared"] > 40_000
    facts = sums["facts"]
    assert facts["kernel_reserved_bytes"] == {"compared": 15, "exact": 15}
    names = ("scratch_areas", "preservations", "preserved_bytes", "memory_regions_before")
    names = (*names, "gigantic_pages_requested", "gigantic_pages_allocated")
    for name in names:
        assert facts[name]["exact"] == facts[name]["compared"] >= 18, name


BY_CHANCE = {("arm64/a64-kfence-2G", 1), ("arm64/a64-kfence-2G", 2)}
"""A worker freed the initrd on the CPU that user space came to run on: no log says where it ran."""


def test_pages_of_trees_and_busy_blocks_are_exact_but_for_chance():
    """Page blocks of reclaimable slab decide it for a64-64k-machine-16G and the THP of
    a64-thp-2x256M-8G, the CPU that boot leaves for a64-huge2m512-4G."""
    for name in NAMES:
        for boot in recorded_check(name).boots:
            for fact in ("radix_nodes", "busy_blocks", "extended_bytes"):
                if fact in boot.facts and (name, boot.boot) not in BY_CHANCE:
                    assert boot.facts[fact].exact, (name, boot.boot, fact)


def test_files_of_a_first_kernel_begin_at_the_recorded_address():
    """Which they do only if every block before them was claimed as the kernel claimed it."""
    imported = scenario_from_trace(recorded_trace("arm64/a64-crash-4G"))
    predicted = run_scenario(from_dict(imported.scenario))
    runs = predicted[PreservedRun].where(boot=1)
    assert 0x1011AB000 in [run.start for run in runs]
