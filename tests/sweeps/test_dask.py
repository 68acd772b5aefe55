"""A real Dask scheduler and two real worker processes, on loopback; one is killed in mid-run."""

import pytest

from kho_sim.base.errors import EngineError
from kho_sim.scenario import with_values
from kho_sim.sweeps.design import build_design, product
from kho_sim.sweeps.driver import Driver
from kho_sim.sweeps.engine import open_engine
from kho_sim.sweeps.results import Sweep
from kho_sim.sweeps.store import Store
from kho_sim.sweeps.sweeping import sweep
from kho_sim.sweeps.tables import ALWAYS
from tests.sweeps import faults

pytest.importorskip("distributed")

AXES = {"kernel.extend.shift": range(22, 34), "chain.seed": range(3)}


def test_dask_gives_the_same_tables_as_one_process(tmp_path, tiny, cluster):
    file, _ = cluster
    there = sweep(tiny, AXES, tmp_path / "dask", scheduler=str(file))
    here = sweep(tiny, AXES, tmp_path / "serial", workers=1)
    assert there.counts() == {"ok": 36}
    assert there.runs().equals(here.runs())
    assert there.boots().equals(here.boots())


def test_a_worker_killed_in_mid_run_costs_nothing(tmp_path, tiny, cluster):
    file, (_, victim, _) = cluster
    design = build_design(tiny, product(AXES))
    store = Store(tmp_path / "dask", design, ALWAYS)
    engine = open_engine(None, None, str(file))

    def kill_one(status):
        if status.ok >= 4 and victim.poll() is None:
            victim.kill()

    driver = Driver(store, design, engine, progress=kill_one, simulate=faults.takes_a_while)
    driver.drive(list(design.runs.values()), 0)
    engine.close()
    store.close()
    assert victim.wait() == -9
    here = sweep(tiny, AXES, tmp_path / "serial", workers=1)
    assert Sweep(tmp_path / "dask").runs().equals(here.runs())


def test_a_scheduler_that_goes_away_leaves_a_store_to_resume(tmp_path, tiny, cluster):
    file, (scheduler, *_) = cluster

    def kill_it(status):
        if status.ok >= 4:
            scheduler.kill()

    slow = with_values(tiny, {"chain.boots": 10})
    with pytest.raises(EngineError):
        sweep(slow, AXES, tmp_path / "s", scheduler=str(file), progress=kill_it)
    assert Sweep(tmp_path / "s").counts()["ok"] >= 4
    assert sweep(slow, AXES, tmp_path / "s", workers=1).counts() == {"ok": 36}


@pytest.mark.parametrize("scheduler", ["no-such-file.json", "tcp://127.0.0.1:1", "nonsense://x"])
def test_a_scheduler_that_is_not_there_is_reported(tmp_path, tiny, scheduler, monkeypatch):
    monkeypatch.setattr("kho_sim.sweeps.engine.CONNECT_SECONDS", 1)
    with pytest.raises(EngineError, match="scheduler"):
        sweep(tiny, AXES, tmp_path / "s", scheduler=scheduler)
