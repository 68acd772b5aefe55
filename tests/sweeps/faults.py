"""Simulations that go wrong in a chosen way; a module of its own, so that workers can import it."""

import os
import signal
import time
from pathlib import Path

from kho_sim.chain import run_scenario
from kho_sim.scenario import with_values

DEADLY_SHIFT = 27
_TRACES = {}


def dies(scenario):
    """Takes its worker down, as the kernel's out-of-memory killer does."""
    if scenario.kernel.extend.shift == DEADLY_SHIFT:
        os.kill(os.getpid(), signal.SIGKILL)
    return run_scenario(scenario)


def dies_once(scenario):
    """Takes its worker down the first time, and notes that in the file that is the description."""
    noted = Path(scenario.description)
    if scenario.kernel.extend.shift == DEADLY_SHIFT and not noted.exists():
        noted.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return run_scenario(scenario)


def raises(scenario):
    """Fails as a bug of the model would."""
    if scenario.kernel.extend.shift == DEADLY_SHIFT:
        raise ArithmeticError("the shift is deadly")
    return run_scenario(scenario)


def raises_always(scenario):
    """Fails whatever it is given."""
    raise ArithmeticError("everything is deadly")


def takes_a_while(scenario):
    """Gives a test the time to do something to the sweep."""
    time.sleep(0.1)
    return run_scenario(scenario)


def eats_memory(scenario):
    """Takes memory until something ends its worker, as one run that is far too large does."""
    held = []
    while scenario.kernel.extend.shift == DEADLY_SHIFT:
        held.append(b"x" * (16 << 20))
        time.sleep(0.005)
    return run_scenario(scenario)


def costs_nothing(scenario):
    """Gives all seeds of a shift the same trace, which is simulated once in a worker."""
    shift = scenario.kernel.extend.shift
    if shift not in _TRACES:
        _TRACES[shift] = run_scenario(with_values(scenario, {"chain.seed": 0}))
    return _TRACES[shift]
