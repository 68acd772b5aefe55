"""The summary and the JSON document, against numbers worked out by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from kho_sim.base.results import SUMMARY
from kho_sim.scenario import loads, with_values
from kho_sim.trace.provenance import run_provenance
from kho_sim.trace.records import FACTS
from kho_sim.trace.summary import run_document, summary
from kho_sim.trace.trace import Trace
from tests.hand_made import (
    GIB,
    MIB,
    TRACES,
    cold_boot,
    empty_trace,
    hand_made_trace,
    kho_boot,
    sparse_trace,
    with_records,
)


def test_every_number_of_the_hand_made_trace() -> None:
    assert summary(hand_made_trace()) == {
        "boots": 3,
        "boots_without_extension": 3,
        "outcome_without_extension": "boot_failed",
        "failures": 1,
        "failures_without_extension": 9,
        "failures_avoided": 8,
        "extended_bytes_min": 4 * GIB,
        "extended_bytes_max": 5 * GIB,
        "extend_ns_max": 1_250_000,
        "digest_pages_max": 6,
        "gigantic_pages_requested_min": 4,
        "gigantic_pages_allocated_min": 4,
        "gigantic_pages_without_extension_min": 0,
        "preservations_max": 520,
        "kernel_boot_ns_max": 1_100_000_000,
        "blackout_ns_max": 3_700_000_000,
        "preserved_bytes_max": 18 * MIB,
        "radix_nodes_max": 11,
        "busy_blocks_max": 2,
        "memory_regions_max": 7,
        "reserved_regions_max": 44,
        "faults": 2,
        "cold_boots": 0,
        "firmware_resets": 0,
        "updates_retried": 1,
        "files_lost": 1,
        "bytes_lost": 2 * MIB,
        "files_lost_without_extension": 0,
        "bytes_lost_without_extension": 0,
        "processes_killed": 0,
        "processes_killed_without_extension": 0,
    }


def test_hand_made_trace_has_every_name_in_the_order_of_the_list() -> None:
    assert list(summary(hand_made_trace())) == list(SUMMARY)


@pytest.mark.parametrize(
    ("trace", "known"),
    [
        (empty_trace(), {"boots": 0}),
        (sparse_trace(), {"boots": 2}),
        (
            with_records(empty_trace(), boots=(cold_boot(),)),
            {"boots": 1, "failures": 0, "failures_avoided": 0},
        ),
    ],
)
def test_what_a_trace_does_not_tell_is_left_out(trace: Trace, known: dict[str, int]) -> None:
    assert summary(trace) == known


def test_failures_with_and_without_the_extension_are_of_the_same_boots() -> None:
    boots = (replace(cold_boot(), failures=3), kho_boot(1, failures=2))
    chain = with_records(empty_trace(), boots=boots)
    found = summary(replace(chain, twin=chain))
    assert found["failures"] == found["failures_without_extension"] == 5


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)
def test_document_is_plain_json_without_nulls(trace: Trace) -> None:
    document = run_document(trace)
    assert json.loads(json.dumps(document)) == document
    assert "null" not in json.dumps([document["boots"], document["summary"]])
    assert (document["schema"], document["schema_version"]) == ("kho-sim/run", 1)


def test_document_has_the_facts_of_each_boot() -> None:
    cold, first, _ = run_document(hand_made_trace())["boots"]
    times = {"phases_ns", "phases_range_ns"}
    assert set(first) == {"boot", "kind", "release", "command_line", *times, *FACTS} - {
        "kernel_reserved_bytes",
        "gigantic_pages_kept",
        "blackout_range_ns",
    }
    assert first["kernel_boot_range_ns"] == [700_000_000, 2_500_000_000]
    assert first["preservations_by_order"] == {"0": 512, "9": 8}
    assert first["scratch_areas"] == [[3 * GIB, 64 * MIB], [8 * GIB, 128 * MIB]]
    assert cold["kernel_reserved_bytes"] == 96 * MIB
    assert "extended_bytes" not in cold


def test_document_has_the_twins_outcome_and_all_failures() -> None:
    document = run_document(hand_made_trace())
    assert document["twin"]["outcome"] == {
        "kind": "boot_failed",
        "boot": 2,
        "message": "Failed to allocate memmap",
    }
    assert [boot["failures"] for boot in document["twin"]["boots"]] == [0, 4, 5]
    assert [(row["extended"], row["what"], row["count"]) for row in document["failures"]] == [
        (True, "bounce buffer", 1),
        (False, "gigantic page", 4),
        (False, "gigantic page", 4),
        (False, "memmap", 1),
    ]


def test_provenance_repeats_the_scenario_and_only_the_environment_is_of_this_machine() -> None:
    scenario = loads("machine: {memory: 4GiB}\nchain: {seed: 11}")
    provenance = run_provenance(scenario, ["a note"], {"build lab": {"brk_bytes": "a log"}})
    assert provenance["notes"] == ["a note"]
    assert provenance["sources"] == {"build lab": {"brk_bytes": "a log"}}
    assert provenance["scenario"] == scenario.to_dict()
    assert provenance["seed"] == 11
    assert set(provenance) == {
        "source", "software", "seed", "scenario", "notes", "sources", "environment",
    }  # fmt: skip
    assert "simpy" in provenance["environment"]["libraries"]
    other = run_provenance(with_values(scenario, {"chain.seed": 12}), (), {})
    assert other["seed"] == 12
