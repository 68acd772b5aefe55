"""``examples``: every scenario of the package is listed, can be copied, and stands alone."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from kho_sim.cli.app import call
from kho_sim.scenario import load, shipped

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.stem for path in (ROOT / "scenarios").glob("*.yaml"))


def test_every_scenario_is_listed_with_the_first_line_of_its_description(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(["examples"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == NAMES
    for name, line in zip(NAMES, lines, strict=True):
        first = load(ROOT / "scenarios" / f"{name}.yaml").description.splitlines()[0]
        assert line.partition(" ")[2].strip() == first != ""


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_stands_alone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(["examples", name, "-o", "copy.yaml"]) == 0
    assert capsys.readouterr().out == ""
    assert Path("copy.yaml").read_bytes() == (ROOT / "scenarios" / f"{name}.yaml").read_bytes()
    assert call(["check", "copy.yaml"]) == 0


def test_one_is_printed_as_it_is_and_a_file_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = ROOT / "scenarios/small-host.yaml"
    assert call(["examples", "small-host.yaml"]) == 0
    assert capsys.readouterr().out == file.read_text()
    mine = tmp_path / "mine.yaml"
    mine.write_text("mine")
    assert call(["examples", "small-host", "-o", str(mine)]) == 2
    assert mine.read_text() == "mine"
    assert call(["examples", "small-host", "-o", str(mine), "--force"]) == 0
    assert mine.read_text() == file.read_text()


def test_a_name_that_none_has_says_which_is_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["examples", "smal-host"]) == 3
    message = capsys.readouterr().err
    assert "'smal-host' is no scenario of the package; accepted: aging, " in message
    assert message.endswith("nearest: small-host\n")
    assert call(["examples", "-o", "mine.yaml"]) == 2


def test_a_wheel_has_them_where_they_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = recipe["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included == {shipped.FOLDER_OF_CHECKOUT: f"kho_sim/{shipped.FOLDER_OF_WHEEL}"}
    monkeypatch.setattr(shipped, "PACKAGE", tmp_path / "kho_sim")
    assert shipped.shipped_scenarios() == {}
    assert call(["examples", "aging"]) == 3
    assert "has no scenarios" in capsys.readouterr().err
    installed = tmp_path / included["scenarios"]
    installed.mkdir(parents=True)
    (installed / "one.yaml").write_text("machine: {memory: 1GiB}\n")
    assert call(["examples", "one"]) == 0
    assert capsys.readouterr().out == "machine: {memory: 1GiB}\n"
