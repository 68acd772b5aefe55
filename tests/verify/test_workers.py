"""Many logs at once, in worker processes."""

import os
import signal

import pytest

from kho_sim.base.errors import EngineError
from kho_sim.base.pool import open_pool
from kho_sim.verification import check_logs
from kho_sim.verification.log_check import LogCheck
from tests.verify.conftest import NAMES, RECORDED

LOGS = [str(RECORDED / f"{name}.log.xz") for name in NAMES[:2]]


def test_logs_are_checked_in_their_order_by_workers_as_by_none():
    with_two = list(check_logs(LOGS, workers=2))
    assert with_two == list(check_logs(LOGS, workers=1))
    assert all(isinstance(check, LogCheck) for check in with_two)


def test_a_worker_that_is_killed_is_told_as_that(monkeypatch):
    def open_and_kill(*of_pool):
        pool = open_pool(*of_pool)
        os.kill(next(iter(pool._processes)), signal.SIGKILL)
        return pool

    monkeypatch.setattr("kho_sim.verification.log_check.open_pool", open_and_kill)
    with pytest.raises(EngineError, match=r"a worker process died, .*; fewer workers take less"):
        list(check_logs(LOGS, workers=2))
