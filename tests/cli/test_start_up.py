"""Starting up: help and the package's door load none of the libraries that work needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import kho_sim
from kho_sim.cli import main
from kho_sim.cli.app import VERBS
from kho_sim.cli.app import kho_sim as group

HEAVY = {
    "jinja2",
    "matplotlib",
    "networkx",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "rich",
    "simpy",
    "yaml",
}
LIST_LOADED = "\nimport sys\nprint(*{name.partition('.')[0] for name in sys.modules})"
LISTED = sorted(group.list_commands(None))


def loaded_after(program: str) -> tuple[str, set[str]]:
    """What a fresh interpreter prints for a program, and which top-level modules it has then."""
    done = subprocess.run(
        [sys.executable, "-c", program + LIST_LOADED], capture_output=True, text=True, check=True
    )
    printed, _, names = done.stdout.rstrip("\n").rpartition("\n")
    return printed, set(names.split())


@pytest.mark.parametrize("arguments", [["--help"], *([verb, "--help"] for verb in LISTED)])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    printed, loaded = loaded_after(f"from kho_sim.cli.app import call\ncall({arguments})")
    assert printed.startswith("Usage: kho-sim")
    assert loaded & HEAVY == set()


def test_list_of_verbs_imports_none_of_them() -> None:
    program = (
        "import sys\nfrom kho_sim.cli.app import call\ncall(['--help'])\n"
        "print(*(name for name in sys.modules if name.startswith('kho_sim.cli.')))"
    )
    printed, _ = loaded_after(program)
    loaded = set(printed.splitlines()[-1].split())
    assert "kho_sim.cli.app" in loaded
    assert not loaded & {module for module, _ in VERBS.values()}


@pytest.mark.parametrize("verb", LISTED)
def test_line_of_a_verb_is_written_in_one_place(verb: str) -> None:
    assert group.get_command(None, verb).short_help is None
    texts = [path.read_text() for path in Path(kho_sim.__file__).parent.glob("cli/*.py")]
    assert sum(text.count(VERBS[verb][1].rstrip(".")) for text in texts) == 1


def test_package_loads_nothing_heavy() -> None:
    _, loaded = loaded_after("import kho_sim\ndir(kho_sim)\nkho_sim.TraceError")
    assert loaded & HEAVY == set()


def test_report_of_a_run_needs_no_pandas() -> None:
    program = (
        "import kho_sim, kho_sim.report\n"
        "scenario = kho_sim.loads('machine: {memory: 1GiB}\\nchain: {boots: 1}')\n"
        "kho_sim.report.report_text(kho_sim.run(scenario))"
    )
    _, loaded = loaded_after(program)
    assert loaded & {"pandas", "pyarrow", "matplotlib"} == set()


def test_every_public_name_is_there() -> None:
    for name in kho_sim.__all__:
        assert getattr(kho_sim, name) is not None
    assert dir(kho_sim) == sorted(kho_sim.__all__)


def test_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'lood'"):
        _ = kho_sim.lood


def test_verbs_are_those_that_have_a_module() -> None:
    assert {"check", "explain", "run", "schema"} <= set(LISTED) <= set(VERBS)
    assert group.get_command(None, "frobnicate") is None


def test_on_windows_it_says_that_it_does_not_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 5
    assert "Windows is not supported" in capsys.readouterr().err
