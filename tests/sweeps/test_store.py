"""What a stored sweep takes over, what it refuses, and what it makes of damage."""

import json
import random
import shutil
import subprocess
import sys
from contextlib import nullcontext, suppress

import pandas as pd
import pyarrow.parquet as pq
import pytest

from kho_sim.base.errors import EngineError, InputError, TraceError
from kho_sim.runs.store import folder_for_run
from kho_sim.scenario import with_values
from kho_sim.sweeps import store as store_module
from kho_sim.sweeps.design import build_design, product
from kho_sim.sweeps.ledger import read_history
from kho_sim.sweeps.results import Sweep, open_sweep
from kho_sim.sweeps.store import Store
from kho_sim.sweeps.sweeping import sweep
from kho_sim.sweeps.tables import ALWAYS
from tests.sweeps.conftest import TINY

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


@pytest.mark.parametrize(
    ("there", "here", "message"),
    [
        ("", (1, 2), "s is in use: another run or sweep is writing"),
        ("1-of-2", None, "s is in use: another run or sweep is writing"),
        ("1-of-2", (1, 2), "ledger-1-of-2.jsonl is in use: another sweep does this part"),
        ("1-of-2", (2, 2), ""),
    ],
)
def test_shards_share_a_place_and_nobody_else(tmp_path, tiny, there, here, message):
    design = build_design(tiny, product({"kernel.extend.shift": SHIFTS}))
    store = Store(tmp_path / "s", design, ALWAYS, there)
    with pytest.raises(EngineError, match=message) if message else nullcontext():
        swept(tmp_path / "s", tiny, shard=here)
    store.close()
    assert swept(tmp_path / "s", tiny).counts() == {"ok": 3}


BEGINS = """
import sys
from kho_sim.sweeps.sweeping import sweep
if __name__ == "__main__":
    sys.stdin.readline()
    sweep(sys.argv[1], {"chain.seed": range(3)}, sys.argv[2], workers=1)
"""


