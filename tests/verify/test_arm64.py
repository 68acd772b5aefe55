"""The simulator against the recorded chains of arm64, with pages of 4, 16 and 64 KiB."""

from __future__ import annotations

import pytest

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
    assert sums["outcomes"] == {"compared": 12, "exact": 12}
    assert sums["placements"]["compared"] > 40_000
    facts = sums["facts"]
    assert facts["kernel_reserved_bytes"] == {"compared": 12, "exact": 12}
    names = ("scratch_areas", "preservations", "preserved_bytes", "memory_regions_before")
    names = (*names, "gigantic_pages_requested", "gigantic_pages_allocated")
    for name in names:
        assert facts[name]["exact"] == facts[name]["compared"] >= 18, name
