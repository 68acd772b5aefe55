"""Handovers between kernels of other versions: what survives, and what the kernel says.

Recorded chains first, then chains of releases of which nothing was recorded, by the matrix of
kernel-facts-releases 14.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from kho_sim import explain, loads, run
from kho_sim.logs.importing import scenario_from_trace
from kho_sim.logs.reader import read_boot_log
from kho_sim.trace.records import COLD_BOOT, GOES_ON, Boot, Event, FileOutcome, Incident
from kho_sim.trace.trace import Trace
from kho_sim.verification import LogCheck, check_trace

RECORDED = Path(__file__).parent / "recorded"
SCENARIOS = Path(__file__).parents[2] / "scenarios"
BAD_TREE = "The incoming tree failed to initialize properly [{}], disabling live update"
LOST = "retrieve session: No such file or directory"
CLOSED = "open liveupdate: Input/output error"
OFF = "luo: Disabling liveupdate because KHO is disabled"
DEAD = "Attempted to kill the idle task!"


@cache
def recorded(name: str) -> Trace:
    return read_boot_log(RECORDED / f"{name}.log.xz")


@cache
def checked(name: str) -> LogCheck:
    return check_trace(recorded(name))


@pytest.mark.parametrize(
    ("log", "kind", "message", "handover"),
    [
        ("r72-emit-kho-2G", "preserve_failed", LOST, "cold boot"),
        ("r72-emit-luo-2G", "boot_failed", BAD_TREE.format(-22), "panic"),
        ("r72-73-emit-luo-2G", "boot_failed", BAD_TREE.format(-22), "panic"),
        ("r72-73-emit-memfd-2G", "kho_disabled", CLOSED, "no device"),
        ("r72-emit-meta-2G", "completed", "", "found"),
        ("r72-emit-memblock-2G", "completed", "", "found"),
        ("r73-khooff-2G", "kho_disabled", OFF, "no device"),
    ],
)
def test_a_recorded_handover_comes_out_as_its_kernel_says(log, kind, message, handover):
    check = checked(log)
    assert (check.observed.kind, check.observed.boot, check.observed.message) == (kind, 1, message)
    assert check.outcome is not None
    assert check.outcome.exact
    step = check.boots[1].steps["handover"]
    assert (step.predicted, step.observed) == (handover, handover)


def test_a_chain_of_two_releases_finds_everything_at_each_jump():
    check = checked("r72-73-72-73-2G")
    assert check.outcome is not None
    assert check.outcome.exact
    assert [boot.steps["handover"].exact for boot in check.boots[1:]] == [True] * 3
    extended = [boot.facts.get("extended_bytes") for boot in check.boots]
    assert [fact is not None for fact in extended] == [False, True, False, True]


def test_7_2_without_room_for_struct_pages_dies_unsaid():
    check = checked("r72-scratch-8G-48M_50M_49M")
    assert check.outcome is not None
    assert check.outcome.exact
    assert check.outcome.predicted == ("boot_failed", 1, DEAD)


@pytest.mark.parametrize(
    ("log", "faults"),
    [
        ("r72-emit-kho-2G", [{"kind": "fdt", "boot": 1, "found": "incompatible"}]),
        ("r72-emit-meta-2G", [{"kind": "version", "boot": 1, "of": ["metadata"]}]),
        ("r72-73-72-73-2G", []),
    ],
)
def test_what_a_recorder_writes_in_its_own_version_is_imported_as_a_fault(log, faults):
    assert scenario_from_trace(recorded(log)).scenario.get("faults", []) == faults


# Chains by release


@cache
def chain(*releases: str, more: str = "") -> Trace:
    later = ", ".join(f"{{release: '{name}'}}" for name in releases)
    return run(
        loads(f"""
