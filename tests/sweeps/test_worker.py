"""A worker's batch: its time, its part, and that it has the same model as who sent it."""

from dataclasses import replace

import pytest

from kho_sim.base.errors import EngineError
from kho_sim.sweeps.design import build_design, product
from kho_sim.sweeps.parts import finished_runs
from kho_sim.sweeps.tables import ALWAYS
from kho_sim.sweeps.worker import Batch, run_batch
from tests.sweeps import faults


@pytest.fixture
def batch(tmp_path, tiny):
    design = build_design(tiny, product({"kernel.extend.shift": [24, 26, faults.DEADLY_SHIFT]}))
    for name in ("unfinished", *ALWAYS):
        (tmp_path / name).mkdir()
    runs = sorted((run.values, run.run_id, run.overrides) for run in design.runs.values())
    return Batch(
        part="p.parquet",
        directory=str(tmp_path),
        tables=ALWAYS,
        scenario=tiny,
        runs=tuple((run_id, overrides) for _, run_id, overrides in runs),
        seconds_max=60,
    )


def test_a_batch_writes_one_part_and_reports_failures(tmp_path, batch):
    receipt = run_batch(batch, faults.raises)
    assert receipt.finished == batch.run_ids[:2]
    assert [failure.run_id for failure in receipt.failures] == [batch.run_ids[2]]
    assert "in raises" in receipt.failures[0].traceback
    assert finished_runs(tmp_path, "p.parquet", ALWAYS) == list(receipt.finished)


def test_a_batch_whose_time_is_over_begins_no_other_run(batch):
    # One run is always made, or a slow one would go round for ever.
    receipt = run_batch(replace(batch, seconds_max=0.0), faults.takes_a_while)
    assert receipt.finished == batch.run_ids[:1]


def test_a_batch_without_results_writes_nothing(tmp_path, batch):
    assert run_batch(batch, faults.raises_always).finished == ()
    assert not list((tmp_path / "runs").iterdir())


def test_a_worker_with_another_model_stops_the_sweep(batch, monkeypatch):
    monkeypatch.setattr("kho_sim.sweeps.design.MODEL_VERSION", 1_000_000)
    with pytest.raises(EngineError, match="another version"):
        run_batch(batch)
