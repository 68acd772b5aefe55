"""Plug-ins: what a user registers or installs is known to scenarios, sweeps and their workers."""

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import kho_sim as ks
from kho_sim import contracts
from kho_sim.base import plugins
from kho_sim.base.errors import EngineError, InputError, ScenarioError
from kho_sim.base.words import STRATEGIES, WORKLOADS
from kho_sim.kho.extend import Extension, Strategy
from kho_sim.scenario import json_schema
from tests import plugins_of_a_user as user

ROOT = Path(__file__).parents[1]
TEXT = """
machine: {memory: 2GiB}
kernel: {extend: {strategy: top}}
workload: [{kind: hold, size: 1MiB}, {kind: memfd, size: 1MiB}]
chain: {boots: 2, twin: false}
"""


@pytest.fixture(autouse=True)
def registered():
    """Register the user's plug-ins by a call, and take out what a test leaves behind."""
    ks.register_strategy("top", user.mark_the_top, has_blocks=False)
    ks.register_workload("hold", user.HoldSection, user.Hold)
    yield
    for family in plugins.FAMILIES:
        for name in tuple(family.registered):
            family.unregister(name)


def test_a_scenario_knows_what_was_registered():
    trace = ks.run(ks.loads(TEXT))
    assert trace.outcome.kind == "completed"
    assert trace.boots.extended_bytes[1] > 1 << 30
    assert ks.loads(ks.loads(TEXT).to_yaml()) == ks.loads(TEXT)


def test_a_scenario_names_what_is_near():
    with pytest.raises(ScenarioError, match=r"'tip' is not an extension strategy; .* nearest: top"):
        ks.loads(TEXT.replace("strategy: top", "strategy: tip"))
    with pytest.raises(ScenarioError, match=r"'holt' is no kind of workload; .* nearest: hold"):
        ks.loads(TEXT.replace("kind: hold", "kind: holt"))
    with pytest.raises(ScenarioError, match=r"workload\[0\]\.size: "):
        ks.loads(TEXT.replace("kind: hold, size: 1MiB", "kind: hold, size: 0"))


def test_what_is_forgotten_is_unknown_again():
    plugins.WORKLOADS.unregister("hold")
    with pytest.raises(ScenarioError, match="'hold' is no kind of workload"):
        ks.loads(TEXT)


def test_the_schema_has_them():
    text = str(json_schema())
    assert "HoldSection" in text
    assert "'top'" in text


def test_only_a_strategy_with_blocks_is_shown_with_their_size():
    from kho_sim.report.text import _kernel_text

    kernel = ks.loads(TEXT).to_dict()["kernel"]
    assert "extension top, " in _kernel_text({**kernel, "command_line": "x"})
    ks.register_strategy("top", user.mark_the_top)
    assert "extension top of 1 GiB, " in _kernel_text({**kernel, "command_line": "x"})


def test_worker_processes_know_what_their_parent_registered(tmp_path):
    values = {"kernel.extend.strategy": ["top", "none"], "chain.seed": [0, 1]}
    done = ks.sweep(ks.loads(TEXT), values, out=tmp_path / "s", workers=2)
    assert list(done.runs()["state"]) == ["ok"] * 4


def test_a_plugin_inside_a_function_is_refused_for_workers_only(tmp_path):
    ks.register_strategy("inner", lambda *_: Extension())
    values = {"chain.seed": [0, 1]}
    with pytest.raises(EngineError, match=r"cannot be sent to worker processes.*top of a module"):
        ks.sweep(ks.loads(TEXT), values, out=tmp_path / "two", workers=2)
    done = ks.sweep(ks.loads(TEXT), values, out=tmp_path / "one", workers=1)
    assert list(done.runs()["state"]) == ["ok"] * 2


def test_a_plugin_of_a_notebook_is_refused_for_workers(monkeypatch):
    notebook = ModuleType("__main__")
    exec("def extend(*_): pass", vars(notebook))
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    ks.register_strategy("cell", notebook.extend)
    with pytest.raises(EngineError, match=r"defined in __main__.*top of a module"):
        plugins.packed_plugins()
    notebook.__file__ = "script.py"
    packed = plugins.packed_plugins()
    del notebook.extend
    with pytest.raises(EngineError, match="a worker process cannot find the plug-ins"):
        plugins.unpack_plugins(packed)


def test_a_script_may_define_them_for_its_own_workers(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import kho_sim as ks\n"
        "from tests.plugins_of_a_user import mark_the_top\n"
        "def mine(*arguments):\n"
        "    return mark_the_top(*arguments)\n"
        "if __name__ == '__main__':\n"
        "    ks.register_strategy('top', mine)\n"
        f"    scenario = ks.loads('''{TEXT.replace('{kind: hold, size: 1MiB}, ', '')}''')\n"
        "    done = ks.sweep(scenario, {'chain.seed': [0, 1]}, out='out', workers=2)\n"
        "    print(*done.runs()['state'])\n"
    )
    assert run([str(script)], tmp_path).stdout == "ok ok\n"


