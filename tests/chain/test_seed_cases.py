"""The patch's own evaluation, from the scenario files: what it reports, and how near we must be.

Source: "[PATCH v2 15/18] kho: extend scratch", Practical evaluation, test cases 1 and 2.
"""

from pathlib import Path

import pytest

from kho_sim.chain import run_scenario
from kho_sim.scenario import load

SCENARIOS = Path(__file__).parents[2] / "scenarios"
GIB = 1 << 30
CASES = {
    "seed-case-1": {
        "nr": 0x214,
        "orders": ((0, 0x20F), (1, 4), (4, 1)),
        "preserved": 0x227000,
        "nodes": 0x13,
        "extended": 0xE6C17B000,
        "ns": 47_000,
    },
    "seed-case-2": {
        "nr": 0x80816,
        "orders": ((0, 0x80811), (1, 4), (4, 1)),
        "preserved": 0x80829000,
        "nodes": 0x28,
        "extended": 0xD3F200000,
        "ns": 22_514_000,
    },
}


@pytest.fixture(scope="module", params=CASES)
def case(request):
    return CASES[request.param], run_scenario(load(SCENARIOS / f"{request.param}.yaml"))


def kho_boots(trace):
    return [boot for boot in trace["boots"] if boot.kind == "kho"]


def test_preservations_are_the_patchs_to_the_key(case):
    wanted, trace = case
    for boot in kho_boots(trace):
        assert boot.preservations == wanted["nr"]
        assert boot.preservations_by_order == wanted["orders"]
        assert boot.preserved_bytes == wanted["preserved"]


def test_tree_pages_are_within_three(case):
    wanted, trace = case
    for boot in kho_boots(trace):
        assert abs(boot.radix_nodes - wanted["nodes"]) <= 3


def test_extended_memory_is_within_one_and_a_half_gib(case):
    wanted, trace = case
    for boot in kho_boots(trace):
        assert abs(boot.extended_bytes - wanted["extended"]) <= 3 * GIB // 2


def test_extension_takes_about_as_long(case):
    wanted, trace = case
    for boot in kho_boots(trace):
        assert abs(boot.extend_ns - wanted["ns"]) <= wanted["ns"] // 4
        assert boot.digest_pages == 6


def test_fifty_gigantic_pages_with_the_extension_and_none_without(case):
    _, trace = case
    assert [boot.gigantic_pages_allocated for boot in trace["boots"]] == [50, 50, 50]
    assert [boot.gigantic_pages_allocated for boot in trace.twin["boots"]] == [50, 0, 0]
    assert [boot.failures for boot in trace.twin["boots"]] == [0, 50, 50]
    assert [boot.failures_avoided for boot in trace["boots"]] == [0, 50, 50]
    assert trace.outcome.kind == trace.twin.outcome.kind == "completed"
