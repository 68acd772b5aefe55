"""Every document that is printed or stored is what its schema says, and no other one is."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from kho_sim.cli.app import call
from kho_sim.scenario.shipped import SCHEMA_FILE
from kho_sim.schemas import SCHEMAS, schema_of
from kho_sim.schemas.types import of_type

ROOT = Path(__file__).parents[2]
LOG = str(ROOT / "tests/recorded/machine-1G.log.xz")
FIRST_LINE = f"# yaml-language-server: $schema={SCHEMA_FILE}"
SCENARIO = """\
machine: {memory: 1GiB}
kernel: {command_line: "hugepagesz=1G hugepages=1"}
workload: [{kind: memfd, size: 4MiB}]
chain: {boots: 3, on_failure: cold_boot}
faults: [{kind: panic, boot: 1, phase: serve}]
"""
COMMANDS = {
    "run": ["run", "one.yaml", "--json", "-o", "run"],
    "cost": ["cost", "one.yaml", "--json"],
    "verify": ["verify", LOG, "--json"],
    "advice": ["advise", "one.yaml", "--shifts", "24", "--replicates", "1", "--workers", "0",
               "--chains", "8", "--json", "-o", "advice"],
    "blackout-advice": ["advise", "one.yaml", "--blackout", "1s", "--json"],
    "sweep-plan": ["sweep", "one.yaml", "-x", "chain.seed=0..1", "--workers", "0", "-o", "sweep",
                   "--dry-run", "--json"],
    "sweep-result": ["sweep", "one.yaml", "-x", "chain.seed=0..1", "--workers", "0", "-o", "sweep",
                     "--json"],
    "sweep-report": ["report", "sweep", "--format", "json"],
    "compare": ["compare", "sweep", "sweep", "--json"],
}  # fmt: skip
"""Schema -> a command that prints a document of it; later ones read what earlier ones stored."""
STORED = {
    "stored-run": "run/run.json",
    "stored-sweep": "sweep/manifest.json",
    "stored-advice": "advice/advice.json",
}


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A document of each schema, by the schema's name, as the commands print and store them."""
    folder = tmp_path_factory.mktemp("documents")
    (folder / "one.yaml").write_text(SCENARIO)
    found = {}
    with chdir(folder):
        for name, words in COMMANDS.items():
            with redirect_stdout(StringIO()) as printed:
                call(words)
            found[name] = json.loads(printed.getvalue())
    return found | {name: json.loads((folder / file).read_text()) for name, file in STORED.items()}


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one_and_has_an_id_of_its_own(name: str) -> None:
    schema = schema_of(name)
    Draft7Validator.check_schema(schema)
    assert schema["$id"].startswith(f"urn:kho-sim:{name}:")


@pytest.mark.parametrize("name", [name for name in SCHEMAS if name != "scenario"])
def test_a_document_is_what_its_schema_says(name: str, documents: dict[str, Any]) -> None:
    check, document = Draft7Validator(schema_of(name)), documents[name]
    assert [error.message for error in check.iter_errors(document)] == []
    assert not check.is_valid({**document, "unheard_of": 1})
    assert not check.is_valid({**document, "schema_version": 99})
    assert not check.is_valid({"schema": document["schema"], "schema_version": 1})


def test_the_chain_has_something_of_everything(documents: dict[str, Any]) -> None:
    run = documents["run"]
    assert all(run[key] for key in ("boots", "incidents", "failures", "twin", "summary"))


def test_numbers_and_names_inside_are_held_too(documents: dict[str, Any]) -> None:
    check, run = Draft7Validator(schema_of("run")), documents["run"]
    boot = run["boots"][0]
    for wrong in ({"extended_bytes": "1 GiB"}, {"extendedbytes": 1}, {"scratch_areas": [[1]]}):
        assert not check.is_valid({**run, "boots": [{**boot, **wrong}]})
    assert check.is_valid({**run, "boots": [boot]})


def test_a_log_and_too_many_busy_blocks_are_of_the_schema_of_run(
    documents: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["report", LOG, "--format", "json"]) == 0
    log = json.loads(capsys.readouterr().out)
    check = Draft7Validator(schema_of("run"))
    assert [error.message for error in check.iter_errors(log)] == []
    spans = {"busy_blocks": None, "busy_block_bytes": 2 << 20, "busy_spans": [[0, 2 << 20]]}
    assert check.is_valid({**log, "boots": [{**log["boots"][0], **spans}]})


def test_a_search_for_advice_that_has_not_ended_is_stored_advice() -> None:
    head = {"schema": "kho-sim/advice", "schema_version": 3, "state": "unfinished"}
    assert Draft7Validator(schema_of("stored-advice")).is_valid({**head, "sha256": "0" * 64})


def test_every_shipped_scenario_names_the_schema_beside_it_to_editors() -> None:
    files = sorted((ROOT / "scenarios").glob("*.yaml"))
    assert files
    assert {file.read_text().splitlines()[0] for file in files} == {FIRST_LINE}


def test_the_schema_beside_the_scenarios_is_that_of_this_version() -> None:
    # Another process: a test of plug-ins may have registered kinds of workload in this one.
    command = [sys.executable, "-m", "kho_sim", "schema"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    committed = (ROOT / "scenarios" / SCHEMA_FILE).read_text()
    assert committed == printed, f"make docs, or kho-sim schema -o scenarios/{SCHEMA_FILE}"


def test_a_copied_scenario_gets_the_schema_that_its_first_line_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(["examples", "small-host", "-o", "mine/one.yaml"]) == 0
    copied = Path("mine") / SCHEMA_FILE
    assert copied.read_text() == (ROOT / "scenarios" / SCHEMA_FILE).read_text()
    copied.write_text("mine")
    assert call(["examples", "aging", "-o", "mine/two.yaml"]) == 0
    assert copied.read_text() == "mine"


def test_the_verb_prints_writes_and_lists(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["schema", "cost"]) == 0
    assert json.loads(capsys.readouterr().out) == schema_of("cost")
    assert call(["schema", "run", "-o", str(tmp_path / "run.json")]) == 0
    assert json.loads((tmp_path / "run.json").read_text()) == schema_of("run")
    assert call(["schema", "--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(SCHEMAS)
    assert call(["schema", "advise"]) == 3
    assert "nearest: advice" in capsys.readouterr().err


def test_a_type_that_no_schema_says_is_refused() -> None:
    assert of_type(dict[str, tuple[int, ...]]) == {
        "type": "object",
        "additionalProperties": {"type": "array", "items": {"type": "integer"}},
    }
    with pytest.raises(TypeError, match="no schema for"):
        of_type(Path)
