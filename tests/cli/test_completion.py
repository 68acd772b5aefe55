"""Shells complete the command line, and manual pages say what its help says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import BashComplete

from kho_sim._version import __version__
from kho_sim.cli.app import VERBS, call
from kho_sim.cli.app import kho_sim as group
from kho_sim.cli.completion import SHELLS, place_of, script
from kho_sim.cli.man import pages

KHO_SIM = [sys.executable, "-m", "kho_sim"]
PARAMETERS = [
    (verb, parameter) for verb in VERBS for parameter in group.get_command(None, verb).params
]


def offered(*words: str) -> list[tuple[str, str]]:
    """What a shell is given after these words: pairs of type and value."""
    asking = BashComplete(group, {}, "kho-sim", "_KHO_SIM_COMPLETE")
    items = asking.get_completions(list(words[:-1]), words[-1])
    return [(item.type, item.value) for item in items]


def test_a_shell_that_asks_gets_its_script_and_not_the_help() -> None:
    for shell in SHELLS:
        asked = {**os.environ, "_KHO_SIM_COMPLETE": f"{shell}_source"}
        done = subprocess.run(KHO_SIM, env=asked, capture_output=True, text=True, check=True)
        assert "kho-sim" in done.stdout
        assert "Usage:" not in done.stdout
    unknown = {**os.environ, "_KHO_SIM_COMPLETE": "tcsh_source"}
    assert subprocess.run(KHO_SIM, env=unknown, capture_output=True, check=False).returncode == 1


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["sw"], [("plain", "sweep")]),
        (["run", "sce"], [("file", "sce")]),
        (["run", "one.yaml", "-o", "ru"], [("dir", "ru")]),
        (["run", "one.yaml", "-s", "kernel.extend.sh"], [("plain", "kernel.extend.shift=")]),
        (["sweep", "one.yaml", "-x", "chain.se"], [("plain", "chain.seed=")]),
        (["run", "one.yaml", "--fail-on", "failures_av"], [("plain", "failures_avoided")]),
        (["examples", "seed"], [("plain", "seed-case-1"), ("plain", "seed-case-2")]),
        (["plot", "runs/a", "--figure", "memory_m"], [("plain", "memory_map")]),
        (["report", "runs/a", "--table", "allo"], [("plain", "allocations")]),
        (["explain", "one.yaml", "--step", "wa"], [("plain", "walk")]),
        (["completion", "z"], [("plain", "zsh")]),
        (["man", "chec"], [("plain", "check")]),
    ],
)
def test_words_are_completed_by_what_they_are(
    words: list[str], wanted: list[tuple[str, str]]
) -> None:
    assert offered(*words) == wanted


def test_all_verbs_and_options_are_offered() -> None:
    assert [value for _, value in offered("")] == list(VERBS)
    assert ("plain", "--version") in offered("--")
    assert ("plain", "--fail-on") in offered("run", "--")


@pytest.mark.parametrize(
    ("verb", "parameter"), PARAMETERS, ids=[f"{verb} {one.name}" for verb, one in PARAMETERS]
)
def test_every_text_says_how_it_is_completed(verb: str, parameter: click.Parameter) -> None:
    if parameter.type is click.STRING:
        assert parameter._custom_shell_complete is not None


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_with_the_script(tmp_path: Path) -> None:
    program = tmp_path / "kho-sim"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m kho_sim "$@"\n')
    program.chmod(0o755)
    (tmp_path / "script").write_text(script("bash", group))
    words = "source ./script; COMP_WORDS=(kho-sim exp); COMP_CWORD=1; "
    words += '_kho_sim_completion ./kho-sim; echo "${COMPREPLY[*]}"'
    done = subprocess.run(
        ["bash", "-c", words],
        cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.stdout == "explain\n"
    assert "compopt -o nospace" in script("bash", group)


@pytest.mark.parametrize("shell", SHELLS)
def test_installing_writes_where_the_shell_looks(
    shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "BASH_COMPLETION_USER_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", f"/bin/{shell}")
    assert call(["completion", "--install"]) == 0
    written = place_of(shell, {}, tmp_path)
    assert written.read_text() == script(shell, group) + "\n"
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "A new shell completes" in printed.err
    assert call(["completion"]) == 0
    assert capsys.readouterr().out == script(shell, group) + "\n"


def test_a_shell_that_has_no_script_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert call(["completion"]) == 2
    assert "'tcsh' has no script; name one of bash, zsh, fish." in capsys.readouterr().err


def test_there_is_a_manual_page_for_every_verb_with_all_its_options() -> None:
    found = pages(group)
    assert set(found) == {"kho-sim", *(f"kho-sim-{verb}" for verb in VERBS)}
    for verb, parameter in PARAMETERS:
        text = found[f"kho-sim-{verb}"].replace("\\-", "-")
        assert all(name in text for name in parameter.opts if name.startswith("-"))
    assert all(f"kho-sim-{verb}" in found["kho-sim"].replace("\\-", "-") for verb in VERBS)


@pytest.mark.skipif(shutil.which("groff") is None, reason="there is no groff")
def test_groff_has_no_objection_to_a_manual_page() -> None:
    for text in (pages(group)["kho-sim"], pages(group)["kho-sim-run"]):
        done = subprocess.run(
            ["groff", "-man", "-Tascii", "-ww"], input=text, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        assert done.stderr == ""
        assert f"kho-sim {__version__}" in done.stdout


def test_pages_are_written_to_a_folder_or_one_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["man", "-o", str(tmp_path / "man1")]) == 0
    assert {file.name for file in (tmp_path / "man1").iterdir()} == {
        f"{one}.1" for one in pages(group)
    }
    capsys.readouterr()
    assert call(["man", "run"]) == 0
    assert capsys.readouterr().out.startswith('.TH "KHO-SIM-RUN" 1')
    assert call(["man", "rum"]) == 2
    assert call(["man", "run", "-o", str(tmp_path)]) == 2


def test_a_terminal_is_shown_the_page_and_not_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    man = tmp_path / "man"
    man.write_text('#!/bin/sh\necho "shown with $*:"; head -1\n')
    man.chmod(0o755)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert call(["man", "run"]) == 0
    assert capfd.readouterr().out.startswith('shown with -l -:\n.TH "KHO-SIM-RUN" 1')
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    assert call(["man", "run"]) == 0
    assert capfd.readouterr().out.startswith(".TH")
