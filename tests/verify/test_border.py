"""Chains at the border of memory: 16 memfds by the first kernel and one more by the second, of
sizes between which recorded chains went from one end to another (kernel-facts-distro 10).

Two of the eight have a log here, which gives machine, build and place of the image to all.
"""

from __future__ import annotations

import pytest

from kho_sim.chain import run_scenario
from kho_sim.logs.importing import scenario_from_trace
from kho_sim.memory.pages import DEADLOCK
from kho_sim.scenario import Scenario, from_dict, with_values
from tests.verify.conftest import recorded_trace

MIB = 1 << 20
LOGS = {"blocks": "x86-distro/edge-grow440", "none": "x86-distro/edge-grow436-noext"}
DIES_IN = {
    ("blocks", 420): None,
    ("blocks", 428): 1,
    ("blocks", 436): 1,
    ("blocks", 440): 0,
    ("none", 420): None,
    ("none", 428): 1,
    ("none", 436): 0,
    ("none", 440): 0,
}
"""Strategy and MiB of each file -> the kernel that panics, as recorded."""


def edge(strategy: str, size_bytes: int) -> Scenario:
    scenario = from_dict(scenario_from_trace(recorded_trace(LOGS[strategy])).scenario)
    files = {"kind": "memfd", "count": 16, "size": size_bytes, "grow": 1}
    values = {"workload": [files], "kernel.extend.strategy": strategy, "chain.twin": False}
    return with_values(scenario, values)


def end(strategy: str, size_bytes: int) -> int | None:
    """Return the kernel that dies, None if none does."""
    outcome = run_scenario(edge(strategy, size_bytes)).outcome
    if outcome.kind == "completed":
        return None
    assert (outcome.kind, outcome.message) == ("preserve_failed", DEADLOCK)
    return outcome.boot


@pytest.mark.parametrize(("strategy", "size_mib"), DIES_IN)
def test_a_chain_at_the_border_ends_where_it_was_recorded(strategy: str, size_mib: int) -> None:
    assert end(strategy, size_mib * MIB) == DIES_IN[strategy, size_mib]


def border_mib(strategy: str, low: int, high: int, dead: int | None) -> int:
    """Return the least size in MiB with which a chain ends as with ``high``."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if end(strategy, middle * MIB) == dead else (middle, high)
    return high


@pytest.mark.parametrize(
    ("strategy", "low", "high", "files"),
    [("blocks", 420, 428, 17), ("none", 420, 428, 17), ("blocks", 436, 440, 16)],
)
def test_the_border_is_as_near_as_the_recorded_chains_can_tell(
    strategy: str, low: int, high: int, files: int
) -> None:
    """Where between two recorded chains the border was, none of them says: the model's has to be no
    further from the middle than half of that, which is below 1 % of the 8 GiB."""
    border = border_mib(strategy, low, high, DIES_IN[strategy, high])
    middle = (low + high) / 2
    assert abs(border - middle) * files * MIB <= 0.005 * (8 << 30)
