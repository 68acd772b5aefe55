"""kho_sim: a simulator of chains of kexec'd Linux kernels that hand memory over with KHO.

    import kho_sim as ks
    trace = ks.run(ks.load("scenarios/seed-case-2.yaml"), seed=7)
    trace.boots, trace.allocations, trace.failures

Names are resolved on first use: importing the package loads none of the libraries below it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kho_sim._version import __version__

if TYPE_CHECKING:
    from kho_sim import plots
    from kho_sim.base.errors import ScenarioError, TraceError
    from kho_sim.graphs import lineage
    from kho_sim.logs.reader import read_boot_log
    from kho_sim.scenario import Scenario, load, loads
    from kho_sim.sweeps import open_stored as open
    from kho_sim.sweeps import sweep
    from kho_sim.trace.trace import Trace

__all__ = [
    "Scenario",
    "ScenarioError",
    "Trace",
    "TraceError",
    "__version__",
    "lineage",
    "load",
    "loads",
    "open",
    "plots",
    "read_boot_log",
    "run",
    "sweep",
]

_HOMES = {
    "Scenario": ("kho_sim.scenario", "Scenario"),
    "ScenarioError": ("kho_sim.base.errors", "ScenarioError"),
    "Trace": ("kho_sim.trace.trace", "Trace"),
    "TraceError": ("kho_sim.base.errors", "TraceError"),
    "lineage": ("kho_sim.graphs", "lineage"),
    "load": ("kho_sim.scenario", "load"),
    "loads": ("kho_sim.scenario", "loads"),
    "open": ("kho_sim.sweeps", "open_stored"),
    "plots": ("kho_sim.plots", ""),
    "read_boot_log": ("kho_sim.logs.reader", "read_boot_log"),
    "sweep": ("kho_sim.sweeps", "sweep"),
}
"""Public name -> the module that has it, and its name there ('': the module itself)."""


def run(scenario: Scenario, seed: int | None = None) -> Trace:
    """Simulate a scenario's chain, and its twin without the extension if the scenario has one.

    ``seed`` replaces the scenario's own. A kernel that dies is a result (``trace.outcome``).
    Raises: ScenarioError for a scenario that can not be built.
    """
    from kho_sim.chain import run_scenario

    if seed is not None:
        from kho_sim.scenario import with_values

        scenario = with_values(scenario, {"chain.seed": seed}, "seed")
    return run_scenario(scenario)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    home = import_module(module)
    value = getattr(home, attribute) if attribute else home
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