machine: {{memory: 2GiB, cpus: 2}}
kernel: {{command_line: 'kho=on reserve_mem=1M:4096:area', releases: [{later}]}}
workload: [{{kind: memfd, count: 2, size: 1MiB}}]
chain: {{boots: {len(releases)}, twin: false}}
{more}
""")
    )


def lost(trace: Trace) -> list[tuple[int, str]]:
    return [(row.boot, row.name) for row in trace[FileOutcome] if not row.kept]


def said(trace: Trace, boot: int) -> list[str]:
    return [row.detail for row in trace[Event] if row.boot == boot and row.detail]


@pytest.mark.parametrize(
    "pair", [("7.2", "7.3"), ("7.3", "7.2"), ("7.3", "7.4"), ("6.19", "6.19"), ("7.0", "6.19")]
)
def test_what_both_releases_know_survives(pair):
    trace = chain(*pair)
    assert trace.outcome.kind == "completed"
    assert [boot.kind for boot in trace[Boot]] == ["cold", "kho"]
    assert lost(trace) == []


@pytest.mark.parametrize(
    ("pair", "version"),
    [(("7.3", "7.1"), "kho-v3"), (("7.0", "7.1"), "kho-v3"), (("7.1", "7.2"), "kho-v4")],
)
def test_another_root_is_a_cold_boot_without_a_fault(pair, version):
    trace = chain(*pair)
    assert trace.outcome.kind == "completed"
    assert [boot.kind for boot in trace[Boot]] == ["cold", "cold"]
    (incident,) = trace[Incident]
    assert (incident.kind, incident.injected, incident.then) == ("fdt", False, GOES_ON)
    assert f"is incompatible with '{version}': 1" in incident.message
    assert {name for _, name in lost(trace)} == {"memfd0/0", "memfd0/1", "area"}


def test_7_0_panics_over_a_6_19_that_left_no_flb_node():
    trace = chain("6.19", "7.0")
    assert (trace.outcome.kind, trace.outcome.boot) == ("boot_failed", 1)
    assert trace.outcome.message == BAD_TREE.format(-2)


def test_files_end_with_a_kernel_that_has_no_live_update_and_areas_do_not():
    trace = chain("6.18", "6.18", "6.19")
    assert trace.outcome.kind == "completed"
    assert [boot.kind for boot in trace[Boot]] == ["cold", "kho", "kho"]
    assert lost(trace) == [(0, "memfd0/0"), (0, "memfd0/1"), (1, "memfd0/0"), (1, "memfd0/1")]


def test_a_kernel_without_live_update_loses_the_sessions_that_it_is_handed():
    trace = chain("6.19", "6.18")
    assert lost(trace) == [(1, "memfd0/0"), (1, "memfd0/1")]
    assert trace[Boot][1].kind == "kho"


VERSION = "faults: [{{kind: version, boot: 1, of: [{}]}}]"


@pytest.mark.parametrize("release", ["6.19", "7.0", "7.1"])
def test_before_7_2_a_file_without_handler_is_missing_and_the_device_works(release):
    trace = chain(release, release, release, more=VERSION.format("memfd"))
    assert trace.outcome.kind == "completed"
    assert lost(trace) == [(1, "memfd0/0"), (1, "memfd0/1")]
    assert trace[Boot][2].kind == "kho"


def test_an_area_whose_list_is_not_understood_is_allocated_anew_in_scratch_and_lost_again():
    trace = chain("7.3", "7.3", "7.3", more=VERSION.format("reserve_mem"))
    assert trace.outcome.kind == "completed"
    assert lost(trace) == [(1, "area"), (2, "area")]
    assert [row.kind for row in trace["incidents"]] == ["version", "overwritten"]
    assert "FDT 'memblock' is incompatible with 'memblock-v1': 1" in said(trace, 1)


def test_the_count_of_kexecs_begins_anew_after_unknown_metadata():
    trace = chain("7.3", "7.3", "7.3", more=VERSION.format("metadata"))
    assert "KHO: kexec-metadata version 2 not supported (expected 1)" in said(trace, 1)
    assert "KHO: exec from: 7.3 (count 1)" in said(trace, 2)
    assert lost(trace) == []


def test_a_kernel_with_kho_off_keeps_what_it_was_handed_reserved_and_loses_it():
    text = """
machine: {memory: 2GiB, cpus: 2}
kernel: {command_line: kho=on, releases: [{}, {command_line: kho=off}]}
workload: [{kind: memfd, count: 2, size: 1MiB}]
chain: {boots: 3, twin: false}
"""
    trace = run(loads(text))
    assert (trace.outcome.kind, trace.outcome.boot) == ("kho_disabled", 1)
    assert trace.outcome.message == OFF
    assert trace[Boot][1].kind == "kho"
    assert trace[Boot][1].extended_bytes
    assert lost(trace) == [(1, "memfd0/0"), (1, "memfd0/1")]


def test_a_roll_back_boots_the_kernel_before_the_one_that_failed_and_stays_with_it():
    trace = run(str(SCENARIOS / "roll-back.yaml"))
    assert trace.outcome.kind == "completed"
    found = [(boot.release, boot.kind) for boot in trace[Boot]]
    assert found == [
        ("7.2", "cold"), ("7.3", "kho"), ("7.4", "kho"), ("7.3", "cold"), ("7.3", "kho"),
    ]  # fmt: skip
    assert [row.then for row in trace[Incident]] == [COLD_BOOT]


def test_the_first_kernel_has_none_before_it_to_roll_back_to():
    text = """
machine: {memory: 2GiB, cpus: 2}
kernel: {release: '7.2', releases: [{}, {release: '7.3'}]}
chain: {boots: 2, twin: false, on_failure: previous}
faults: [{kind: panic, boot: 0}]
"""
    trace = run(loads(text))
    assert [(boot.release, boot.kind) for boot in trace[Boot]] == [("7.2", "cold"), ("7.2", "cold")]


def test_explain_names_the_kernels_that_a_roll_back_boots():
    text = str(explain(str(SCENARIOS / "roll-back.yaml")))
    assert "Release 7.3, boots 1, 3, 4: " in text
    assert "Release 7.4, boot 2: " in text
