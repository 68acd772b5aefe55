"""Recorded logs, each read once for the whole run."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from kho_sim.logs.reader import read_boot_log
from kho_sim.trace.trace import Trace

RECORDED = Path(__file__).parents[2] / "recorded"


@cache
def recorded_trace(name: str) -> Trace:
    return read_boot_log(RECORDED / f"{name}.log.xz")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "recorded_name" in metafunc.fixturenames:
        names = sorted(path.name.removesuffix(".log.xz") for path in RECORDED.glob("*.log.xz"))
        metafunc.parametrize("recorded_name", names)


@pytest.fixture
def recorded(recorded_name: str) -> Trace:
    return recorded_trace(recorded_name)


@pytest.fixture
def read_recorded():
    return recorded_trace
