"""The verbs: exit codes, what goes to which stream, and what was expected of a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import kho_sim
from kho_sim.base.errors import EngineError, ModelError, TraceError
from kho_sim.cli import expectations
from kho_sim.cli.app import call
from kho_sim.runs.store import load_run
from kho_sim.trace.records import Outcome
from kho_sim.trace.trace import Trace
from tests.hand_made import hand_made_trace

SMALL = "machine: {memory: 1GiB}\nworkload: [{kind: memfd, size: 4MiB}]\nchain: {boots: 2}\n"


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return str(path)


@pytest.fixture
def hand_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run gives the hand-made trace: for what the command line does with a trace."""
    monkeypatch.setattr("kho_sim.chain.run_scenario", lambda _: hand_made_trace())


def test_run_prints_a_report(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["run", scenario]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("With the extension")
    assert "\033" not in out
    assert err == ""


def test_json_is_one_document_and_nothing_else(
    scenario: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["run", scenario, "--json", "-o", str(tmp_path / "run")]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert (document["schema"], len(document["boots"])) == ("kho-sim/run", 2)
    assert document["provenance"]["digest"] == load_run(tmp_path / "run").digest
    assert "stored in" in err


def test_settings_seed_and_twin_reach_the_run(
    scenario: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["-s", "chain.boots=3", "-s", "kernel.extend.shift=25"]
    assert call(["run", scenario, "--json", "--seed", "5", "--no-twin", *arguments]) == 0
    document = json.loads(capsys.readouterr().out)
    assert len(document["boots"]) == 3
    assert document["provenance"]["seed"] == 5
    assert document["provenance"]["scenario"]["kernel"]["extend"]["shift"] == 25
    assert "twin" not in document


def test_run_of_the_package_takes_a_seed() -> None:
    scenario = kho_sim.loads(SMALL)
    trace = kho_sim.run(scenario, seed=9)
    assert trace.provenance["seed"] == 9
    assert scenario.chain.seed == 0
    assert trace.digest == kho_sim.run(scenario, seed=9).digest


def test_death_in_simulation_is_no_error(
    scenario: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dead = Trace(provenance={}, outcome=Outcome(kind="boot_failed", boot=0, message="no memory"))
    monkeypatch.setattr("kho_sim.chain.run_scenario", lambda _: dead)
    assert call(["run", scenario]) == 0
    assert "no memory" in capsys.readouterr().out
    assert call(["run", scenario, "--fail-on", "outcome != completed"]) == 1


@pytest.mark.usefixtures("hand_made")
@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("failures", 1),
        ("failures > 0", 1),
        ("failures>1", 0),
        ("failures=1", 1),
        ("failures == 2", 0),
        ("extended_bytes_min < 4GiB", 0),
        ("extended_bytes_min <= 4GiB", 1),
        ("outcome != completed", 0),
        ("outcome=completed", 1),
        ("failurs > 0", 2),
        ("outcome > completed", 2),
        ("failures > few", 2),
        ("failures >", 2),
        ("", 2),
    ],
)
def test_fail_on(condition: str, code: int, scenario: str) -> None:
    assert call(["run", scenario, "--fail-on", condition]) == code


@pytest.mark.usefixtures("hand_made")
@pytest.mark.parametrize(
    ("expect", "code", "words"),
    [
        ("{failures: 1, outcome: completed}", 0, ""),
        ("{failures: 0}", 1, "expected failures == 0: failures is 1"),
        ("{extended_bytes_min: '>= 5GiB'}", 1, "extended_bytes_min is 4294967296"),
        ("{failures_avoid: 1}", 3, "expect.failures_avoid: no result of a run has this name"),
    ],
)
def test_expect(
    expect: str, code: int, words: str, scenario: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(scenario).write_text(f"{SMALL}expect: {expect}\n")
    assert call(["run", scenario]) == code
    assert words in capsys.readouterr().err


def test_number_that_a_run_does_not_have_meets_no_expectation() -> None:
    cold = Trace(provenance={}, outcome=Outcome(kind="completed", boot=0))
    condition = expectations.parse_condition("extend_ns_max > 0")
    for sentences in (
        expectations.unmet_expectations(cold, [condition], []),
        expectations.unmet_expectations(cold, [], [condition]),
    ):
        assert [sentence.partition(": ")[2] for sentence in sentences] == [
            "this run has no extend_ns_max"
        ]


def test_unknown_name_is_answered_with_the_nearest(
    scenario: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["run", scenario, "--fail-on", "radix_node_max > 3"]) == 2
    assert "nearest: radix_nodes_max" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["frobnicate"],
        ["run"],
        ["run", "x.yaml", "--jsn"],
        ["run", "x.yaml", "-s", "chain.boots"],
        ["run", "x.yaml", "--seed", "many"],
        ["check"],
    ],
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Usage: kho-sim" in err


def test_setting_that_is_wrong_is_invalid_input(
    scenario: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["run", scenario, "-s", "kernel.extend.shif=3"]) == 3
    assert "nearest: kernel.extend.shift" in capsys.readouterr().err


def test_check_reports_every_error_of_every_file(
    tmp_path: Path, scenario: str, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("machine: {memory: 1GB}\nchain: {boots: 0}\nexpect: {failures: 0}\n")
    unknown = tmp_path / "unknown.yaml"
    unknown.write_text(f"{SMALL}expect: {{failurs: 0}}\n")
    assert call(["check", str(wrong), scenario, str(unknown), str(tmp_path / "no.yaml")]) == 3
    out, err = capsys.readouterr()
    assert out == f"{scenario}: fine, 2 boots\n"
    places = [line.split(" ")[0] for line in err.splitlines()]
    assert places[:2] == [f"{wrong}:1:19:", f"{wrong}:2:16:"]
    assert places[2:] == [f"{unknown}:4:10:", f"{tmp_path}/no.yaml:"]


def test_check_puts_what_can_not_be_built_at_its_value(
    tmp_path: Path, scenario: str, capsys: pytest.CaptureFixture[str]
) -> None:
    late = tmp_path / "late.yaml"
    late.write_text(
        "machine:\n  platform: arm64\n  memory_map: [{start: 1GiB, end: 2GiB}]\n"
        "  boot_loader: {image_start: 0x7fe00000}\n"
    )
    line = tmp_path / "line.yaml"
    line.write_text("machine: {memory: 4GiB}\nkernel: {command_line: mem=1M}\n")
    assert call(["check", str(late), str(tmp_path / "no.yaml"), str(line), scenario]) == 3
    out, err = capsys.readouterr()
    first, _, last = err.splitlines()
    assert first == (
        f"{late}:4:30: machine.boot_loader.image_start: 0x7fe00000 has no 6464KiB of memory "
        "behind it"
    )
    assert last.startswith(f"{line}:2:24: kernel.command_line: mem= and memmap= leave no memory")
    assert out == f"{scenario}: fine, 2 boots\n"


def test_check_of_good_files_is_fine(scenario: str) -> None:
    assert call(["check", scenario, scenario]) == 0


def test_explain_describes_each_boot(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["explain", scenario]) == 0
    out = capsys.readouterr().out
    assert "Boot 0" in out
    assert "Boot 1" in out


def test_explain_says_which_memory_is_of_which_node(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("machine: {memory: 8GiB, nodes: 2, cpus: 2}\nchain: {boots: 2}\n")
    assert call(["explain", str(file)]) == 0
    memory = capsys.readouterr().out.partition("Boot 0")[0].strip().splitlines()
    assert [(line.split()[0], line[-1]) for line in memory[1:]] == [
        ("0x000000001000-0x00000009f000", "0"),
        ("0x000000100000-0x0000bffe0000", "0"),
        ("0x000100000000-0x000140000000", "0"),
        ("0x000140000000-0x000240000000", "1"),
    ]


def test_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["schema"]) == 0
    assert "machine" in json.loads(capsys.readouterr().out)["properties"]


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (TraceError("the log is cut"), 3, "the log is cut"),
        (EngineError("the folder is full"), 5, "the folder is full"),
        (ModelError("3 is not 4"), 5, "a bug in kho_sim: ModelError: 3 is not 4"),
        (ZeroDivisionError("division\nby zero"), 5, "a bug in kho_sim: ZeroDivisionError"),
        (OSError(28, "No space left on device"), 5, "No space left"),
        (MemoryError(), 5, "not enough memory"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_whatever_happens_is_an_exit_code_and_a_line(
    error: BaseException,
    code: int,
    words: str,
    scenario: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr("kho_sim.chain.run_scenario", fail)
    assert call(["run", scenario]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert len(err.splitlines()) <= 1


def test_traceback_of_a_bug_is_shown_on_request(
    scenario: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("kho_sim.chain.run_scenario", lambda _: 1 // 0)
    monkeypatch.setenv("KHO_SIM_DEBUG", "1")
    assert call(["run", scenario]) == 5
    assert "Traceback" in capsys.readouterr().err


def test_folder_that_cannot_be_used_is_refused_before_the_run(
    scenario: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []
    monkeypatch.setattr("kho_sim.chain.run_scenario", ran.append)
    assert call(["run", scenario, "-o", str(tmp_path)]) == 5
    assert ran == []


def program(body: str) -> list[str]:
    """A fresh ``kho-sim run`` whose simulation is ``body``."""
    replaced = f"import kho_sim.chain, os, signal, time\ndef run(_):\n    {body}\n"
    return [
        sys.executable,
        "-c",
        f"{replaced}kho_sim.chain.run_scenario = run\nfrom kho_sim.cli import main\nmain()",
    ]


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_signal_ends_the_run_with_its_code(name: str, code: int, scenario: str) -> None:
    body = f"os.kill(os.getpid(), signal.{name}); time.sleep(60)"
    done = subprocess.run(
        [*program(body), "run", scenario], capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "code"),
    [([], 0), (["--json", "--fail-on", "boots > 0"], 1)],
    ids=["fine", "missed"],
)
def test_a_reader_that_goes_away_changes_no_code(
    options: list[str], code: int, scenario: str
) -> None:
    body = "from tests.hand_made import hand_made_trace; return hand_made_trace()"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*program(body), "run", scenario, *options],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    os.close(writer)
    assert done.returncode == code
    assert len(done.stderr.splitlines()) == code


def test_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kho_sim", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"kho-sim, version {kho_sim.__version__}\n"


def test_check_notes_what_has_no_effect_and_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("machine: {memory: 4GiB}\nkernel: {command_line: kho=on acpi=2}\n")
    assert call(["check", str(file)]) == 0
    out, err = capsys.readouterr()
    assert out == f"{file}: fine, 3 boots, 1 note\n"
    assert err.startswith(f"{file}:2:31: kernel.command_line: not modelled: 'acpi=2': ")
    assert call(["run", str(file), "--json"]) == 0
    notes = json.loads(capsys.readouterr().out)["provenance"]["notes"]
    assert [note.partition(": 'acpi=2'")[1] for note in notes] == [": 'acpi=2'"]
