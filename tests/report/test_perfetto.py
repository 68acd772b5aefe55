"""The timeline as trace events: their form, and that they say what the records say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import kho_sim as ks
from kho_sim.cli.app import call
from kho_sim.report.perfetto import trace_events
from kho_sim.trace.records import Boot, Event, Incident
from kho_sim.trace.trace import Trace
from tests.hand_made import TRACES, hand_made_trace

ROOT = Path(__file__).parents[2]
LOG = ROOT / "tests/recorded/machine-1G.log.xz"
SMALL = "machine: {memory: 1GiB}\nworkload: [{kind: memfd, size: 4MiB}]\nchain: {boots: 2}\n"
METADATA = {
    "process_name": {"name": str},
    "process_labels": {"labels": str},
    "process_sort_index": {"sort_index": int},
    "thread_name": {"name": str},
}


def check_form(document: dict) -> None:
    """What the "Trace Event Format" asks of complete, instant and metadata events."""
    named = set()
    for event in document["traceEvents"]:
        assert {"ph", "name", "pid", "tid", "args"} <= event.keys()
        assert type(event["pid"]) is int
        assert event["pid"] > 0
        if event["ph"] == "M":
            types = METADATA[event["name"]]
            assert {key: type(value) for key, value in event["args"].items()} == types
            named |= {event["pid"]} if event["name"] == "process_name" else set()
            continue
        assert event["ph"] in ("X", "i")
        assert event["ts"] >= 0
        assert event["pid"] in named, "a process is named before its first event"
        if event["ph"] == "X":
            assert event["dur"] > 0
        else:
            assert event["s"] == "p"
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def processes(document: dict) -> dict[str, int]:
    return {
        event["args"]["name"]: event["pid"]
        for event in document["traceEvents"]
        if event["name"] == "process_name"
    }


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)
def test_every_trace_has_the_form_and_a_process_for_each_kernel(trace: Trace) -> None:
    document = trace_events(trace)
    check_form(document)
    found = processes(document)
    twin = trace.twin[Boot] if trace.twin else ()
    assert list(found) == [f"boot {boot.boot}" for boot in trace[Boot]] + [
        f"boot {boot.boot} without the extension" for boot in twin
    ]
    assert sorted(found.values()) == list(range(1, len(found) + 1))
    chains = [trace, *([trace.twin] if trace.twin else [])]
    assert sum(event["ph"] != "M" for event in document["traceEvents"]) == sum(
        len(chain[kind]) for chain in chains for kind in (Event, Incident)
    )


def test_phases_messages_and_incidents_are_those_of_the_records() -> None:
    document = trace_events(hand_made_trace())
    phase, message, load, fdt, of_twin = (
        event for event in document["traceEvents"] if event["ph"] != "M"
    )
    assert (phase["ph"], phase["name"], phase["ts"], phase["dur"]) == ("X", "early_boot", 0, 0.005)
    assert (message["ph"], message["name"], message["ts"]) == ("i", "KHO: found", 0.005)
    assert (load["name"], load["cat"], load["pid"], load["ts"]) == ("load", "incident", 1, 0.004)
    assert fdt["args"]["message"] == "KHO: disabling KHO revival"
    assert of_twin["pid"] == processes(document)["boot 0 without the extension"] == 4
    assert document["otherData"]["outcome"] == "completed in boot 2"


def test_a_scenario_a_stored_run_and_a_log_have_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = tmp_path / "small.yaml"
    scenario.write_text(SMALL)
    ks.save(ks.run(scenario), tmp_path / "run")
    documents = []
    for source in (scenario, tmp_path / "run", LOG):
        assert call(["report", str(source), "--format", "perfetto"]) == 0
        documents.append(json.loads(capsys.readouterr().out))
        check_form(documents[-1])
    assert documents[0] == documents[1]
    assert {"boot 0", "boot 1", "boot 1 without the extension"} <= processes(documents[0]).keys()
    slices = [event for event in documents[0]["traceEvents"] if event["ph"] == "X"]
    ends = {}
    for one in slices:
        thread = one["pid"], one["tid"]
        assert one["ts"] >= ends.get(thread, 0) - 0.001, "slices of a thread overlap"
        ends[thread] = one["ts"] + one["dur"]
    assert {"early_boot", "jump", "serve"} <= {one["name"] for one in slices}
    names = {event["name"] for event in documents[2]["traceEvents"]}
    assert {"KHO: found kexec handover data.", "extend", "init"} <= names


def test_a_sweep_has_no_timeline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ks.sweep(ks.loads(SMALL), {"chain.seed": [0]}, out=tmp_path / "swept", workers=0)
    assert call(["report", str(tmp_path / "swept"), "--format", "perfetto"]) == 2
    assert "this has no timeline" in capsys.readouterr().err
