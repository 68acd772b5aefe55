"""A scenario that is over in milliseconds, and sweeps of it."""

import pytest

from kho_sim.scenario import loads

TINY = """
machine: {memory: 1GiB, cpus: 1}
kernel: {extend: {shift: 24}}
workload:
- {kind: memfd, count: 1, size: 64KiB}
chain: {boots: 2, seed: 5, twin: false}
"""


@pytest.fixture
def tiny():
    return loads(TINY)
