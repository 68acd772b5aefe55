"""``kho-sim plot``: what it takes, what it writes, what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kho_sim.cli import plot
from kho_sim.cli.app import call
from kho_sim.plots import FORMATS
from kho_sim.runs.store import save_run
from tests.plots.test_comparisons import document
from tests.plots.traces import ROOT, SMALL, small


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_scenario_and_its_stored_run_give_the_same_files(tmp_path: Path, capsys) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    save_run(small(), tmp_path / "run")
    chosen = ["--figure", "failures", "--figure", "tree"]
    for source, out in (("small.yaml", "a"), ("run", "b")):
        assert call(["plot", str(tmp_path / source), "-o", str(tmp_path / out), *chosen]) == 0
    assert names(tmp_path / "a") == {"failures.png", "tree.png"}
    for name in names(tmp_path / "a"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert capsys.readouterr().out.split() == [
        str(tmp_path / out / name) for out in "ab" for name in ("failures.png", "tree.png")
    ]


def test_a_log_without_facts_leaves_figures_out_and_says_so(tmp_path: Path, capsys) -> None:
    log = str(ROOT / "tests" / "recorded" / "huge58-64G.log.xz")
    assert call(["plot", log, "-o", str(tmp_path)]) == 0
    assert "memory_map.png" in names(tmp_path)
    assert "tree.png" not in names(tmp_path)
    assert "tree is left out" in capsys.readouterr().err
    asked = ["--figure", "memory_map", "--figure", "tree"]
    assert call(["plot", log, "-o", str(tmp_path / "asked"), *asked]) == 3
    assert "Traceback" not in capsys.readouterr().err
    assert not (tmp_path / "asked").exists()


def test_graphs_are_written_when_asked_for(tmp_path: Path) -> None:
    save_run(small(), tmp_path / "run")
    arguments = ["--figure", "tree", "--graphs"]
    assert call(["plot", str(tmp_path / "run"), "-o", str(tmp_path / "out"), *arguments]) == 0
    stems = ("lineage", "tree-1", "tree-2")
    wanted = {f"{stem}.{ending}" for stem in stems for ending in ("dot", "graphml")}
    assert names(tmp_path / "out") == {"tree.png", *wanted}


def test_a_verification_is_drawn_from_its_document(tmp_path: Path) -> None:
    (tmp_path / "verify.json").write_text(json.dumps(document()))
    assert call(["plot", str(tmp_path / "verify.json"), "-o", str(tmp_path / "out")]) == 0
    assert names(tmp_path / "out") == {"predicted_observed.png"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere", "-o", "out"], 3, "nowhere"),
        (["nowhere.json", "-o", "out"], 3, "nowhere"),
        (["run"], 2, "--out"),
        (["run", "-o", "out", "--figure", "memory_mop"], 2, "memory_map"),
        (["run", "-o", "out", "--format", "gif"], 2, "svg"),
    ],
)
def test_wrong_use_and_wrong_input_differ_in_exit_codes(
    arguments: list[str], code: int, said: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    save_run(small(), tmp_path / "run")
    assert call(["plot", *arguments]) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_verb_knows_the_formats_without_loading_matplotlib() -> None:
    assert plot.FORMATS == FORMATS
