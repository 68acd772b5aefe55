"""The verbs ``sweep`` and ``compare``: what they print where, and their exit codes."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kho_sim.cli.app import call
from kho_sim.sweeps import open_stored, open_sweep
from tests.sweeps.conftest import TINY


@pytest.fixture
def scenario(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY)
    return "tiny.yaml"


def test_a_sweep_prints_one_document_and_keeps_the_rest_on_stderr(scenario, capsys):
    words = ["sweep", scenario, "-x", "kho.ext_shift=22..25", "-s", "chain.boots=3", "-o", "s"]
    assert call([*words, "--replicates", "2", "--workers", "1", "--json"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert (document["schema"], document["states"]) == ("kho-sim/sweep-result", {"ok": 8})
    assert "8/8 runs" in err
    assert open_sweep("s").runs()["boots"].eq(3).all()


def test_without_a_place_the_same_command_finds_its_sweep_again(scenario, capsys):
    for values in ("22,24", "22..24"):
        assert call(["sweep", scenario, "-x", f"kho.ext_shift={values}", "--workers", "1"]) == 0
    (place,) = os.listdir("runs")
    assert place.startswith("tiny-")
    assert open_sweep(f"runs/{place}").counts() == {"ok": 3}


def test_a_terminal_has_a_bar_only_while_there_is_something_to_run(scenario, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def shown(values):
        monkeypatch.setattr(sys, "stderr", Terminal())
        call(["sweep", scenario, "-x", f"chain.boots={values}", "-o", "s", "--workers", "1"])
        return sys.stderr.getvalue()

    monkeypatch.setenv("TERM", "xterm")
    assert "2/2" in shown("2,3")
    assert "/" not in shown("2,3").replace("kho-sim report s", "")
    assert shown("x").startswith("sweep: chain.boots: found 'x'")


def test_zip_and_points(scenario, capsys):
    axes = ["-x", "kho.ext_shift=22,24", "-x", "chain.boots=2,3"]
    assert call(["sweep", scenario, *axes, "--zip", "-o", "z", "--workers", "1"]) == 0
    assert sorted(open_sweep("z").design()[open_sweep("z").keys].itertuples(index=False)) == [
        (22, 2),
        (24, 3),
    ]
    with open("points.csv", "w") as file:
        file.write("kernel.extend.shift\n22\n24\n")
    words = ["--points", "points.csv", "-x", "chain.boots=2,3", "-o", "p", "--workers", "1"]
    assert call(["sweep", scenario, *words]) == 0
    assert open_sweep("p").counts() == {"ok": 4}


def test_a_dry_run_prints_its_plan_and_writes_nothing(scenario, capsys):
    words = ["sweep", scenario, "-x", "kho.ext_shift=22..31", "-o", "s", "--workers", "2"]
    assert call([*words, "--dry-run", "--run-seconds", "3", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["runs"], plan["done"], plan["to_run"], plan["seconds"]) == (10, 0, 10, 15)
    assert plan["size_bytes"] > 0
    assert not os.path.exists("s")
    assert call(["sweep", scenario, "-x", "kho.ext_shift=22..24", "-o", "s", "--workers", "1"]) == 0
    assert call([*words, "--dry-run"]) == 0
    assert "10 runs, 3 of them done: 7 to run" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["-x", "kernel.extend.shift=21..99"], 3, "kernel.extend.shift"),
        (["-x", "kernel.extend.shfit=21"], 3, "nearest"),
        (["-x", "kernel.extend.shift"], 2, "is not key=value"),
        (["-x", "chain.boots=2", "-x", "chain.boots=3"], 2, "the same place"),
        (["-x", "chain.boots=5..2"], 2, "count upwards"),
        (["-x", "chain.boots=2,3", "-x", "chain.seed=1", "--zip"], 3, "chain.boots has 2"),
        (["--shard", "0/4"], 2, "from 1 to N"),
        (["--shard", "5/4"], 2, "from 1 to N"),
        (["--retry", "ok"], 2, "failed or lost"),
        (["--scheduler", "nowhere.json"], 5, "scheduler file nowhere.json is not there"),
    ],
)
def test_mistakes_are_reported_before_anything_runs(scenario, capsys, words, code, message):
    assert call(["sweep", scenario, "-o", "s", *words]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert not os.path.exists("s/runs") or not os.listdir("s/runs")


def test_failed_runs_give_exit_code_4_and_their_seed(scenario, capsys, monkeypatch):
    words = ["sweep", scenario, "-x", "kho.ext_shift=22..25", "-o", "s", "--workers", "1"]
    with monkeypatch.context() as broken:
        broken.setattr("kho_sim.sweeps.worker.with_values", fails_for(24))
        assert call(words) == 4
    out, err = capsys.readouterr()
    assert "3 ok, 1 failed" in out
    assert "seed 5: ArithmeticError: broken on purpose" in err
    assert call(words) == 4
    assert call([*words, "--retry", "failed"]) == 0


def fails_for(shift):
    from kho_sim.scenario import with_values

    def fails(scenario, values):
        if values.get("kernel.extend.shift") == shift:
            raise ArithmeticError("broken on purpose")
        return with_values(scenario, values)

    return fails


def test_ctrl_c_stores_what_is_done_and_prints_how_to_go_on(scenario):
    words = ["sweep", scenario, "-x", "kho.ext_shift=22..33", "-x", "chain.seed=0..49"]
    command = [sys.executable, "-m", "kho_sim", *words, "--workers", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    end = time.monotonic() + 60
    while not list(Path("runs").glob("*/runs/*.parquet")):
        assert time.monotonic() < end
        time.sleep(0.01)
    before = len(list(Path("runs").glob("*/runs/*.parquet")))
    # As a terminal does: to the whole group, workers and all.
    os.killpg(process.pid, signal.SIGINT)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in message
    assert len(list(Path("runs").glob("*/runs/*.parquet"))) > before, "batches were thrown away"
    (place,) = os.listdir("runs")
    assert f"-x chain.seed=0..49 --workers 2 -o runs/{place}" in message


def test_compare_prints_a_table_or_a_document(scenario, capsys):
    words = ["-x", "kho.ext_shift=22,26", "-x", "chain.seed=0..4", "-o", "s", "--workers", "1"]
    assert call(["sweep", scenario, *words]) == 0
    capsys.readouterr()
    choice = ["--a", "kho.ext_shift=22", "--b", "kho.ext_shift=26"]
    assert call(["compare", "s", *choice]) == 0
    text = capsys.readouterr().out
    assert "5 pairs, by chain.seed, replicate" in text
    assert "extended_bytes_min" in text
    assert call(["compare", "s", "s", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["pairs"]) == ("kho-sim/compare", 10)
    assert call(["compare", "s", "nowhere"]) == 3


def test_two_single_runs_are_one_pair(scenario, capsys):
    assert call(["run", scenario, "-o", "a"]) == 0
    assert call(["run", scenario, "-s", "chain.boots=3", "-o", "b"]) == 0
    capsys.readouterr()
    assert call(["compare", "a", "b", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (boots,) = [one for one in document["differences"] if one["name"] == "boots"]
    assert (document["pairs"], boots["mean_difference"], boots["low"]) == (1, 1, None)
    assert open_stored("a").outcome.kind == "completed"