def test_an_installed_plugin_is_found_by_its_entry_point(tmp_path):
    """In processes of their own, in which nobody imports the module."""
    (tmp_path / "installed.py").write_text(
        "from typing import Literal\n"
        "from kho_sim.chain.workload import PluginWorkload\n"
        "from tests.plugins_of_a_user import Hold, HoldSection, mark_the_top\n"
        "class KeepSection(HoldSection):\n"
        "    kind: Literal['keep']\n"
        "KEEP = PluginWorkload(KeepSection, Hold)\n"
    )
    info = tmp_path / "installed-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: installed\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[kho_sim.strategies]\nhead = installed:mark_the_top\nblocks = installed:no_such_thing\n"
        "lost = installed:no_such_thing\n"
        "[kho_sim.workloads]\nkeep = installed:KEEP\n"
    )
    scenario = tmp_path / "s.yaml"
    scenario.write_text(TEXT.replace("top", "head").replace("kind: hold", "kind: keep"))
    command = ["-m", "kho_sim", "run", str(scenario), "--fail-on", "outcome != completed"]
    assert run(command, tmp_path).returncode == 0
    assert "KeepSection" in run(["-m", "kho_sim", "schema"], tmp_path).stdout
    sweep = ["-m", "kho_sim", "sweep", str(scenario), "-x", "chain.seed=0,1", "--workers", "2"]
    assert run([*sweep, "-o", "out"], tmp_path).returncode == 0
    assert run(["-m", "kho_sim.contracts", "head", "keep"], tmp_path).returncode == 0
    scenario.write_text(TEXT.replace("top", "lost"))
    done = run(["-m", "kho_sim", "check", str(scenario)], tmp_path)
    assert done.returncode == 3
    assert "the plug-in lost = installed:no_such_thing cannot be loaded" in done.stderr


def run(arguments, directory):
    path = os.pathsep.join([str(directory), str(ROOT)])
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=directory, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def test_names_of_the_package_are_taken():
    with pytest.raises(InputError, match="the package has an extension strategy 'blocks' already"):
        ks.register_strategy("blocks", user.mark_the_top)
    with pytest.raises(InputError, match="the package has a kind of workload 'memfd' already"):
        plugins.WORKLOADS.register("memfd", user.HOLD)
    with pytest.raises(InputError, match="section of workload 'held' has kind 'hold'"):
        ks.register_workload("held", user.HoldSection, user.Hold)


# Contracts


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_strategies_of_the_package_keep_the_contract(name):
    contracts.check_strategy(name)


ENTRIES = {
    "hugetlb": "{kind: hugetlb}",
    "reserve_mem": "{kind: reserve_mem, size: 1MiB, name: x}",
    "vms": "{kind: vms, size: 1MiB, count: 2, arrivals_per_hour: 3}",
}


@pytest.mark.parametrize("kind", WORKLOADS)
def test_the_workloads_of_the_package_keep_the_contract(kind):
    contracts.check_workload(kind, ENTRIES.get(kind, ""))


def test_the_command_holds_plugins_to_their_contracts(capsys):
    ks.register_workload("hold", user.HoldSection, user.Late)
    assert contracts.main(["top", "--import", "tests.plugins_of_a_user"]) == 0
    assert contracts.main(["top", "hold"]) == 1
    assert contracts.main(["tap"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == lines[1] == "top: keeps its contract"
    assert lines[2].startswith("hold: breaks its contract: boot 0 serves 108000000000")


def test_a_workload_gives_the_same_result_twice():
    ks.register_workload("hold", user.HoldSection, user.Unequal)
    with pytest.raises(AssertionError, match="gives two results"):
        contracts.check_workload("hold")


def all_away(memblock, incoming, options, allocate_page, free_page):
    before = memblock.scratch_bytes()
    memblock.mark_kho_scratch(0, memblock.end_of_dram())
    return Extension(shift=options.shift, extended_bytes=memblock.scratch_bytes() - before)


def untruthful(memblock, *others):
    extension = user.mark_the_top(memblock, *others)
    return extension.__class__(shift=extension.shift, extended_bytes=1)


def silent(*arguments):
    extension = user.mark_the_top(*arguments)
    return Extension(shift=extension.shift, extended_bytes=extension.extended_bytes,
                     work=extension.work)  # fmt: skip


def greedy(memblock, incoming, options, allocate_page, free_page):
    allocate_page()
    return Extension(shift=options.shift)


def clearing(memblock, incoming, options, allocate_page, free_page):
    before = memblock.scratch_bytes()
    memblock.clear_kho_scratch(0, memblock.end_of_dram())
    return Extension(shift=options.shift, extended_bytes=memblock.scratch_bytes() - before)


def without_shift(*_):
    return Extension(shift=0)


@pytest.mark.parametrize(
    ("strategy", "reason"),
    [
        (all_away, "has to survive, but"),
        (untruthful, "bytes were marked, but it reports 1$"),
        (silent, "where marking fails: it reports no error"),
        (greedy, "1 pages were not given back"),
        (clearing, "became"),
        (without_shift, "it reports shift 0"),
    ],
)
def test_each_rule_is_noticed_when_broken(strategy, reason):
    with pytest.raises(AssertionError, match=reason):
        contracts.check_strategy(strategy)


def test_a_strategy_can_be_registered_whole():
    plugins.STRATEGIES.register("whole", Strategy(user.mark_the_top, has_blocks=False))
    contracts.check_strategy("whole")