def test_sweeps_that_begin_at_once_are_one_and_some_that_say_why(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    words = [sys.executable, "-c", BEGINS, str(tmp_path / "tiny.yaml"), str(tmp_path / "s")]
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    sweeps = [subprocess.Popen(words, **pipes) for _ in range(3)]
    for one in sweeps:
        one.stdin.write("\n")
        one.stdin.flush()
    said = [one.communicate()[1] for one in sweeps]
    assert any(one.returncode == 0 for one in sweeps)
    for one, text in zip(sweeps, said, strict=True):
        assert one.returncode == 0 or "another run or sweep is writing there" in text
    assert Sweep(tmp_path / "s").counts() == {"ok": 3}


def test_a_run_and_a_sweep_do_not_take_one_folder(tmp_path, tiny):
    with folder_for_run(tmp_path / "s"), pytest.raises(EngineError, match="in use"):
        swept(tmp_path / "s", tiny)


def test_a_sweep_that_was_killed_before_its_manifest_goes_on(tmp_path, tiny, monkeypatch):
    what_if = with_values(tiny, {"what_if": [{"strategy": "blocks", "shifts": [21]}]})
    monkeypatch.setattr(Store, "take", lambda *_: exit(9))
    with pytest.raises(SystemExit):
        swept(tmp_path / "s", what_if, allocations=True)
    monkeypatch.undo()
    assert not (tmp_path / "s" / "manifest.json").exists()
    done = swept(tmp_path / "s", what_if, allocations=True)
    assert done.counts() == {"ok": 3}
    assert len(done.alternatives()) == 3


def test_a_sweep_that_was_killed_while_its_design_grew_goes_on_either_way(
    tmp_path, tiny, monkeypatch
):
    """Killed between design and manifest: the design has more runs than the manifest means."""
    swept(tmp_path / "s", tiny)
    monkeypatch.setattr(store_module, "with_checksum", lambda _: exit(9))
    grown = {"kernel.extend.shift": [*SHIFTS, 28]}
    with pytest.raises(SystemExit):
        swept(tmp_path / "s", tiny, grown)
    monkeypatch.undo()
    assert swept(tmp_path / "s", tiny).counts() == {"ok": 3}
    assert swept(tmp_path / "s", tiny, grown).counts() == {"ok": 4}


def test_what_a_killed_worker_left_of_a_part_is_taken_away(tmp_path, tiny):
    done = swept(tmp_path / "s", tiny)
    part = sorted((done.directory / "runs").iterdir())[0]
    leaving = done.directory / "boots" / f"0{part.name}"
    leaving.write_bytes((done.directory / "boots" / part.name).read_bytes())
    swept(tmp_path / "s", tiny, shard=(1, 1))
    assert leaving.exists()
    assert swept(tmp_path / "s", tiny).counts() == {"ok": 3}
    assert not leaving.exists()


@pytest.mark.parametrize("flips", [4, pytest.param(100, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", ["runs", "boots", "allocations", "design.parquet", "ledger"])
def test_a_flipped_bit_anywhere_is_noticed_and_mended(tmp_path, tiny, name, flips):
    """It changes no result that is shown as ok, and the same sweep gives the right ones again."""
    axes = {"kernel.extend.shift": SHIFTS[:2]}
    whole = swept(tmp_path / "s", tiny, axes, allocations=True)
    tables = whole.runs(), whole.boots(), whole.allocations(), whole.states()
    place = whole.directory / ("ledger.jsonl" if name == "ledger" else name)
    path = sorted(place.iterdir())[0] if place.is_dir() else place
    stored = path.read_bytes()
    numbers = random.Random(name)
    for _ in range(flips):
        content = bytearray(stored)
        content[numbers.randrange(len(content))] ^= 1 << numbers.randrange(8)
        path.write_bytes(content)
        shutil.copytree(whole.directory, tmp_path / "t")
        if name == "design.parquet":
            with pytest.raises(InputError, match="damaged"):
                Sweep(tmp_path / "t").runs()
        else:
            seen = Sweep(tmp_path / "t").runs()
            assert len(seen) == (2 if name == "ledger" else 1)
            assert seen.equals(
                tables[0][tables[0]["run_id"].isin(seen["run_id"])].reset_index(drop=True)
            )
        mended = swept(tmp_path / "t", tiny, axes, allocations=True)
        again = mended.runs(), mended.boots(), mended.allocations(), mended.states()
        assert all(map(pd.DataFrame.equals, again, tables))
        shutil.rmtree(tmp_path / "t")


def test_a_flipped_bit_of_a_ledger_changes_no_reason(tmp_path, tiny):
    design = build_design(tiny, product({"chain.seed": [1]}))
    store = Store(tmp_path / "s", design, ALWAYS)
    store.ledger.note("failed", tuple(design.runs), error="ValueError", message="a reason")
    store.close()
    ledger = tmp_path / "s" / "ledger.jsonl"
    stored = ledger.read_bytes()
    for place in range(0, len(stored) - 1, 3):
        content = bytearray(stored)
        content[place] ^= 1
        ledger.write_bytes(content)
        history = read_history(tmp_path / "s")
        assert not history.last or history.last == {next(iter(design.runs)): json.loads(stored)}


def test_a_flipped_bit_of_a_manifest_is_refused(tmp_path, tiny):
    Store(tmp_path / "s", build_design(tiny, product({"chain.seed": [1]})), ALWAYS).close()
    manifest = tmp_path / "s" / "manifest.json"
    stored = manifest.read_bytes()
    for place in range(0, len(stored), 13):
        content = bytearray(stored)
        content[place] ^= 4
        manifest.write_bytes(content)
        with suppress(InputError):
            assert json.loads(stored) == open_sweep(tmp_path / "s").manifest


def test_a_manifest_of_an_earlier_version_is_refused_with_the_reason(tmp_path, tiny):
    swept(tmp_path / "s", tiny)
    manifest = tmp_path / "s" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "schema_version": 1}))
    with pytest.raises(InputError, match="accepted: kho-sim/sweep, 2; sweep again into another"):
        open_sweep(tmp_path / "s")


@pytest.mark.parametrize("table", ["runs", "boots"])
@pytest.mark.parametrize("damage", ["cut", "gone", "empty", "pages"])
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
    elif damage == "pages":
        content = bytearray(path.read_bytes())
        begin = pq.read_metadata(path).row_group(0).column(0).data_page_offset
        content[begin : begin + 30] = bytes(30)
        path.write_bytes(content)
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
