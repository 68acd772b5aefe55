"""The study of arm64's page sizes on its smallest machine, from the sweep to its table."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from kho_sim.scenario import from_dict
from kho_sim.sweeps import sweep
from studies.page_sizes.__main__ import command
from studies.page_sizes.cases import CASES, GIB, SHIFTS, base_scenario, points
from studies.page_sizes.tables import page_sizes_table, study_table

NAMES = ("4 KiB, 32 MiB pages", "16 KiB, memfds", "64 KiB, 512 MiB pages")


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    few = [point for point in points(16 * GIB) if point["description"] in NAMES]
    return study_table(
        sweep(from_dict(base_scenario()), few, tmp_path_factory.mktemp("study"), workers=1)
    )


def recovered(rows, name, strategy="blocks"):
    chosen = rows[(rows["case"] == name) & (rows["strategy"] == strategy)]
    return dict(zip(chosen["shift"], chosen["recovered_share"], strict=True))


def test_smaller_blocks_recover_more_whatever_the_page_size(rows):
    for name in NAMES:
        by_shift = recovered(rows, name)
        assert sorted(by_shift) == list(SHIFTS)
        shares = [by_shift[shift] for shift in SHIFTS]
        assert shares == sorted(shares, reverse=True)
        assert shares[0] > 0.99
        assert shares[SHIFTS.index(30)] < 0.95


def test_blocks_below_a_gigantic_page_lose_none(rows):
    chosen = rows[(rows["strategy"] == "blocks") & (rows["shift"] <= 30)]
    assert (chosen["gigantic_pages_allocated"] == chosen["gigantic_pages_requested"]).all()
    assert set(chosen["gigantic_pages_requested"]) == {0, 6, 192}


def test_blocks_of_the_gigantic_size_are_coarse_where_only_1_gib_is_gigantic(rows):
    assert recovered(rows, "4 KiB, 32 MiB pages", "gigantic-blocks").keys() == {25}
    assert recovered(rows, "16 KiB, memfds", "gigantic-blocks").keys() == {30}
    assert recovered(rows, "64 KiB, 512 MiB pages", "gigantic-blocks").keys() == {30}


def test_the_table_has_a_row_for_each_case(rows):
    lines = page_sizes_table(rows).splitlines()
    assert len(lines) == 2 + len(NAMES)
    assert lines[2].startswith("| 4 KiB, 32 MiB pages | 16 GiB |")
    assert lines[2].count("of 192") == 1


def test_the_command_writes_its_table(tmp_path, monkeypatch):
    monkeypatch.setattr("studies.page_sizes.cases.CASES", CASES[-1:])
    monkeypatch.setattr("studies.page_sizes.cases.CPUS_OF", {16 * GIB: 4})
    options = ["-o", str(tmp_path / "runs"), "--small", "--workers", "1"]
    done = CliRunner().invoke(command, [*options, "--results", str(tmp_path / "page")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "page" / "page_sizes.md").read_text() in done.output + "\n"
    assert (tmp_path / "page" / "study.csv").exists()
