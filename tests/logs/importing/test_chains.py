"""Which boots of a log are a chain, and how many the scenario gets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kho_sim.logs.importing import import_files, scenario_from_trace

DATA = Path(__file__).with_name("data")


def with_boots(trace, logs):
    """The trace of a log that shows these boots."""
    numbered = [replace(log, boot=boot) for boot, log in enumerate(logs)]
    rows = [replace(trace["boots"][log.boot], boot=boot) for boot, log in enumerate(logs)]
    extra = {"boots": tuple(numbered)}
    return replace(trace, records={**trace.records, type(rows[0]): rows}, extra=extra)


def test_a_log_without_a_kho_boot_gives_three_boots_and_says_so():
    found = import_files([DATA / "ordinary.log"])
    assert found.scenario["chain"]["boots"] == 3
    assert any("shows no KHO boot" in note and "3 boots" in note for note in found.notes)


def test_cold_reboots_are_no_chain():
    found = import_files([DATA / "four-cold-boots.log"])
    one = import_files([DATA / "ordinary.log"])
    assert found.scenario["chain"]["boots"] == 3
    assert found.scenario["machine"] == one.scenario["machine"]
    assert "releases" not in found.scenario["kernel"]
    assert any("4 cold boots" in note and "number 1" in note for note in found.notes)


def test_the_chain_with_updates_is_imported(read_recorded):
    trace = read_recorded("machine-4G")
    logs = [replace(log, command_line="kho=on") for log in trace.extra["boots"]]
    cold = replace(logs[0], command_line="kho=off", jumped=False)
    found = scenario_from_trace(with_boots(trace, [cold, *logs, cold]))
    assert found.scenario["chain"]["boots"] == 3
    assert found.scenario["kernel"]["command_line"] == "kho=on"
    assert "releases" not in found.scenario["kernel"]
    assert any("3 cold boots" in note and "number 2" in note for note in found.notes)
    assert not any("no KHO boot" in note for note in found.notes)
