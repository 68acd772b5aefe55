"""Every file in invalid/ gives exactly the problems in its first lines; all of valid/ resolve.

A line ``# 4:9: machine.memory: ...`` of an invalid file is one problem, with its place, in order;
for a profile the file comes first. Where such lines would spoil the mistake (an encoding, an empty
file) they are in NAME.problems. valid/NAME.resolved.json is what valid/NAME.yaml means.
"""

from __future__ import annotations

import json
from itertools import takewhile
from pathlib import Path

import pytest

from kho_sim.base.errors import ScenarioError
from kho_sim.scenario import from_dict, load, loads

HERE = Path(__file__).parent
INVALID = sorted((HERE / "invalid").glob("*.yaml"))
VALID = sorted((HERE / "valid").glob("*.yaml"))


def test_the_corpus_is_there():
    assert len(INVALID) >= 150
    assert len(VALID) >= 8


@pytest.mark.parametrize("file", INVALID, ids=lambda file: file.stem)
def test_invalid_files_give_their_problems_at_their_places(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    problems = file.with_suffix(".problems")
    lines = (problems if problems.exists() else file).read_text().splitlines()
    expected = [line[2:] for line in takewhile(lambda line: line.startswith("# "), lines)]
    with pytest.raises(ScenarioError) as error:
        load(file.name)
    found = [str(problem).removeprefix(f"{file.name}:") for problem in error.value.problems]
    assert found == expected


@pytest.mark.parametrize("file", VALID, ids=lambda file: file.stem)
def test_valid_files_mean_what_their_resolved_form_says(file):
    assert load(file).to_dict() == json.loads(file.with_suffix(".resolved.json").read_text())


@pytest.mark.parametrize("file", VALID, ids=lambda file: file.stem)
def test_what_a_scenario_writes_reads_back_equal(file):
    scenario = load(file)
    assert from_dict(scenario.to_dict()) == scenario
    assert loads(json.dumps(scenario.to_dict(), ensure_ascii=False)) == scenario
    assert loads(scenario.to_yaml()) == scenario
