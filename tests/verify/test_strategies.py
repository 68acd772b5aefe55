"""Recorded strategies: every step of the extension and of the retrieval, from the same state."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kho_sim.logs.importing import scenario_from_trace
from kho_sim.logs.reader import read_boot_log
from kho_sim.scenario import from_dict
from kho_sim.verification.steps import check_steps

LOGS = sorted(Path(__file__).with_name("strategies").glob("*.log.xz"))
WAYS = {
    "2G-4k-blocks": ("blocks", "per-key"),
    "4G-4k-blocks-one": ("blocks", "one-call"),
    "4G-4k-early": ("reserve-early", "two-pass"),
    "4G-4k-early-runs": ("reserve-early", "two-pass-runs"),
    "4G-4k-gaps": ("largest-gaps", "per-key"),
    "4G-4k-skip-runs": ("blocks-skip", "collect-runs"),
    "4G-frag-blocks": ("blocks", "per-key"),
    "4G-frag-early": ("reserve-early", "two-pass"),
    "4G-sparse-gaps": ("largest-gaps", "per-key"),
    "16G-thp-scaled": ("scaled-blocks", "per-key"),
}
STEPS = {
    "extended_bytes",
    "regions_after",
    "busy_block_hash",
    "digest_pages",
    "block_shift",
    "dry_runs",
    "reserved_regions_after",
    "reserved_capacity",
}


def scenario_of(trace):
    return from_dict(scenario_from_trace(trace).scenario)


def checked(trace):
    steps = check_steps(trace, scenario_of(trace))
    return [found for found, boot in zip(steps, trace["boots"], strict=True) if boot.kind == "kho"]


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.name.removesuffix(".log.xz"))
def test_every_step_is_exact(log):
    trace = read_boot_log(log)
    kernel = scenario_of(trace).kernel
    name = log.name.removesuffix(".log.xz")
    assert (kernel.extend.strategy, kernel.retrieval) == WAYS[name]
    wanted = set() if "frag" in name else set(STEPS)  # those logs do not show the tree
    if wanted and "early" in name:
        wanted |= {"reserved_first"}
    if "runs" in name:
        wanted |= {"ranges_reserved"}
    boots = checked(trace)
    assert boots
    for steps in boots:
        assert wanted <= steps.keys()
        assert {step for step, value in steps.items() if not value.exact} == set()


def with_boot_log(trace, **changes):
    logs = [
        replace(log, **{name: change(log) for name, change in changes.items()})
        if log.dry_runs
        else log
        for log in trace.extra["boots"]
    ]
    return replace(trace, extra={"boots": tuple(logs)})


@pytest.mark.parametrize(
    ("name", "lie", "step"),
    [
        ("strategy", lambda log: log.strategy._replace(hash=1), "busy_block_hash"),
        ("strategy", lambda log: log.strategy._replace(digest=7), "digest_pages"),
        ("strategy", lambda log: log.strategy._replace(shift=22), "block_shift"),
        ("costs", lambda log: log.costs._replace(reserved_max=256), "reserved_capacity"),
        ("runs_reserved", lambda log: log.runs_reserved + 1, "ranges_reserved"),
        ("dry_runs", lambda log: [r._replace(largest=1) for r in log.dry_runs], "dry_runs"),
        ("dry_runs", lambda log: [r._replace(keys=1) for r in log.dry_runs], "dry_runs"),
    ],
)
def test_a_log_that_says_otherwise_is_noticed(name, lie, step):
    trace = read_boot_log(LOGS[0].with_name("4G-4k-early-runs.log.xz"))
    for steps in checked(with_boot_log(trace, **{name: lie})):
        assert {step for step, value in steps.items() if not value.exact} == {step}


def test_reservations_of_other_flags_are_noticed():
    """Plain and NOINIT reservations that the log shows side by side do not merge."""
    trace = read_boot_log(LOGS[0].with_name("4G-4k-early.log.xz"))

    def plain(log):
        return [
            replace(row, flags=0) if row.moment == "after_extend" and row.flags == 0x10 else row
            for row in log.regions
        ]

    for steps in checked(with_boot_log(trace, regions=plain)):
        assert not steps["reserved_first"].exact


def test_what_the_reader_took_from_the_lines():
    trace = read_boot_log(LOGS[0].with_name("4G-4k-early-runs.log.xz"))
    log = trace.extra["boots"][1]
    assert log.extend_cycles == 7_273_484
    assert log.costs == (43_536_925, 22_900_082, 128)
    assert log.runs_reserved == 10
    assert (log.strategy.name, log.strategy.keys, log.strategy.tables) == ("early", 131_594, 10)
    assert [(run.shift, run.skips) for run in log.dry_runs] == [
        (shift, skips) for shift in (30, 22, 21) for skips in (False, True)
    ]
    assert log.dry_runs[0].instructions == 28_079_118
    assert not trace.provenance["incomplete"]


def test_scattered_pages_are_said_to_be_left_out():
    trace = read_boot_log(LOGS[0].with_name("4G-frag-blocks.log.xz"))
    assert any("obs.frag" in note for note in scenario_from_trace(trace).notes)
