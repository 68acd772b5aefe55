"""The command line where it is used hard: odd arguments, places that cannot be written, readers
that go away, signals, terminals of any width, a bare environment.

``ends_well`` is what holds for every call: an exit code of the contract, no traceback, no bug, and
on standard output nothing but results.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kho_sim.cli.app import VERBS, call
from kho_sim.runs.store import save_run
from tests.hand_made import hand_made_trace

ROOT = Path(__file__).parents[2]
SMALL = "machine: {memory: 1GiB}\nworkload: [{kind: memfd, size: 64KiB}]\nchain: {boots: 2}\n"
LOG = str(ROOT / "tests/recorded/tiny-8G-8M_16M_16M.log.xz")
PARTIAL_OR_BETTER = range(6)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with a scenario, a stored run and files that are nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(SMALL)
    (tmp_path / "wrong.yaml").write_text("machine: {memory: 1GB}\n")
    (tmp_path / "empty").write_text("")
    (tmp_path / "points.csv").write_text("chain.seed,chain.boots\n1,2\n3,\n")
    (tmp_path / "points.json").write_text('[{"chain.seed": 1}]')
    save_run(hand_made_trace(), tmp_path / "run")
    return tmp_path


def program(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "kho_sim", *arguments]


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    settings = {"capture_output": True, "text": True, **options}
    return subprocess.run(program(*arguments), check=False, **settings)


# Any arguments

VALUES = [
    *("", "-", "--", "0", "1", "-1", "2", "9" * 30, "1e9", "nan", "inf", "-inf", "0x10", "²/²"),
    *("1/2", "2/1", "0/0", "1/1/1", "٣/٣", "a=b", "=", "a==", "chain.seed=0..2", "chain.seed=1,2"),
    *("chain.seed=0..99999999", "chain.boots=5..1", "kernel.extend.shift=21..30", "x" * 5000),
    *("expect.failures=0", "expect.frequency=3", "workload[0].size=8MiB", "workload[9].size=1"),
    *("machine.memory=4PiB", "kho.ext_shift=24", "chain.seed='a", "a\nb", "\x1b[2J"),
    *("failures > 0", "outcome != completed", "failures >", "failed", "blocks", "boots", "text"),
    *("small.yaml", "wrong.yaml", "empty", "none", ".", "run", "points.csv", "points.json"),
    *(
        "8M,16M,16M",
        "8M,16M",
        "failed,lost",
        "html",
        "csv",
        "json",
        "svg",
        "memory_map",
        "timeline",
    ),
    *("/dev/null", "/dev/null/x", "out", "../" * 30),
]
OPTIONS = sorted(
    {
        *("-s", "-x", "-o", "--set", "--axis", "--zip", "--points", "--replicates", "--shard"),
        *("--workers", "--retry", "--max-failures", "--fail-fast", "--allocations", "--json"),
        *("--run-seconds", "--seed", "--no-twin", "--fail-on", "--try", "--shifts", "--margin"),
        *("--a", "--b", "--all", "--force", "--lenient", "--explained", "--fail-on-any", "--help"),
        *("--figure", "--format", "--graphs", "--table", "--out", "--version", "-h", "--nonsense"),
        *("--small", "--workload", "--results"),
    }
)


@pytest.mark.parametrize("examples", [60, pytest.param(3000, marks=pytest.mark.long)])
def test_any_arguments_end_with_a_code_of_the_contract(
    examples: int,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("kho_sim.chain.run_scenario", lambda _: hand_made_trace())
    # What a sweep and an advice simulate has tests of its own; here it is how they are asked.
    monkeypatch.setattr("kho_sim.cli.sweep._sweep", refuse_work)
    monkeypatch.setattr("kho_sim.sweeps.plan.run_scenario", lambda _: hand_made_trace())
    monkeypatch.setattr("kho_sim.sweeps.advise.advise", refuse_work)
    # No process gets a zero byte, and the real streams write what is no text as its escape.
    texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
    words = st.sampled_from(VALUES) | st.sampled_from(OPTIONS) | texts
    options = st.tuples(st.sampled_from(OPTIONS), st.sampled_from(VALUES))
    rest = st.lists(words | options, max_size=7)
    vectors = st.tuples(st.sampled_from(sorted(VERBS)), st.booleans(), rest)

    @settings(max_examples=examples, suppress_health_check=[HealthCheck.too_slow])
    @given(vectors)
    def holds(vector: tuple[str, bool, list[str | tuple[str, str]]]) -> None:
        verb, as_json, rest = vector
        flat = [word for one in rest for word in ([one] if isinstance(one, str) else one)]
        code = call([verb, *(["--json"] * as_json), *flat])
        out, err = capsys.readouterr()
        assert code in PARTIAL_OR_BETTER, flat
        assert "Traceback" not in err, flat
        assert "a bug in kho_sim" not in err, (verb, flat, err)
        if as_json and out and not {"-h", "--help"} & set(flat):
            json.loads(out)

    holds()


def refuse_work(*_: object, **__: object) -> None:
    from kho_sim.base.errors import EngineError

    raise EngineError("nothing is simulated here")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "small.yaml", "--seed", "99999999999999999999"], 3, "chain.seed: 9999"),
        (["run", "small.yaml", "-s", "expect.frequency=3"], 3, "expect.frequency: no result"),
        (["sweep", "small.yaml", "--shard", "²/²"], 2, "is no shard"),
        (["sweep", "small.yaml", "--dry-run", "--run-seconds", "nan"], 2, "nan is no number"),
        (["sweep", "small.yaml", "--dry-run", "--run-seconds", "inf"], 2, "not in the range"),
        (["advise", "small.yaml", "--margin", "nan"], 2, "nan is no number"),
        (["sweep", "small.yaml", "--dry-run", "--replicates", "9999999999"], 3, "are too many"),
        (
            ["sweep", "small.yaml", "-x", "chain.seed=0..99999", "-x", "chain.boots=1..999"],
            3,
            "99900000 runs are too many",
        ),
        (["sweep", "small.yaml", "--points", "/dev/zero"], 3, "are too long"),
        (["compare", "small.yaml"], 3, "small.yaml"),
        (["compare", "none", "run"], 3, "none is no folder"),
        (["compare", "run", "small.yaml"], 3, "small.yaml is no folder"),
        (["verify", "empty"], 3, "empty: no kernel message"),
        (["verify", LOG, "--explained", "empty"], 3, "empty: is no list"),
        (["import", "."], 3, "Is a directory"),
        (["plot", "none", "-o", "out"], 3, "none"),
        (["report", "."], 3, "holds no complete run"),
        (["explain", "wrong.yaml"], 3, "wrong.yaml:1:19: machine.memory"),
    ],
)
def test_impossible_requests_are_reported(
    arguments: list[str], code: int, words: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(arguments) == code
    out, err = capsys.readouterr()
    assert words in err
    assert out == ""


# Places that cannot be written

UNWRITABLE = ["/dev/null/there", "/proc/there", "empty/there"]


@pytest.mark.parametrize("place", UNWRITABLE)
@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "small.yaml", "-o"],
        ["sweep", "small.yaml", "--workers", "1", "-o"],
        ["advise", "small.yaml", "--workers", "1", "-o"],
        ["report", "run", "-o"],
        ["plot", "run", "--figure", "timeline", "-o"],
        ["import", LOG, "-o"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_place_that_cannot_be_written_is_exit_code_5(
    arguments: list[str], place: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call([*arguments, place]) == 5
    out, err = capsys.readouterr()
    assert out == ""
    assert "there" in err
    assert "bug" not in err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_exit_code_5(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    locked = here / "locked"
    locked.mkdir(mode=0o555)
    assert call(["run", "small.yaml", "-o", str(locked)]) == 5
    assert "cannot be written" in capsys.readouterr().err


# Standard streams


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "small.yaml", "--json"],
        ["run", "small.yaml", "--json", "-o", "stored", "--fail-on", "outcome = completed"],
        ["sweep", "small.yaml", "-x", "chain.seed=0..1", "-o", "swept", "--workers", "1", "--json"],
        ["sweep", "small.yaml", "-x", "chain.seed=0..1", "--dry-run", "--json"],
        ["compare", "run", "run", "--json"],
        ["report", "run", "--format", "json"],
        ["verify", LOG, "empty", "--workers", "1", "--json"],
        ["verify", "empty", "--json"],
        ["schema"],
    ],
    ids=" ".join,
)
def test_json_is_one_document_whatever_else_there_is_to_say(
    arguments: list[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(arguments) in PARTIAL_OR_BETTER
    out = capsys.readouterr().out
    assert isinstance(json.loads(out), dict)


def test_a_wrong_scenario_leaves_standard_output_empty_with_json(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["run", "wrong.yaml", "--json"]) == 3
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["explain", "small.yaml"],
        ["report", "run"],
        ["schema"],
        ["--help"],
        ["compare", "run", "run"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_reader_that_goes_away_is_no_error(arguments: list[str], here: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = run(*arguments, stdout=writer, stderr=subprocess.PIPE, capture_output=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("stream", [1, 2])
def test_a_closed_stream_changes_no_exit_code(stream: int, here: Path) -> None:
    for arguments, code in ((("check", "small.yaml"), 0), (("check", "wrong.yaml"), 3)):
        shell = f'"$@" {stream}>&-'
        done = subprocess.run(
            ["sh", "-c", shell, "sh", *program(*arguments)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
def test_a_full_disk_is_exit_code_5_for_results_and_nothing_for_messages(here: Path) -> None:
    with open("/dev/full", "w") as full:
        done = run("check", "small.yaml", stdout=full, stderr=subprocess.PIPE, capture_output=False)
        assert done.returncode == 5
        assert "No space left" in done.stderr
        done = run("check", "wrong.yaml", stderr=full, stdout=subprocess.PIPE, capture_output=False)
        assert done.returncode == 3


def test_a_sweep_goes_on_when_nobody_reads_its_progress(here: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    arguments = ("sweep", "small.yaml", "-x", "chain.seed=0..2", "-o", "s", "--workers", "1")
    done = run(*arguments, stderr=writer, stdout=subprocess.PIPE, capture_output=False)
    os.close(writer)
    assert done.returncode == 0
    assert done.stdout == "3 ok in s\n"


# Environments


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"HOME": "/nonexistent", "LC_ALL": "POSIX"},
        {"COLUMNS": "1", "NO_COLOR": "1"},
        {"COLUMNS": "-4", "TERM": "dumb"},
        {"COLUMNS": "99999999999999999999", "LINES": "0"},
    ],
    ids=lambda environment: " ".join(environment) or "none",
)
def test_any_environment_gives_the_same(environment: dict[str, str], here: Path) -> None:
    (here / "names.yaml").write_text(
        SMALL + "kernel: {early: [{what: Größe \u2028 \U0001f427, size: 2GiB}]}\n", encoding="utf-8"
    )
    done = run("run", "names.yaml", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\033" not in done.stdout
    assert done.stdout == run("run", "names.yaml", env={"LC_ALL": "C.UTF-8"}).stdout


@pytest.mark.parametrize("arguments", [["run"], ["report"], ["compare"], ["verify"], ["import"]])
def test_a_name_that_is_no_text_is_said(arguments: list[str], here: Path) -> None:
    done = run(*arguments, "none-\udcff")
    assert done.returncode == 3
    assert "none-\\udcff" in done.stderr
    assert "bug" not in done.stderr


def test_import_writes_utf_8_in_any_locale(here: Path) -> None:
    (here / "größe").write_text("0-fff : Reserved\n1000-ffffffff : System RAM\n")
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = run("import", "größe", "-o", "made.yaml", env=environment)
    assert done.returncode == 0, done.stderr
    assert call(["check", "made.yaml"]) == 0


# Signals

CRASHED = """
import os, signal, time
def fail(*_, **__):
    for _ in range(2):
        os.kill(os.getpid(), signal.{name})
    time.sleep(60)
