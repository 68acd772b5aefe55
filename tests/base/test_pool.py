"""Pools of workers: one that breaks ends all its workers and all its calls."""

import os
import time
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from types import SimpleNamespace

import pytest

from kho_sim.base.pool import close_pool, ensure_pool_works, open_pool, result_of


@pytest.fixture
def pool():
    opened = open_pool(2, (), 0)
    try:
        yield opened
    finally:
        close_pool(opened, kill=True)


def test_no_worker_is_started_after_work_was_handed_in(pool, monkeypatch):
    monkeypatch.setattr(ProcessPoolExecutor, "_spawn_process", lambda _: pytest.fail("one more"))
    assert [process.is_alive() for process in pool._processes.values()] == [True, True]
    assert [result_of(pool, pool.submit(time.sleep, 0.1)) for _ in range(4)] == [None] * 4


def test_a_worker_that_dies_takes_the_others_along(pool):
    workers = list(pool._processes.values())
    calls = [pool.submit(os._exit, 3), pool.submit(time.sleep, 600)]
    for call in calls:
        with pytest.raises(BrokenExecutor):
            result_of(pool, call)
    close_pool(pool, kill=True)
    assert not any(process.is_alive() for process in workers)


@pytest.mark.parametrize("closed", [False, True])
def test_a_call_that_a_broken_pool_forgot_ends(pool, closed):
    with pytest.raises(BrokenExecutor):
        result_of(pool, pool.submit(os._exit, 3))
    pool._executor_manager_thread.join()
    forgotten = Future()
    pool._pending_work_items[9] = SimpleNamespace(future=forgotten)
    if closed:
        close_pool(pool)
    else:
        ensure_pool_works(pool)
    with pytest.raises(BrokenExecutor):
        forgotten.result(timeout=0)
