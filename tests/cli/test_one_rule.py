"""What several verbs take is read by one rule, whichever verb it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import kho_sim as ks
from kho_sim.base.errors import ScenarioError
from kho_sim.cli.app import call

SMALL = "machine: {memory: 1GiB}\nchain: {boots: 1}\n"
VERBS = (["run"], ["sweep", "-x", "chain.seed=0..1", "--dry-run"], ["advise"])


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
@pytest.mark.parametrize(
    "twice",
    [
        ["chain.boots=1", "chain.boots=2"],
        ["kho.ext_shift=28", "kernel.extend.shift=28"],
        ["workload.0.size=1MiB", "workload[0].size=1MiB"],
    ],
)
def test_a_place_that_is_set_twice_is_refused(
    verb: list[str], twice: list[str], scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *more = verb
    settings = [word for text in twice for word in ("-s", text)]
    assert call([first, str(scenario), *more, *settings]) == 2
    message = capsys.readouterr().err
    assert "-s" in message
    assert f"'{twice[0]}' and '{twice[1]}' are about the same place" in message


@pytest.mark.parametrize(
    "arguments", [["--seed", "1", "-s", "chain.seed=1"], ["--no-twin", "-s", "chain.twin=true"]]
)
def test_a_short_form_and_the_setting_it_stands_for_exclude_each_other(
    arguments: list[str], scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["run", str(scenario), *arguments]) == 2
    message = capsys.readouterr().err
    assert arguments[0] in message
    assert arguments[-1] in message


@pytest.mark.parametrize("verb", [*VERBS, ["check"], ["explain"]], ids=lambda verb: verb[0])
def test_an_unknown_name_in_expect_is_refused_at_its_place(
    verb: list[str], scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario.write_text(f"{SMALL}expect: {{failurs: 0}}\n")
    first, *more = verb
    assert call([first, str(scenario), *more]) == 3
    message = capsys.readouterr().err
    assert f"{scenario}:3:10: expect.failurs: no result of a run has this name" in message
    assert "nearest: failures" in message


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
def test_an_unknown_name_in_expect_is_refused_in_a_setting(
    verb: list[str], scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *more = verb
    assert call([first, str(scenario), *more, "-s", "expect.failurs=0"]) == 3
    assert "failurs" in capsys.readouterr().err


@pytest.mark.parametrize(
    "verb", ["run", "check", "explain", "cost", "advise", "report", "plot -o drawn"]
)
def test_what_only_the_building_finds_has_its_place_too(
    verb: str, scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The image of a first kernel would lie across a hole at 18 MiB."""
    ranges = "[{start: 1MiB, end: 18MiB}, {start: 19MiB, end: 256MiB}]"
    scenario.write_text(f"machine: {{memory_map: {ranges}}}\nchain: {{boots: 2}}\n")
    first, *more = verb.split()
    assert call([first, str(scenario), *more]) == 3
    message = capsys.readouterr().err
    assert message.startswith(f"{scenario}:1:23: machine.memory_map: no memory for a cold boot 0")
    assert "its image would lie at 0x1000000-0x187f000" in message


@pytest.mark.parametrize("setting", ["kernel.command_line=mem=1M", "kernel={command_line: mem=1M}"])
def test_what_the_building_finds_of_a_setting_is_said_of_the_option(
    setting: str, scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario.write_text(f"{SMALL}kernel: {{command_line: quiet}}\n")
    assert call(["run", str(scenario), "-s", setting]) == 3
    expected = "-s: kernel.command_line: mem= and memmap= leave no memory"
    assert capsys.readouterr().err.startswith(expected)


@pytest.mark.parametrize("door", [ks.run, ks.explain, ks.cost, ks.advise])
def test_a_file_has_its_places_from_python_too(
    door: Callable[[Path], object], scenario: Path
) -> None:
    scenario.write_text("machine: {memory: 1GiB}\n\nkernel: {command_line: mem=1M}\n")
    with pytest.raises(ScenarioError, match=r"small.yaml:3:24: kernel.command_line: mem= and"):
        door(scenario)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("chain: {boots: 1}", "3:16: chain.boots: the chain has one kernel"),
        ("kernel: {command_line: kho=off}", "3:24: kernel.command_line: KHO is off"),
    ],
)
def test_what_advice_can_not_answer_has_its_place(
    text: str, place: str, scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = "machine: {memory: 1GiB}\n\n"
    scenario.write_text(f"{machine}{text}\n")
    assert call(["advise", str(scenario)]) == 3
    assert capsys.readouterr().err.startswith(f"{scenario}:{place}")
