"""The study on its smallest machine, from the sweep to the page."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from click.testing import CliRunner

from kho_sim.base.errors import InputError
from studies.block_size.__main__ import command
from studies.block_size.cases import FINE_SHIFTS, SHIFTS, Machine
from studies.block_size.figures import STYLES, prices
from studies.block_size.page import write_results
from studies.block_size.running import run_study, study_table
from studies.block_size.tables import choice_table, recovered_table, strategies_table

GIB = 1 << 30
TINY = (Machine(GIB, 2, 1, 1),)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    return run_study(folder, machines=TINY, workloads=["memfd-4k", "fragmented"], workers=1)


@pytest.fixture(scope="module")
def rows(study):
    return study_table(study)


def test_every_what_if_is_tried_at_the_last_boot_of_each_case(rows):
    what_ifs = 2 * len(SHIFTS) + len(FINE_SHIFTS) + 3
    assert rows.groupby("workload", sort=False).size().to_dict() == {
        "memfd-4k": what_ifs,
        "fragmented": what_ifs,
    }
    last = rows.groupby("workload")["boot"].unique()
    assert [list(boots) for boots in last] == [[7], [2]]


def test_what_is_recovered_is_a_part_of_what_can_be(rows):
    shares = rows["recovered_bytes"] / rows["recoverable_bytes"]
    assert (shares >= 0).all()
    assert (shares <= 1).all()
    assert set(shares[rows["strategy"] == "reserve-early"]) == {1}
    assert set(shares[rows["strategy"] == "none"]) == {0}


def test_smaller_blocks_recover_no_less(rows):
    blocks = rows[rows["strategy"] == "blocks"].sort_values("shift")
    for _, case in blocks.groupby("workload"):
        assert case["recovered_bytes"].is_monotonic_decreasing


def test_skipping_recovers_the_same_in_less_time(rows):
    keys = ["workload", "shift"]
    both = rows[rows["strategy"] == "blocks"].merge(
        rows[rows["strategy"] == "blocks-skip"], on=keys, suffixes=("", "_skip")
    )
    assert (both["recovered_bytes"] == both["recovered_bytes_skip"]).all()
    assert (both["extend_ns"] > both["extend_ns_skip"]).all()


def test_tables_say_what_the_rows_say(rows):
    head, _, *lines = choice_table(rows).splitlines()
    assert head.startswith("| machine | 90% recovered |")
    assert len(lines) == 1
    assert lines[0].split("|")[1].strip() == "1 GiB"
    at_1_gib = rows[(rows["strategy"] == "blocks") & (rows["shift"] == 30)]
    assert (at_1_gib["recovered_bytes"] == 0).all()
    assert re.search(r"\| 0% \|", recovered_table(rows))
    assert strategies_table(rows).count("| reserve-early |") == 2


def test_results_are_written_and_a_done_study_runs_nothing_again(study, tmp_path):
    written = write_results(study, tmp_path)
    assert {path.name for path in written} == {
        "recovered.md", "strategies.md", "choice.md", "recovered.png", "prices.png", "study.csv",
    }  # fmt: skip
    assert len(pd.read_csv(tmp_path / "study.csv")) == len(study_table(study))
    before = sorted(study.directory.rglob("*.parquet"))
    again = run_study(
        study.directory, machines=TINY, workloads=["memfd-4k", "fragmented"], workers=1
    )
    assert sorted(study.directory.rglob("*.parquet")) == before
    assert again.counts() == {"ok": 2}


def test_the_patchs_own_line_shows_beside_those_that_lie_on_it(rows):
    drawn = [axes.lines for axes in prices(rows).axes]
    assert drawn
    for lines in drawn:
        own, *others = (line for line in lines if line.get_label() in STYLES)
        assert own.get_label() == "blocks"
        assert all(own.get_linewidth() > 3 * other.get_linewidth() for other in others)
        assert all(own.get_zorder() <= other.get_zorder() for other in others)


def test_an_unknown_workload_is_answered_with_the_nearest(tmp_path):
    with pytest.raises(InputError, match="nearest: memfd-4k"):
        run_study(tmp_path, workloads=["memfd4k"])


def test_the_command_runs_the_cases_and_writes_the_results(study, tmp_path, monkeypatch):
    monkeypatch.setattr("studies.block_size.__main__.MACHINES", TINY)
    where = ["--out", str(study.directory), "--results", str(tmp_path)]
    chosen = ["--workload", "memfd-4k", "--workload", "fragmented", "--workers", "1"]
    result = CliRunner().invoke(command, [*where, *chosen])
    assert result.exit_code == 0
    assert (tmp_path / "choice.md").read_text() in result.output
    assert str(tmp_path / "prices.png") in result.output


def test_the_command_says_what_it_cannot_run(tmp_path):
    result = CliRunner().invoke(command, ["--out", str(tmp_path), "--workload", "memfd4k"])
    assert result.exit_code == 1
    assert "nearest: memfd-4k" in result.output
