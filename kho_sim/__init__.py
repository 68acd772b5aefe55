"""kho_sim: a simulator of chains of kexec'd Linux kernels that hand memory over with KHO.

    import kho_sim as ks
    trace = ks.run("scenarios/seed-case-2.yaml", seed=7)
    trace.boots, trace.allocations, trace.failures

``dir(kho_sim)`` lists the public names; everything else may change. Names are resolved on first
use: importing the package loads none of the libraries below it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kho_sim._version import __version__
from kho_sim.base.lazy import lazy_names

if TYPE_CHECKING:
    from kho_sim import plots
    from kho_sim.base.errors import (
        EngineError,
        InputError,
        KhoSimError,
        ModelError,
        Problem,
        ScenarioError,
        TraceError,
    )
    from kho_sim.chain import Explanation
    from kho_sim.chain import explain_scenario as explain
    from kho_sim.chain import run_scenario as run
    from kho_sim.chain.workload import register_workload
    from kho_sim.graphs import lineage_graph
    from kho_sim.host_cost import HostCost, cost
    from kho_sim.kho.extend import register_strategy
    from kho_sim.kho.retrieve import register_retrieval
    from kho_sim.logs.importing import ImportedScenario
    from kho_sim.logs.importing import import_files as import_machine
    from kho_sim.logs.reader import read_boot_log
    from kho_sim.logs.reader import read_boot_log as read_log
    from kho_sim.runs.store import save_run as save
    from kho_sim.scenario import Scenario, load, loads, with_values
    from kho_sim.sweeps import Sweep, SweepInterrupted, sweep
    from kho_sim.sweeps import open_stored as open
    from kho_sim.sweeps.advise import Advice, advise
    from kho_sim.trace.trace import Trace
    from kho_sim.verification import Verification, read_explained
    from kho_sim.verification import verify_logs as verify
    from kho_sim.widget import play

__all__ = [
    "Advice",
    "EngineError",
    "Explanation",
    "HostCost",
    "ImportedScenario",
    "InputError",
    "KhoSimError",
    "ModelError",
    "Problem",
    "Scenario",
    "ScenarioError",
    "Sweep",
    "SweepInterrupted",
    "Trace",
    "TraceError",
    "Verification",
    "__version__",
    "advise",
    "cost",
    "explain",
    "import_machine",
    "lineage_graph",
    "load",
    "loads",
    "open",
    "play",
    "plots",
    "read_boot_log",
    "read_explained",
    "read_log",
    "register_retrieval",
    "register_strategy",
    "register_workload",
    "run",
    "save",
    "sweep",
    "verify",
    "with_values",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "Advice": "kho_sim.sweeps.advise",
            "EngineError": "kho_sim.base.errors",
            "Explanation": "kho_sim.chain",
            "HostCost": "kho_sim.host_cost",
            "ImportedScenario": "kho_sim.logs.importing",
            "InputError": "kho_sim.base.errors",
            "KhoSimError": "kho_sim.base.errors",
            "ModelError": "kho_sim.base.errors",
            "Problem": "kho_sim.base.errors",
            "Scenario": "kho_sim.scenario",
            "ScenarioError": "kho_sim.base.errors",
            "Sweep": "kho_sim.sweeps",
            "SweepInterrupted": "kho_sim.sweeps",
            "Trace": "kho_sim.trace.trace",
            "TraceError": "kho_sim.base.errors",
            "Verification": "kho_sim.verification",
            "advise": "kho_sim.sweeps.advise",
            "cost": "kho_sim.host_cost",
            "explain": "kho_sim.chain",
            "import_machine": "kho_sim.logs.importing",
            "lineage_graph": "kho_sim.graphs",
            "load": "kho_sim.scenario",
            "loads": "kho_sim.scenario",
            "open": "kho_sim.sweeps",
            "play": "kho_sim.widget",
            "plots": "kho_sim.plots",
            "read_boot_log": "kho_sim.logs.reader",
            "read_explained": "kho_sim.verification",
            "read_log": "kho_sim.logs.reader",
            "register_retrieval": "kho_sim.kho.retrieve",
            "register_strategy": "kho_sim.kho.extend",
            "register_workload": "kho_sim.chain.workload",
            "run": "kho_sim.chain",
            "save": "kho_sim.runs.store",
            "sweep": "kho_sim.sweeps",
            "verify": "kho_sim.verification",
            "with_values": "kho_sim.scenario",
        },
        public=__all__,
        named_there={
            "explain": "explain_scenario",
            "import_machine": "import_files",
            "open": "open_stored",
            "read_log": "read_boot_log",
            "run": "run_scenario",
            "save": "save_run",
            "verify": "verify_logs",
        },
    )
