"""A real Dask scheduler and two real worker processes, on loopback; one is killed in mid-run."""

import itertools
import socket
import threading
import time

import pytest

from kho_sim.base.errors import EngineError
from kho_sim.scenario import with_values
from kho_sim.sweeps.design import build_design, product
from kho_sim.sweeps.driver import Driver
from kho_sim.sweeps.engine import open_engine
from kho_sim.sweeps.parts import finished_runs, part_names
from kho_sim.sweeps.results import Sweep
from kho_sim.sweeps.store import Store
from kho_sim.sweeps.sweeping import sweep
from kho_sim.sweeps.tables import ALWAYS
from tests.sweeps import faults
from tests.sweeps.conftest import start_worker, wait_for, workers_at

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


def test_a_worker_that_joins_late_gets_its_share(tmp_path, tiny, scheduler):
    file, started = scheduler
    started.append(start_worker(file))
    wait_for(lambda: workers_at(file) == 1)
    slots = set()
    design = build_design(tiny, product(AXES))
    store = Store(tmp_path / "dask", design, ALWAYS)
    engine = open_engine(None, None, str(file))

    def let_one_join(status):
        slots.add(engine.slots())
        if status.ok and len(started) == 2:
            started.append(start_worker(file))
            wait_for(lambda: engine.slots() == 2)

    driver = Driver(store, design, engine, progress=let_one_join, simulate=faults.takes_a_while)
    driver.drive(list(design.runs.values()), 0)
    engine.close()
    store.close()
    assert slots == {1, 2}
    assert executed_once(tmp_path / "dask", 36)
    here = sweep(tiny, AXES, tmp_path / "serial", workers=1)
    assert Sweep(tmp_path / "dask").runs().equals(here.runs())


@pytest.mark.long
def test_a_run_that_takes_all_memory_is_lost_alone(tmp_path, tiny, scheduler):
    file, started = scheduler
    nanny = ["--memory-limit", "512MiB", "--nanny"]
    started += [start_worker(file, *nanny), start_worker(file, *nanny)]
    wait_for(lambda: workers_at(file) == 2)
    design = build_design(tiny, product({"kernel.extend.shift": range(24, 31)}))
    store = Store(tmp_path / "dask", design, ALWAYS)
    engine = open_engine(None, None, str(file))
    driver = Driver(store, design, engine, simulate=faults.eats_memory)
    driver.drive(list(design.runs.values()), 0)
    engine.close()
    store.close()
    assert Sweep(tmp_path / "dask").counts() == {"ok": 6, "lost": 1}
    assert executed_once(tmp_path / "dask", 6)


def executed_once(directory, count):
    """Whether each of so many runs is in one part only."""
    ids = [
        run_id
        for name in part_names(directory)
        for run_id in finished_runs(directory, name, ALWAYS)
    ]
    return len(ids) == len(set(ids)) == count


def test_a_clock_that_jumps_disturbs_no_sweep(tmp_path, tiny, monkeypatch):
    jumps = itertools.cycle((0.0, 4e9, -1e9))
    monkeypatch.setattr(time, "time", lambda: next(jumps))
    done = sweep(tiny, AXES, tmp_path / "s", workers=2)
    assert done.counts() == {"ok": 36}
    assert executed_once(tmp_path / "s", 36)


@pytest.mark.parametrize(
    "scheduler_name",
    [
        *(
            "no-such-file.json",
            "127.0.0.1",
            "tcp://127.0.0.1:1",
            "127.0.0.1:1",
            "[::1]:1",
            ":",
            ".",
        ),
        *("nonsense://x:1", "http://127.0.0.1:1", "tcp://127.0.0.1:abc", "tcp://127.0.0.1:99999"),
        *("tcp://", "tcp://127.0.0.1:0", "empty", "wrong", "gone", "silent", "hangs up"),
    ],
)
def test_a_scheduler_that_is_not_there_is_one_line(tmp_path, monkeypatch, scheduler_name):
    monkeypatch.setattr("kho_sim.sweeps.scheduler.ANSWER_SECONDS", 0.2)
    monkeypatch.setattr("distributed.Client", lambda *_, **__: pytest.fail("it tries for minutes"))
    scheduler = scheduler_name
    (tmp_path / "empty").write_text("")
    (tmp_path / "wrong").write_text("[1]")
    (tmp_path / "gone").write_text('{"address": "tcp://127.0.0.1:1"}')
    if (tmp_path / scheduler).is_file():
        scheduler = str(tmp_path / scheduler)
    with socket.create_server(("127.0.0.1", 0)) as server:
        if scheduler in ("silent", "hangs up"):
            if scheduler == "hangs up":
                server.settimeout(10)
                threading.Thread(target=hang_up, args=(server,)).start()
            scheduler = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(EngineError, match="scheduler") as found:
            open_engine(None, None, scheduler)
    assert len(str(found.value).splitlines()) == 1


def hang_up(server):
    server.accept()[0].close()
