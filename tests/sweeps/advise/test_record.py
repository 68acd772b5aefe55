"""Advice in its folder: read back, reported and drawn as advice, refused where it is none."""

import json

import pytest

from kho_sim.base.errors import InputError
from kho_sim.cli.app import call
from kho_sim.scenario import loads
from kho_sim.sweeps.advise import advise, is_advice, read_advice
from kho_sim.sweeps.advise.record import FILE, mark_unfinished

TINY = """
description: <b>a tiny host</b>
machine: {memory: 1GiB, cpus: 2}
chain: {boots: 2}
"""


@pytest.fixture(scope="module")
def advice(tmp_path_factory):
    out = tmp_path_factory.mktemp("advice") / "a"
    return advise(loads(TINY), out, shifts=(22, 26), replicates=1, chains=12, workers=1)


def test_what_was_stored_is_read_back(advice):
    assert is_advice(advice.directory)
    assert read_advice(advice.directory) == advice


def test_a_folder_of_advice_is_reported_as_advice(advice, tmp_path, capsys):
    folder = str(advice.directory)
    assert call(["report", folder]) == 0
    assert capsys.readouterr().out.strip() == str(advice)
    assert call(["report", folder, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "kho-sim/advice"
    assert call(["report", folder, "--format", "csv"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].startswith("kho_scratch,strategy,shift,seed,outcome")
    assert len(rows) == 1 + len(advice.trials)
    page = tmp_path / "advice.html"
    assert call(["report", folder, "-o", str(page)]) == 0
    assert page.read_text().count("data:image/svg+xml") == 2
    assert "<b>a tiny" not in page.read_text()


def test_a_folder_of_advice_is_drawn_as_advice(advice, tmp_path, capsys):
    assert call(["plot", str(advice.directory), "-o", str(tmp_path / "figures")]) == 0
    drawn = [name.rpartition("/")[2] for name in capsys.readouterr().out.split()]
    assert drawn == ["survival_by_scratch.png", "recovered_on_advice.png"]


def test_a_search_that_has_not_ended_says_so(tmp_path, capsys):
    mark_unfinished_in(tmp_path)
    with pytest.raises(InputError, match="has not ended"):
        read_advice(tmp_path)
    assert call(["report", str(tmp_path)]) == 3
    assert "the same kho-sim advise goes on from there" in capsys.readouterr().err


def mark_unfinished_in(folder):
    (folder / "unfinished").mkdir()
    mark_unfinished(folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"schema": "kho-sim/advice", "schema_version": 1}', "not of a schema"),
        ('{"schema": "kho-sim/advice", "schema_version": 2}', "damaged"),
    ],
)
def test_a_damaged_file_is_named(text, said, tmp_path):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(InputError, match=said):
        read_advice(tmp_path)


def test_a_changed_value_is_noticed(advice, tmp_path):
    document = json.loads((advice.directory / FILE).read_text())
    document["advised"]["kho_scratch"] = "4M,4M,4M"
    (tmp_path / FILE).write_text(json.dumps(document))
    with pytest.raises(InputError, match="not those that were stored"):
        read_advice(tmp_path)
