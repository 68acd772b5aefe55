"""The second study on its smallest machine, from the sweep to its tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from kho_sim.base.words import RETRIEVALS
from kho_sim.scenario import from_dict
from kho_sim.sweeps import sweep
from studies.retrieval import recorded
from studies.retrieval.__main__ import TABLES, command
from studies.retrieval.cases import CASES, EXTENSIONS, GIB, MACHINES, base_scenario, points_of
from studies.retrieval.figures import STYLES, cost
from studies.retrieval.tables import study_table

TINY = MACHINES[:1]
NAMES = ("memfd", "aged")


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    points = points_of(NAMES, TINY)
    return study_table(
        sweep(from_dict(base_scenario()), points, tmp_path_factory.mktemp("study"), workers=1)
    )


def test_every_extension_is_tried_with_every_retrieval(rows):
    late = len(EXTENSIONS) - 1
    with_first_pass = 2  # reserve-early turns the others into one of these
    assert rows.groupby("workload", sort=False).size().to_dict() == dict.fromkeys(
        NAMES, late * len(RETRIEVALS) + with_first_pass
    )


def test_shares_are_shares(rows):
    stock = rows[(rows["strategy"] == "blocks") & (rows["retrieval"] == "per-key")]
    assert set(stock["of_linux"]) == {1.0}
    assert rows["recovered_share"].between(0, 1).all()
    everything = rows[rows["strategy"] == "reserve-early"]
    assert set(everything["recovered_share"]) == {1.0}


def test_a_blackout_has_the_early_boot_of_its_way(rows):
    own = rows[(rows["strategy"] == "blocks") & (rows["retrieval"] == "per-key")]
    for _, way in rows[rows["panic"] == ""].iterrows():
        (stock,) = own[own["run_id"] == way["run_id"]].itertuples()
        assert way["blackout_ns"] - stock.blackout_ns == way["early_ns"] - stock.early_ns
        assert way["blackout_low_ns"] <= way["blackout_ns"] <= way["blackout_high_ns"]
    assert (own["blackout_ns"] > own["early_ns"]).all()


def test_collecting_runs_takes_most_of_the_cost_away(rows):
    chosen = rows[(rows["workload"] == "memfd") & (rows["strategy"] == "blocks-skip")]
    costs = chosen[chosen["shift"] == 30].set_index("retrieval")["of_linux"]
    assert costs["collect-runs"] < 0.2 < costs["one-call"] < costs["per-key"] < 1


def test_tables_have_a_row_for_each_case(rows):
    for table in (make(rows) for make in TABLES.values()):
        lines = table.splitlines()
        assert len(lines) == 2 + len(NAMES)
        assert lines[2].startswith("| memfd | 1 GiB |")


def test_the_command_writes_its_tables(tmp_path, monkeypatch):
    monkeypatch.setattr("studies.retrieval.__main__.MACHINES", TINY)
    options = ["-o", str(tmp_path / "runs"), "--workload", "memfd-huge", "--workers", "1"]
    done = CliRunner().invoke(command, [*options, "--results", str(tmp_path / "page")])
    assert done.exit_code == 0, done.output
    names = {path.name for path in (tmp_path / "page").iterdir()}
    assert names == {
        "cost.md", "cost.png", "recovered.md", "early.md", "blackout.md", "study.csv"
    }  # fmt: skip


def test_the_figure_has_a_panel_for_each_workload_and_a_line_for_each_way(rows):
    figure = cost(rows)
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert [axes.get_title(loc="left") for axes in panels] == list(NAMES)
    for axes in panels:
        assert [line.get_label() for line in axes.lines] == [label for *_, label in STYLES.values()]
        assert all(float(value) > 0 for line in axes.lines for value in line.get_ydata())


def test_every_page_size_has_its_own_pages_and_huge_pages():
    scenarios = points_of(["memfd", "memfd-huge"], MACHINES)
    folios = {}
    for point in scenarios:
        names = folios.setdefault(point["kernel.page_size"], set())
        names.add(point["workload"][0]["folio"])
    assert folios == {
        "4KiB": {"4KiB", "2MiB"},
        "16KiB": {"16KiB", "32MiB"},
        "64KiB": {"64KiB", "512MiB"},
    }


def test_cases_that_no_machine_has_are_left_out():
    points = points_of(CASES, MACHINES)
    guests = [one for one in points if one["description"] == "guest_memfd"]
    assert max(one["machine.memory"] for one in guests) == 1024 * GIB
    assert not [
        one
        for one in points
        if one["kernel.page_size"] == "64KiB" and one["description"] in ("gigantic", "pool")
    ]


def test_all_sizes_of_a_case_are_shares_of_memory():
    for name in CASES:
        first, *_ = points_of([name], MACHINES)
        size = first["workload"][0].get("size", 1)
        size_bytes = GIB if size == "1GiB" else size
        assert size_bytes <= first["machine.memory"] // (4 if CASES[name].gigantic else 8)


def test_recorded_steps_are_met_by_the_one_set_of_rates(tmp_path):
    logs = Path(__file__).parents[1] / "verify" / "strategies"
    chosen = [str(logs / f"{name}.log.xz") for name in ("4G-4k-skip-runs", "4G-frag-blocks")]
    done = CliRunner().invoke(recorded.command, [*chosen, "--results", str(tmp_path)])
    assert done.exit_code == 0, done.output
    text = (tmp_path / "recorded.md").read_text(encoding="utf-8")
    assert text == done.output
    extend, retrieve, total = text.splitlines()[-3:]
    assert extend.startswith("| 4G-4k-skip-runs | extend | 1 | 0.070 |")
    assert retrieve.startswith("| 4G-4k-skip-runs | retrieve | 1 | 24.090 |")
    assert total.startswith("| all |")


def test_a_log_that_is_not_there_is_named():
    done = CliRunner().invoke(recorded.command, ["nowhere.log"])
    assert done.exit_code == 1
    assert "nowhere.log" in done.output
