"""Stored runs: what comes back is what went in, and anything else is refused in clear words."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kho_sim.base.blocks
import kho_sim.runs.parquet
from kho_sim.base.blocks import Blocks
from kho_sim.base.checksums import sha256, with_checksum
from kho_sim.base.errors import EngineError, TraceError
from kho_sim.runs.store import folder_for_run, load_run, save_run, write_run
from kho_sim.scenario import loads
from kho_sim.trace.provenance import run_provenance
from kho_sim.trace.records import RECORDS, Allocation, Boot, Incident, Outcome, PreservedRun
from kho_sim.trace.summary import run_document
from kho_sim.trace.trace import Trace
from tests.hand_made import TRACES, empty_trace, hand_made_trace, with_records

NUMBERS = st.integers(0, 2**62 - 1)  # so that the end of an area is an int64
WORDS = st.text(st.characters(codec="utf-8"), max_size=20)
UNKNOWN_OR_NUMBER = st.none() | NUMBERS
PAIRS = st.none() | st.lists(st.tuples(NUMBERS, NUMBERS), max_size=3).map(tuple)
BOOTS = st.builds(
    Boot,
    boot=st.integers(0, 1000),
    kind=st.sampled_from(["cold", "kho"]),
    command_line=WORDS,
    scratch_areas=PAIRS,
    preservations_by_order=PAIRS,
    busy_blocks=st.none() | st.lists(NUMBERS, max_size=3).map(tuple),
    extended_bytes=UNKNOWN_OR_NUMBER,
    failures=UNKNOWN_OR_NUMBER,
)
ALLOCATIONS = st.builds(
    Allocation,
    boot=st.integers(0, 1000),
    sequence=NUMBERS,
    phase=st.sampled_from(["before", "after"]),
    what=WORDS,
    size_bytes=NUMBERS,
    align_bytes=NUMBERS,
    nid=st.integers(-1, 64),
    max_address=st.integers(0, 2**64 - 1),
    failed=st.booleans(),
    why=WORDS,
)
RUNS = st.builds(PreservedRun, boot=NUMBERS, order=NUMBERS, start=NUMBERS, end=NUMBERS)
CHAINS = st.builds(
    Trace,
    provenance=st.just({"source": "simulation"}),
    outcome=st.builds(Outcome, kind=WORDS, boot=NUMBERS, message=WORDS),
    records=st.fixed_dictionaries(
        {
            kind: st.lists(rows, max_size=3)
            for kind, rows in ((Boot, BOOTS), (Allocation, ALLOCATIONS), (PreservedRun, RUNS))
        }
    ),
)


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)
def test_stored_trace_comes_back_equal(trace: Trace, tmp_path: Path) -> None:
    save_run(trace, tmp_path / "new" / "run")
    again = load_run(tmp_path / "new" / "run")
    assert again == trace
    assert run_document(again) == run_document(trace)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(trace=CHAINS)
def test_any_trace_comes_back_equal(trace: Trace, tmp_path: Path) -> None:
    save_run(trace, tmp_path)
    assert load_run(tmp_path) == trace


def test_more_busy_blocks_than_can_be_listed_are_stored_as_runs(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(kho_sim.base.blocks, "MOST_LISTED", 2)
    busy = None, Blocks([1, 3], 12), Blocks([1, 4, 6, 7], 12), Blocks([], 12)
    boots = [Boot(boot=n, kind="kho", busy_blocks=blocks) for n, blocks in enumerate(busy)]
    trace = with_records(empty_trace(), boots=boots)
    save_run(trace, tmp_path)
    again = load_run(tmp_path)
    assert again == trace
    assert again["boots"][2].busy_blocks == (0x1000, 0x2000, 0x3000, 0x6000)
    documents = run_document(again)["boots"]
    assert documents == run_document(trace)["boots"]
    assert [boot.get("busy_blocks") for boot in documents] == [None, [0x1000, 0x2000], None, []]
    assert documents[2]["busy_spans"] == [[0x1000, 0x4000], [0x6000, 0x7000]]
    assert list(pd.read_parquet(tmp_path / "boots.parquet").busy_block_bytes.dropna()) == [4096]


@pytest.mark.parametrize("column", ["busy_block_bytes", "busy_spans"])
def test_damaged_runs_of_busy_blocks_are_named(column, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(kho_sim.base.blocks, "MOST_LISTED", 0)
    boot = Boot(boot=0, kind="kho", busy_blocks=Blocks([1, 4], 12))
    save_run(with_records(empty_trace(), boots=(boot,)), tmp_path)
    table = pd.read_parquet(tmp_path / "boots.parquet")
    table[column] = [None] if column == "busy_block_bytes" else [[[1, 2, 3]]]
    table.to_parquet(tmp_path / "boots.parquet")
    sign(tmp_path)
    with pytest.raises(TraceError, match=r"boots.parquet is damaged: (?!its bytes)"):
        load_run(tmp_path)


def test_document_and_provenance_have_the_digest(tmp_path: Path) -> None:
    trace = hand_made_trace()
    save_run(trace, tmp_path)
    for name in ("run.json", "provenance.json"):
        stored = json.loads((tmp_path / name).read_text())
        assert stored.get("provenance", stored)["digest"] == trace.digest


def test_stored_scenario_is_the_one_that_ran(tmp_path: Path) -> None:
    scenario = loads("machine: {memory: 4GiB}\nworkload: [{kind: memfd, size: 8MiB}]")
    trace = Trace(
        provenance=run_provenance(scenario, (), {}), outcome=Outcome(kind="completed", boot=0)
    )
    save_run(trace, tmp_path)
    stored = loads((tmp_path / "scenario.yaml").read_text())
    assert stored.to_dict() == scenario.to_dict()


def test_tables_read_with_plain_pandas_have_their_dtypes(tmp_path: Path) -> None:
    save_run(hand_made_trace(), tmp_path)
    boots = pd.read_parquet(tmp_path / "boots.parquet")
    assert str(boots.extended_bytes.dtype) == "Int64"
    assert boots.busy_blocks[0] is None
    assert len(pd.read_parquet(tmp_path / "failures.parquet")) == 4


def test_new_run_replaces_an_older_one_and_what_only_that_had(tmp_path: Path) -> None:
    save_run(hand_made_trace(), tmp_path)
    save_run(empty_trace(), tmp_path)
    assert load_run(tmp_path) == empty_trace()
    assert not list(tmp_path.glob("twin-*"))


@pytest.mark.parametrize("foreign", ["thesis.odt", "notes.parquet", "run.json.bak"])
def test_foreign_file_is_refused_and_left_alone(foreign: str, tmp_path: Path) -> None:
    (tmp_path / foreign).write_text("mine")
    with pytest.raises(EngineError, match=foreign):
        save_run(hand_made_trace(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [foreign]


def test_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(EngineError, match="no folder"):
        save_run(hand_made_trace(), tmp_path / "run")


def test_folder_below_a_file_is_refused_without_a_traceback_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(EngineError, match="cannot be written"):
        save_run(hand_made_trace(), tmp_path / "file" / "run")


@pytest.mark.parametrize("fatal", [0, 5, 12])
def test_store_that_breaks_off_is_never_taken_for_a_run(
    fatal: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_run(empty_trace(), tmp_path)
    calls = iter(range(100))

    def replace(source: Path, target: Path) -> None:
        if next(calls) == fatal:
            raise KeyboardInterrupt
        os.rename(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        save_run(hand_made_trace(), tmp_path)
    monkeypatch.undo()
    with pytest.raises(TraceError, match="no complete run"):
        load_run(tmp_path)
    assert not list(tmp_path.glob(".*"))
    save_run(hand_made_trace(), tmp_path)
    assert load_run(tmp_path) == hand_made_trace()


def test_older_run_that_is_half_removed_is_never_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_run(hand_made_trace(), tmp_path)
    unlink, calls = Path.unlink, iter(range(100))

    def interrupted_unlink(path: Path, missing_ok: bool = False) -> None:
        if next(calls) == 1:
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", interrupted_unlink)
    with pytest.raises(KeyboardInterrupt):
        save_run(hand_made_trace(), tmp_path)
    monkeypatch.undo()
    with pytest.raises(TraceError, match="no complete run"):
        load_run(tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a stored run, to be copied."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    save_run(hand_made_trace(), folder)
    return folder


@settings(max_examples=100, deadline=None)
@given(number=st.integers(0, 1000), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_noticed(
    whole: Path, number: int, place: float, bit: int
) -> None:
    with TemporaryDirectory() as folder:
        shutil.copytree(whole, folder, dirs_exist_ok=True)
        paths = sorted(Path(folder).iterdir())
        path = paths[number % len(paths)]
        content = bytearray(path.read_bytes())
        content[int(place * len(content))] ^= 1 << bit
        path.write_bytes(content)
        try:
            again = load_run(folder)
        except TraceError:
            return
        # Other white space in run.json says the same.
        assert path.name == "run.json"
        assert run_document(again) == run_document(hand_made_trace())


def test_a_table_that_could_not_be_read_again_is_not_written(whole, tmp_path, monkeypatch) -> None:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(kho_sim.runs.parquet, "ROWS_MAX", 3)
    with pytest.raises(EngineError, match=r"table \w+ has \d+ rows; accepted: 3 or fewer"):
        save_run(hand_made_trace(), tmp_path)
    monkeypatch.undo()
    assert load_run(tmp_path) == hand_made_trace()


def test_a_run_without_checksums_is_refused(tmp_path: Path) -> None:
    save_run(hand_made_trace(), tmp_path)
    (tmp_path / "run.json").write_text(json.dumps(run_document(hand_made_trace())))
    with pytest.raises(TraceError, match="earlier version of kho_sim: it has no checksums"):
        load_run(tmp_path)


def test_two_writers_of_one_folder_are_refused_and_the_first_is_whole(tmp_path: Path) -> None:
    with folder_for_run(tmp_path / "run") as folder:
        with pytest.raises(EngineError, match="in use: another run or sweep is writing"):
            save_run(empty_trace(), tmp_path / "run")
        write_run(hand_made_trace(), folder)
    assert load_run(tmp_path / "run") == hand_made_trace()
    save_run(empty_trace(), tmp_path / "run")
    assert load_run(tmp_path / "run") == empty_trace()


@pytest.mark.parametrize("is_new", [True, False])
def test_a_run_that_comes_to_nothing_leaves_the_place_as_it_was(
    is_new: bool, tmp_path: Path
) -> None:
    place = tmp_path / "run" if is_new else tmp_path
    with pytest.raises(KeyboardInterrupt), folder_for_run(place):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


TWO_RUNS = """
import sys, time
from pathlib import Path
from kho_sim.runs.store import save_run
from tests.hand_made import hand_made_trace
trace = hand_made_trace()
while not Path("go").exists():
    time.sleep(0.001)
