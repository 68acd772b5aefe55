"""Any scenario that is accepted runs to an outcome: invariants hold, and it can be printed.

The invariants of ``chain/invariants.py`` check every boot, so a rule that breaks on
some shape of machine or mix of workloads fails here. Some examples always, many with
``make test-long``.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, Phase, given, settings

import kho_sim as ks
from kho_sim.base.errors import ScenarioError
from kho_sim.base.words import OUTCOMES
from kho_sim.report.text import report_text
from kho_sim.runs.store import load_run, save_run
from kho_sim.scenario import from_dict
from kho_sim.trace.summary import run_document
from tests.fuzz.scenarios import SCENARIOS

QUICK = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # shrinking takes minutes; the long test does it
    suppress_health_check=list(HealthCheck),
)
LONG = settings(QUICK, max_examples=1500, derandomize=False, phases=list(Phase))


@pytest.mark.parametrize("budget", [QUICK, pytest.param(LONG, marks=pytest.mark.long)])
def test_any_scenario_runs_to_an_outcome_that_can_be_printed(budget, tmp_path_factory):
    @budget
    @given(SCENARIOS)
    def holds(words):
        try:
            trace = ks.run(from_dict(words))
        except ScenarioError:
            return
        document = run_document(trace)
        assert document["outcome"]["kind"] in OUTCOMES
        printed = json.loads(json.dumps(document, allow_nan=False))
        folder = tmp_path_factory.mktemp("run") / "stored"
        save_run(trace, folder)
        stored = load_run(folder)
        assert stored.digest == trace.digest
        assert json.loads(json.dumps(run_document(stored)["boots"])) == printed["boots"]
        assert report_text(stored) == report_text(trace)

    holds()


def test_a_run_is_the_same_a_second_time():
    @settings(QUICK, max_examples=15)
    @given(SCENARIOS)
    def holds(words):
        try:
            scenario = from_dict(words)
            first = ks.run(scenario)
        except ScenarioError:
            return
        assert ks.run(scenario).digest == first.digest

    holds()
