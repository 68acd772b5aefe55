"""How a pass over a sweep lives with runs that raise, workers that die, and signals."""

import os
import signal
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor

import pytest

from kho_sim.base.errors import EngineError
from kho_sim.scenario import with_values
from kho_sim.sweeps.design import build_design, product
from kho_sim.sweeps.driver import Driver
from kho_sim.sweeps.engine import ExternalExecutor, Pool, Serial
from kho_sim.sweeps.results import Sweep
from kho_sim.sweeps.stop import SweepInterrupted
from kho_sim.sweeps.store import Store
from kho_sim.sweeps.sweeping import sweep
from kho_sim.sweeps.tables import ALWAYS
from tests.sweeps import faults

SHIFTS = range(22, 34)


def driven(directory, scenario, engine, simulate, **options):
    """Sweep with a simulation that goes wrong; return the stored sweep."""
    design = build_design(scenario, product({"kernel.extend.shift": SHIFTS}))
    store = Store(directory, design, ALWAYS)
    try:
        driver = Driver(store, design, engine, simulate=simulate, **options)
        driver.drive(list(design.runs.values()), 0)
    finally:
        engine.close()
        store.close()
    return Sweep(directory)


def test_a_run_that_kills_its_worker_is_lost_and_no_other(tmp_path, tiny):
    done = driven(tmp_path / "s", tiny, Pool(2), faults.dies)
    assert done.counts() == {"ok": len(SHIFTS) - 1, "lost": 1}
    lost = done.states().query("state == 'lost'").iloc[0]
    assert (lost["seed"], lost["attempts"]) == (5, 3)
    assert "alone" in lost["message"]
    row = done.runs().set_index("run_id").loc[lost["run_id"]]
    assert row["kernel.extend.shift"] == faults.DEADLY_SHIFT


def test_a_worker_that_was_killed_from_outside_costs_no_run(tmp_path, tiny):
    noted = with_values(tiny, {"description": str(tmp_path / "died")})
    done = driven(tmp_path / "s", noted, Pool(2), faults.dies_once)
    assert (tmp_path / "died").exists()
    assert done.counts() == {"ok": len(SHIFTS)}
    assert done.states()["attempts"].max() == 2


def test_a_run_that_raises_is_failed_with_its_words(tmp_path, tiny):
    done = driven(tmp_path / "s", tiny, Serial(), faults.raises)
    assert done.counts() == {"ok": len(SHIFTS) - 1, "failed": 1}
    failed = done.states().query("state == 'failed'").iloc[0]
    assert (failed["error"], failed["message"]) == ("ArithmeticError", "the shift is deadly")
    assert '"traceback"' in (done.directory / "ledger.jsonl").read_text()


def test_failures_beyond_the_limit_leave_the_rest_for_later(tmp_path, tiny):
    done = driven(tmp_path / "s", tiny, Serial(), faults.raises_always, failures_max=1)
    # The first batch is one run; nobody knows yet how long they take.
    assert done.counts() == {"failed": 1, "skipped": len(SHIFTS) - 1}
    axes = {"kernel.extend.shift": SHIFTS}
    again = sweep(tiny, axes, done.directory, workers=1)
    assert again.counts() == {"ok": len(SHIFTS) - 1, "failed": 1}
    healed = sweep(tiny, axes, done.directory, workers=1, retry=["failed"])
    assert healed.counts() == {"ok": len(SHIFTS)}


class DiesAfterwards(Serial):
    """An engine whose first worker dies when its part is already there."""

    deaths = 0

    def submit(self, function, *arguments):
        future = super().submit(function, *arguments)
        if self.deaths:
            return future
        self.deaths = 1
        dead = Future()
        dead.set_exception(BrokenExecutor("gone"))
        return dead

    def is_death(self, error):
        return isinstance(error, BrokenExecutor)


def test_a_part_that_a_dead_worker_left_behind_counts(tmp_path, tiny):
    done = driven(tmp_path / "s", tiny, DiesAfterwards(), faults.run_scenario)
    assert done.counts() == {"ok": len(SHIFTS)}
    assert done.states()["attempts"].eq(1).all()


def test_a_pool_of_threads_from_the_caller_is_used_and_left_open(tmp_path, tiny):
    with ThreadPoolExecutor(2) as executor:
        axes = {"kernel.extend.shift": SHIFTS}
        done = sweep(tiny, axes, tmp_path / "s", executor=executor)
        assert executor.submit(int).result() == 0
    assert done.counts() == {"ok": len(SHIFTS)}


def test_a_worker_that_cannot_write_stops_the_sweep(tmp_path, tiny):
    def breaks_the_store(scenario):
        (tmp_path / "s" / "unfinished").rename(tmp_path / "gone")
        return faults.run_scenario(scenario)

    with ThreadPoolExecutor(1) as executor, pytest.raises(EngineError, match="cannot write"):
        driven(tmp_path / "s", tiny, ExternalExecutor(executor, 1), breaks_the_store)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_first_signal_finishes_what_is_under_way_and_stops(tmp_path, tiny, workers):
    seen = []

    def interrupt(status):
        seen.append(status)
        if status.done == 0:
            os.kill(os.getpid(), signal.SIGINT)

    axes = {"kernel.extend.shift": SHIFTS, "chain.seed": range(20)}
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(SweepInterrupted) as caught:
        sweep(tiny, axes, tmp_path / "s", workers=workers, progress=interrupt)
    assert caught.value.signal_number == signal.SIGINT
    assert signal.getsignal(signal.SIGINT) is before
    counts = Sweep(tmp_path / "s").counts()
    assert counts["pending"] > 0
    assert sweep(tiny, axes, tmp_path / "s", workers=workers).counts() == {"ok": 240}


def test_progress_counts_up_to_all_runs_and_ends_with_no_time_left(tmp_path, tiny):
    seen = []
    axes = {"kernel.extend.shift": SHIFTS}
    sweep(tiny, axes, tmp_path / "s", workers=1, progress=seen.append)
    assert [status.done for status in seen] == sorted(status.done for status in seen)
    assert (seen[0].done, seen[-1].done, seen[-1].left_s) == (0, len(SHIFTS), 0)
