"""The package as its users hold it: paths and scenarios, what is shown, and what is raised."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import kho_sim as ks
from kho_sim.cli.app import call

RECORDED = Path(__file__).parents[1] / "recorded"
LOG = RECORDED / "machine-1G.log.xz"
SMALL = (
    "description: <small> & quick\n"
    "machine: {memory: 1GiB}\n"
    "workload: [{kind: memfd, size: 4MiB}]\n"
    "chain: {boots: 2, seed: 3}\n"
)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "small.yaml"
    file.write_text(SMALL)
    return file


def test_run_and_explain_take_a_path_or_a_scenario(path: Path) -> None:
    scenario = ks.load(path)
    digests = {ks.run(given).digest for given in (path, str(path), scenario)}
    assert len(digests) == 1
    assert ks.run(path, seed=4).provenance["seed"] == 4
    assert str(ks.explain(path)) == str(ks.explain(scenario))


def test_what_is_saved_opens_as_it_was(path: Path) -> None:
    trace = ks.run(path)
    ks.save(trace, "first")
    opened = ks.open("first")
    assert isinstance(opened, ks.Trace)
    assert opened.digest == trace.digest


def test_a_sweep_finds_its_own_folder_again(path: Path) -> None:
    axes = {"chain.seed": range(2)}
    first = ks.sweep(path, axes, workers=0)
    assert first.directory.parent == Path("runs")
    assert first.directory.name.startswith("small-")
    assert ks.sweep(path, axes, workers=0).directory == first.directory
    assert ks.sweep(path, {"chain.boots": [1]}, workers=0).directory != first.directory
    assert ks.sweep(ks.load(path), axes, workers=0).counts() == {"ok": 2}
    opened = ks.open(first.directory)
    assert isinstance(opened, ks.Sweep)


@pytest.mark.parametrize("verb", ["explain", "verify", "import"])
def test_an_object_prints_what_its_verb_prints(
    verb: str, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"explain": path}.get(verb, LOG)
    made = {
        "explain": lambda: ks.explain(path),
        "verify": lambda: ks.verify([LOG]),
        "import": lambda: ks.import_machine([LOG]),
    }[verb]()
    assert call([verb, str(given)]) == 0
    assert capsys.readouterr().out.strip() == str(made).strip()
    assert len(repr(made)) < 250
    assert made._repr_html_().startswith("<pre ")


def test_verify_has_the_document_of_the_verb_and_says_what_it_refused(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = ks.verify([LOG, path])
    assert [one.path for one in found.refused] == [str(path)]
    assert "1 refused" in repr(found)
    assert "small.yaml" in found._repr_html_()
    assert found.failing() == []
    assert call(["verify", str(LOG), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(found.document))


def test_an_imported_machine_runs(path: Path) -> None:
    imported = ks.import_machine([LOG])
    scenario = imported.to_scenario()
    assert scenario == ks.loads(imported.to_yaml())
    assert ks.run(scenario).outcome.kind == "completed"


def test_sources_that_disagree_make_no_scenario_unless_asked(tmp_path: Path) -> None:
    iomem = tmp_path / "iomem"
    iomem.write_text("00001000-0009fbff : System RAM\n00100000-1fffffff : System RAM\n")
    imported = ks.import_machine([LOG, iomem])
    assert [found.key for found in imported.disagreements] == ["machine.memory_map"]
    with pytest.raises(ks.InputError, match=r"disagree on machine\.memory_map"):
        imported.to_scenario()
    assert imported.to_scenario(lenient=True) == ks.import_machine([LOG]).to_scenario().model_copy(
        update={
            "description": imported.scenario["description"],
            "sources": tuple(imported.scenario["sources"]),
        }
    )


def test_a_scenario_is_shown_in_one_line_and_printed_as_its_file(path: Path) -> None:
    scenario = ks.load(path)
    assert repr(scenario) == (
        "<Scenario '<small> & quick': 1 GiB, 4 CPUs, 1 node; release 7.3, extension blocks, "
        "shift 30; memfd; 2 boots of 1h 00m, seed 3>"
    )
    assert ks.loads(str(scenario)) == scenario
    shown = scenario._repr_html_()
    assert "<table>" in shown
    assert "&lt;small&gt; &amp; quick" in shown
    assert "faults" not in shown
    long = ks.with_values(scenario, {"description": "word " * 1000, "chain.boots": 3})
    assert len(repr(long)) < 300


def test_a_sweep_is_shown_in_one_line_also_when_it_is_damaged(path: Path) -> None:
    sweep = ks.sweep(path, {"chain.seed": range(2)}, out="swept", workers=0)
    assert repr(sweep) == (
        "<Sweep 'swept': scenario: <small> & quick, varied: chain.seed, runs: 2 ok>"
    )
    assert "<td" in sweep._repr_html_()
    Path("swept/manifest.json").write_text("{")
    assert "not readable" in repr(sweep)


def test_advice_prints_what_its_verb_prints(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    advice = ks.advise(path, shifts=[24, 30], replicates=1, workers=0)
    assert advice.directory.name.startswith("advise-small-")
    words = ["--shifts", "24,30", "--replicates", "1", "--workers", "0"]
    assert call(["advise", str(path), *words]) == 0
    assert capsys.readouterr().out.strip() == str(advice)
    assert call(["advise", str(path), *words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(advice.document))
    assert len(repr(advice)) < 200
    tried = ks.advise(path, shifts=[24], replicates=1, workers=0, tries=["32M,64M,64M"])
    assert str(tried.tried[0]) == "32M,64M,64M"


def test_what_public_functions_raise_is_public(path: Path) -> None:
    for error in (ks.ScenarioError, ks.TraceError, ks.InputError, ks.EngineError, ks.ModelError):
        assert issubclass(error, ks.KhoSimError)
    assert issubclass(ks.SweepInterrupted, KeyboardInterrupt)
    with pytest.raises(ks.ScenarioError) as refused:
        ks.run("nowhere.yaml")
    assert isinstance(refused.value.problems[0], ks.Problem)
    with pytest.raises(ks.TraceError):
        ks.read_log(path)
    with pytest.raises(ks.EngineError):
        ks.save(ks.run(path), path.parent)
    with pytest.raises(ks.ScenarioError, match="the same place"):
        ks.with_values(ks.load(path), {"kho.ext_shift": 28, "kernel.extend.shift": 28})
    assert ks.read_log is ks.read_boot_log
