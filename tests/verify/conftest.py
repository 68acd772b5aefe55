"""Recorded logs, each checked once for the whole run."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from kho_sim.logs.reader import read_boot_log
from kho_sim.trace.trace import Trace
from kho_sim.verification import Explained, LogCheck, check_trace, read_explained

RECORDED = Path(__file__).parent.parent / "recorded"
EXPLAINED = Path(__file__).parent / "explained.yaml"
NAMES = sorted(path.name.removesuffix(".log.xz") for path in RECORDED.glob("*.log.xz"))


@cache
def recorded_trace(name: str) -> Trace:
    return read_boot_log(RECORDED / f"{name}.log.xz")


@cache
def recorded_check(name: str) -> LogCheck:
    return check_trace(recorded_trace(name))


@pytest.fixture(params=NAMES)
def check(request: pytest.FixtureRequest) -> LogCheck:
    return recorded_check(request.param)


@pytest.fixture
def all_checks() -> list[LogCheck]:
    return [recorded_check(name) for name in NAMES]


@pytest.fixture
def explained() -> list[Explained]:
    return read_explained(EXPLAINED)


@pytest.fixture
def read_recorded():
    return recorded_trace
