"""What a stored sweep takes over, what it refuses, and what it makes of damage."""

import json

import pytest

from kho_sim.base.errors import EngineError, InputError, TraceError
from kho_sim.scenario import with_values
from kho_sim.sweeps import store as store_module
from kho_sim.sweeps.design import build_design, product
from kho_sim.sweeps.results import Sweep, open_sweep
from kho_sim.sweeps.store import Store
from kho_sim.sweeps.sweeping import sweep
from kho_sim.sweeps.tables import ALWAYS

SHIFTS = [22, 24, 26]


def swept(directory, scenario, axes=None, **options):
    return sweep(scenario, axes or {"kernel.extend.shift": SHIFTS}, directory, workers=1, **options)


def parts_of(done):
    return {path: path.stat().st_mtime_ns for path in done.directory.glob("*/*.parquet")}


def executed(done):
    """How many runs the ledger says were run, finished ones run again included."""
    lines = (done.directory / "ledger.jsonl").read_text().splitlines()
    return sum(len(line["runs"]) for line in map(json.loads, lines) if line["state"] == "ok")


def test_the_same_sweep_again_runs_nothing(tmp_path, tiny):
    before = parts_of(swept(tmp_path / "s", tiny))
    assert parts_of(swept(tmp_path / "s", tiny)) == before


def test_a_grown_design_runs_only_what_is_new(tmp_path, tiny):
    first = swept(tmp_path / "s", tiny)
    before = parts_of(first)
    axes = {"kernel.extend.shift": [21, *SHIFTS], "chain.boots": [3, 2]}
    grown = swept(tmp_path / "s", tiny, axes, replicates=2)
    assert parts_of(grown).items() >= before.items()
    assert executed(grown) == 4 * 2 * 2
    fresh = swept(tmp_path / "t", tiny, axes, replicates=2)
    assert grown.runs().equals(fresh.runs())
    assert grown.boots().equals(fresh.boots())


@pytest.mark.parametrize(
    ("change", "axes", "replicates", "message"),
    [
        (
            {"machine.cpus": 2},
            {"kernel.extend.shift": SHIFTS},
            2,
            r"machine\.cpus: 1 there, 2 here",
        ),
        (
            {},
            {"kernel.extend.shift": [22, 28]},
            2,
            r"kernel\.extend\.shift: 24, 26 there, not here",
        ),
        ({}, {"kernel.extend.shift": SHIFTS}, 1, r"replicates: 2 there, 1 here"),
        ({}, {"chain.boots": [3]}, 2, r"kernel\.extend\.shift: varied there, not here"),
    ],
)
def test_another_design_is_refused_and_the_difference_reported(
    tmp_path, tiny, change, axes, replicates, message
):
    swept(tmp_path / "s", tiny, replicates=2)
    with pytest.raises(EngineError, match=message):
        swept(tmp_path / "s", with_values(tiny, change), axes, replicates=replicates)
    assert open_sweep(tmp_path / "s").counts() == {"ok": 6}


def test_another_model_version_is_refused(tmp_path, tiny, monkeypatch):
    swept(tmp_path / "s", tiny)
    monkeypatch.setattr(store_module, "MODEL_VERSION", 1_000_000)
    with pytest.raises(EngineError, match=r"model_version: \d+ there, 1000000 here"):
        swept(tmp_path / "s", tiny)


def test_other_tables_are_refused(tmp_path, tiny):
    swept(tmp_path / "s", tiny)
    with pytest.raises(EngineError, match="tables: runs, boots there, runs, boots, allocations"):
        swept(tmp_path / "s", tiny, allocations=True)


def test_a_directory_of_something_else_is_left_alone(tmp_path, tiny):
    (tmp_path / "thesis.tex").write_text("the only copy")
    with pytest.raises(EngineError, match=r"holds thesis\.tex"):
        swept(tmp_path, tiny)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_two_sweeps_at_once_in_one_place_are_refused(tmp_path, tiny):
    design = build_design(tiny, product({"kernel.extend.shift": SHIFTS}))
    store = Store(tmp_path / "s", design, ALWAYS)
    with pytest.raises(EngineError, match="in use"):
        swept(tmp_path / "s", tiny)
    store.close()
    assert swept(tmp_path / "s", tiny).counts() == {"ok": 3}


@pytest.mark.parametrize("table", ["runs", "boots"])
@pytest.mark.parametrize("damage", ["cut", "gone", "empty"])
def test_a_damaged_part_is_run_again_and_nothing_else(tmp_path, tiny, table, damage):
    done = swept(tmp_path / "s", tiny)
    runs, boots = done.runs(), done.boots()
    part = sorted((done.directory / table).iterdir())[0]
    harm(part, damage)
    assert done.counts().get("pending", 0) >= 1
    healed = swept(tmp_path / "s", tiny)
    assert healed.runs().equals(runs)
    assert healed.boots().equals(boots)


def harm(path, damage):
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-20] if damage == "cut" else b"")


def test_a_run_that_is_stored_twice_counts_once(tmp_path, tiny):
    done = swept(tmp_path / "s", tiny, allocations=True)
    tables = done.runs(), done.boots(), done.allocations()
    part = sorted((done.directory / "runs").iterdir())[0].name
    for table in ("runs", "boots", "allocations"):
        copy = done.directory / table / f"0{part}"
        copy.write_bytes((done.directory / table / part).read_bytes())
    assert done.runs().equals(tables[0])
    assert done.boots().equals(tables[1])
    assert done.allocations().equals(tables[2])


def test_a_ledger_line_that_was_cut_short_harms_no_other(tmp_path, tiny):
    done = swept(tmp_path / "s", tiny)
    ledger = done.directory / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes() + b'{"state": "failed", "runs": ["12')
    axes = {"kernel.extend.shift": [*SHIFTS, 28]}
    assert swept(tmp_path / "s", tiny, axes).counts() == {"ok": 4}
    last = ledger.read_text().splitlines()[-1]
    assert json.loads(last)["state"] == "ok"


def test_leavings_of_a_killed_writer_are_taken_away(tmp_path, tiny):
    done = swept(tmp_path / "s", tiny)
    leaving = done.directory / "unfinished" / "half"
    leaving.write_bytes(b"half a part")
    swept(tmp_path / "s", tiny)
    assert not leaving.exists()


def test_shards_in_one_place_make_the_whole(tmp_path, tiny):
    whole = swept(tmp_path / "w", tiny, replicates=3)
    for number in (3, 1, 2):
        swept(tmp_path / "s", tiny, replicates=3, shard=(number, 3))
    parts = Sweep(tmp_path / "s")
    assert parts.runs().equals(whole.runs())
    assert parts.boots().equals(whole.boots())


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema": "kho-sim/sweep"}', "\0"])
def test_what_is_no_sweep_is_refused_with_its_place(tmp_path, text):
    with pytest.raises(InputError, match=r"no manifest\.json"):
        open_sweep(tmp_path)
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=r"manifest\.json"):
        open_sweep(tmp_path)


def test_a_sweep_without_allocations_says_so(tmp_path, tiny):
    with pytest.raises(TraceError, match="without allocations"):
        swept(tmp_path / "s", tiny).allocations()
