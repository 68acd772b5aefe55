"""Recorded logs as the other importers would see their machines."""

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


@pytest.fixture
def read_recorded():
    return recorded_trace


@pytest.fixture
def recorded_path():
    return lambda name: str(RECORDED / f"{name}.log.xz")


@pytest.fixture
def put(tmp_path):
    """Write a file and return its path."""

    def write(name: str, text: str) -> str:
        file = tmp_path / name
        file.write_text(text)
        return str(file)

    return write


@pytest.fixture
def iomem(read_recorded):
    """/proc/iomem of a recorded machine's first kernel."""

    def text(name: str) -> str:
        rows = read_recorded(name).extra["boots"][0].iomem
        return "".join(
            f"{'  ' * row.depth}{row.start:08x}-{row.end - 1:08x} : {row.name}\n" for row in rows
        )

    return text