import {module} as there
there.{attribute} = fail
from kho_sim.cli import main
main()
"""
"""The command, with work in it during which two signals come: a sweep finishes it after one."""


@pytest.mark.parametrize(
    ("arguments", "work"),
    [
        (["run", "small.yaml"], "kho_sim.chain.run_scenario"),
        (["explain", "small.yaml"], "kho_sim.chain.explain_scenario"),
        (["verify", LOG, "--workers", "1"], "kho_sim.verification.log_check.check_log"),
        (
            ["advise", "small.yaml", "--workers", "1", "-o", "a"],
            "kho_sim.sweeps.engine.Serial.submit",
        ),
        (
            ["sweep", "small.yaml", "--workers", "1", "-o", "s"],
            "kho_sim.sweeps.engine.Serial.submit",
        ),
        (["import", LOG], "kho_sim.logs.importing.import_files"),
        (["plot", "run", "-o", "figures"], "kho_sim.plots.save"),
    ],
    ids=lambda given: given[0] if isinstance(given, list) else "",
)
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_ends_it_with_its_code(
    arguments: list[str], work: str, name: str, code: int, here: Path
) -> None:
    module, _, attribute = work.rpartition(".")
    if module.endswith(".Serial"):
        module, attribute = module.removesuffix(".Serial"), "Serial.submit"
    text = CRASHED.format(name=name, module=module, attribute=attribute)
    done = subprocess.run(
        [sys.executable, "-c", text, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_an_interrupt_while_the_command_loads_is_no_traceback() -> None:
    code = (
        "import sys\n"
        "class Interrupts:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'kho_sim.cli.app': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupts())\n"
        "from kho_sim.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "")
