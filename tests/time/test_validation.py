"""Published times: each is met within its band by an ordinary scenario, with one set of rates for
each hardware."""

from __future__ import annotations

import pytest

from kho_sim.base.work import Work
from kho_sim.chain.timing.phase import Phase
from kho_sim.rates import counts_of, load_hardware
from tests.time.validation import Case, cases, predicted, stored

LARGE = (
    "file-100gib.yaml",
    "pages-48gib.yaml",
    "epyc-1536gib.yaml",
    "skylake-768gib.yaml",
    "hisilicon-768gib.yaml",
)
"""Scenarios that take many seconds."""
CLOSE = 0.02
"""What a change of early memory may do to a time."""
SMALL = [case for case in cases() if case.scenario not in LARGE]
REST = [case for case in cases() if case.scenario in LARGE]


@pytest.mark.parametrize("case", cases(), ids=str)
def test_a_published_time_is_met_within_its_band(case: Case) -> None:
    low, high = case.band
    found = stored()[str(case)]
    assert low <= found.central_ms / case.published_ms <= high
    assert found.low_ms <= found.central_ms <= found.high_ms <= 5 * found.low_ms


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_the_stored_prediction_is_what_the_scenario_gives(case: Case) -> None:
    assert predicted(case) == pytest.approx(stored()[str(case)], rel=CLOSE)


@pytest.mark.long
@pytest.mark.parametrize("case", REST, ids=str)
def test_the_stored_prediction_is_what_a_large_scenario_gives(case: Case) -> None:
    assert predicted(case) == pytest.approx(stored()[str(case)], rel=CLOSE)


def test_variants_are_in_the_order_in_which_they_were_published() -> None:
    found = stored()
    for name in ("V4", "V5", "V6", "V8"):
        for first in (one for one in cases() if one.case == name):
            for second in (one for one in cases() if one.case == name):
                alike = first.scenario == second.scenario and first.terms == second.terms
                if alike and first.published_ms > 1.1 * second.published_ms:
                    assert found[str(first)].central_ms > found[str(second)].central_ms


def test_the_first_version_of_the_patch_has_its_88_us() -> None:
    work = Work(keys_walked=557, keys_added=557, tables_walked=47)
    times = Phase.of("extend", counts_of(work)).times(load_hardware("patch-author"))
    assert times.central == pytest.approx(88_000, rel=0.1)


def test_most_published_times_are_between_the_low_and_the_high_one() -> None:
    found = stored()
    inside = [
        found[str(case)].low_ms <= case.published_ms <= found[str(case)].high_ms for case in cases()
    ]
    assert sum(inside) >= 0.9 * len(inside)