save_run(trace, "run")
"""


def test_runs_that_are_stored_at_once_are_whole_or_said_to_have_failed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TWO_RUNS]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    options = {"cwd": tmp_path, "env": environment, "stderr": subprocess.PIPE, "text": True}
    writers = [subprocess.Popen(command, **options) for _ in range(3)]
    (tmp_path / "go").touch()
    errors = [writer.communicate(timeout=60)[1] for writer in writers]
    assert any(writer.returncode == 0 for writer in writers)
    for writer, text in zip(writers, errors, strict=True):
        assert writer.returncode == 0 or "is in use" in text
    assert load_run(tmp_path / "run") == hand_made_trace()


@pytest.mark.parametrize("name", RECORDS)
def test_table_that_is_cut_or_missing_is_named(name: str, tmp_path: Path) -> None:
    save_run(hand_made_trace(), tmp_path)
    table = tmp_path / f"{name}.parquet"
    table.write_bytes(table.read_bytes()[:-20])
    with pytest.raises(TraceError, match=rf"{name}.parquet is damaged"):
        load_run(tmp_path)
    table.unlink()
    with pytest.raises(TraceError, match=rf"{name}.parquet is not there"):
        load_run(tmp_path)


def test_table_of_another_run_is_noticed(tmp_path: Path) -> None:
    save_run(hand_made_trace(), tmp_path / "one")
    save_run(empty_trace(), tmp_path / "other")
    os.replace(tmp_path / "other" / "events.parquet", tmp_path / "one" / "events.parquet")
    with pytest.raises(TraceError, match=r"events\.parquet is damaged"):
        load_run(tmp_path / "one")
    sign(tmp_path / "one")
    with pytest.raises(TraceError, match=r"not those of run\.json"):
        load_run(tmp_path / "one")


def sign(folder: Path) -> None:
    """Give a stored run the checksums of the files that it holds now."""
    document = json.loads((folder / "run.json").read_text())
    document["files"] = {
        path.name: sha256(path.read_bytes()) for path in folder.iterdir() if path.name != "run.json"
    }
    (folder / "run.json").write_text(json.dumps(with_checksum(document)))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "damaged"),
        ("[]", "no document of a run"),
        ('{"schema": "kho-sim/sweep"}', "no document of a run"),
        ('{"schema": "kho-sim/run", "schema_version": 99}', "schema version 99"),
        ('{"schema": "kho-sim/run", "schema_version": 1}', "damaged"),
    ],
)
def test_document_that_is_none_is_refused(content: str, words: str, tmp_path: Path) -> None:
    save_run(hand_made_trace(), tmp_path)
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(TraceError, match=words):
        load_run(tmp_path)


def test_folder_that_is_not_there_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="is no folder"):
        load_run(tmp_path / "nothing")


def test_a_table_that_claims_more_rows_than_any_run_has_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_run(hand_made_trace(), tmp_path)
    monkeypatch.setattr("kho_sim.runs.parquet.ROWS_MAX", 2)
    with pytest.raises(TraceError, match=r"parquet is damaged: [0-9]+ rows are too many"):
        load_run(tmp_path)


def test_a_run_of_another_version_is_refused_with_a_reason(tmp_path: Path) -> None:
    save_run(hand_made_trace(), tmp_path)
    boots = pd.read_parquet(tmp_path / "boots.parquet")
    boots.rename(columns={"radix_nodes": "nodes"}).to_parquet(tmp_path / "boots.parquet")
    sign(tmp_path)
    with pytest.raises(TraceError, match=r"boots\.parquet .* version .* nodes, radix_nodes"):
        load_run(tmp_path)
    os.replace(tmp_path / "file_outcomes.parquet", tmp_path / "fates.parquet")
    boots.to_parquet(tmp_path / "boots.parquet")
    sign(tmp_path)
    with pytest.raises(TraceError, match=r"another version of kho_sim: file_outcomes\.parquet"):
        load_run(tmp_path)


def test_names_of_files_are_no_part_of_the_digest_but_incidents_are() -> None:
    trace = hand_made_trace()
    assert with_records(trace, files=()).digest == trace.digest
    assert with_records(trace, file_outcomes=()).digest != trace.digest
    bare = with_records(trace, incidents=(), file_outcomes=())
    ended = Incident(
        boot=2, time_ns=9, kind="boot_failed", injected=False, message="", then="chain ends"
    )
    assert with_records(bare, incidents=(ended,)).digest == bare.digest
    assert with_records(bare, incidents=(replace(ended, injected=True),)).digest != bare.digest


def test_the_list_of_tables_is_read_without_pandas() -> None:
    code = "import sys, kho_sim.runs.store; assert not {'pandas', 'pyarrow'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
