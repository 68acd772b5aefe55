"""A pytest plugin: a test that a mutant makes loop for ever ends the process, as noticed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from types import FrameType

import pytest

LONGEST_S = 60
"""CPU time; several times what the slowest test of a room needs, each call led through mutmut."""
TIMEOUT = 36
"""mutmut's exit code for it."""
_STDERR = os.dup(2)  # before pytest captures what tests print


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Iterator[object]:
    signal.signal(signal.SIGPROF, _end)
    signal.setitimer(signal.ITIMER_PROF, LONGEST_S)
    answer = yield
    signal.setitimer(signal.ITIMER_PROF, 0)
    return answer


def _end(_signal: int, _frame: FrameType | None) -> None:
    if "." not in os.environ.get("MUTANT_UNDER_TEST", ""):  # a mutant's name has dots
        os.write(_STDERR, f"a test needs over {LONGEST_S} s of CPU without a mutant\n".encode())
    os._exit(TIMEOUT)
