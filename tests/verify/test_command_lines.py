"""Recorded chains whose command lines move memory: places, areas and ends are the kernels' own."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from kho_sim.verification import check_log
from kho_sim.verification.log_check import LogCheck

RECORDED = Path(__file__).parents[1] / "recorded" / "x86-distro"
LOGS = (
    "d-q35-8G-crash512Mhigh-low64M",
    "d-q35-8G-cma256M",
    "d-q35-8G-hugetlb_cma2G",
    "d-q35-8G-mem4G",
    "d-q35-8G-kfence",
    "d-q35-8G-movablecore50",
    "d-q35-8G-hotplug64G-movable_node",
    "d-q35-16G-4x1G-hvo",
)


@cache
def check(name: str) -> LogCheck:
    return check_log(RECORDED / f"{name}.log.xz")


@pytest.mark.parametrize("name", LOGS)
def test_scratch_and_what_it_is_made_of_are_those_of_the_kernel(name):
    for boot in check(name).boots:
        for fact in ("kernel_reserved_bytes", "scratch_areas"):
            found = boot.facts.get(fact)
            assert found is None or found.exact, (boot.boot, found)


@pytest.mark.parametrize("name", LOGS)
def test_every_early_request_lands_where_the_kernels_did(name):
    for boot in check(name).boots:
        assert boot.placements.misses == []
        if name.partition("-8G-")[2] in ("cma256M", "hugetlb_cma2G"):
            assert not boot.placements.left_out, "areas of which a log shows the answer only"


@pytest.mark.parametrize("name", LOGS)
def test_the_chain_ends_as_it_did(name):
    outcome = check(name).outcome
    assert outcome is not None
    assert outcome.exact, outcome


def test_preserved_pages_lie_in_the_kernels_zones_with_a_movable_one():
    for boot in check("d-q35-8G-movablecore50").boots[1:]:
        assert boot.facts["busy_blocks"].exact
        assert boot.facts["extended_bytes"].exact
