"""What several verbs take is read by one rule, whichever verb it is."""

from __future__ import annotations

from pathlib import Path

import pytest

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


@pytest.mark.parametrize("verb", ["run", "check", "explain", "cost", "advise"])
def test_what_only_the_building_finds_has_its_place_too(
    verb: str, scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The image of a first kernel would lie across a hole at 18 MiB."""
    ranges = "[{start: 1MiB, end: 18MiB}, {start: 19MiB, end: 256MiB}]"
    scenario.write_text(f"machine: {{memory_map: {ranges}}}\nchain: {{boots: 2}}\n")
    assert call([verb, str(scenario)]) == 3
    message = capsys.readouterr().err
    assert message.startswith(f"{scenario}:1:23: machine.memory_map: no memory for a cold boot 0")
    assert "its image would lie at 0x1000000-0x187f000" in message
