"""What the classes of records say about their columns, and what a trace does with kinds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import FrozenInstanceError

import pytest

from kho_sim.tables import TABLES
from kho_sim.trace.records import RECORDS, Allocation, Alternative, Boot, Outcome
from kho_sim.trace.schema import Column, caption_of, column, columns_of, record
from kho_sim.trace.trace import DIGESTED_IF_EMPTY, Trace
from tests.additions import FILES_OF, ROOT, add_to_a_copy
from tests.hand_made import empty_trace, hand_made_trace, twin_trace


@record
class Probe:
    """Probes of a test,
    one row per probe.

    More words.
    """

    boot: int = column("number of the kernel")
    wait_ns: int | None = column("how long it took", default=None)
    spans: tuple[tuple[int, int], ...] | None = column("pairs", default=None)
    starts: Sequence[int] = column("addresses", default=())
    top: int = column("an address", dtype="uint64", default=0)
    failures: int = column(Boot, default=0)


def test_columns_follow_from_names_and_annotations():
    assert columns_of(Probe) == (
        Column("boot", "int64", 0, "number of the kernel"),
        Column("wait_ns", "Int64", 0, "how long it took"),
        Column("spans", "object", 2, "pairs"),
        Column("starts", "object", 1, "addresses"),
        Column("top", "uint64", 0, "an address"),
        Column("failures", "int64", 0, "early allocations that failed"),
    )
    assert [one.unit for one in columns_of(Probe)] == ["", "ns", "", "", "", ""]
    assert caption_of(Probe) == "Probes of a test, one row per probe."


def test_a_record_is_frozen_and_takes_names_only():
    with pytest.raises(FrozenInstanceError):
        Probe(boot=1).boot = 2
    with pytest.raises(TypeError):
        Probe(1)
    with pytest.raises(TypeError, match="boot"):
        Probe()


def test_an_annotation_that_no_column_holds_is_refused():
    @record
    class Odd:
        """Odd."""

        share: float = column("a share")

    with pytest.raises(TypeError, match=r"Odd\.share"):
        columns_of(Odd)


@pytest.mark.parametrize("name", TABLES)
def test_every_column_of_every_table_has_a_meaning_and_every_table_a_caption(name):
    assert all(one.meaning for one in columns_of(TABLES[name]))
    assert caption_of(TABLES[name]).endswith(".")


def test_alternatives_have_the_facts_of_boots():
    meanings = {one.name: one.meaning for one in columns_of(Boot)}
    shared = [one for one in columns_of(Alternative) if one.name in set(meanings) - {"boot"}]
    assert len(shared) == 11
    assert all(one.meaning == meanings[one.name] for one in shared)


def test_a_trace_has_every_kind_by_its_class_and_by_its_name():
    trace = hand_made_trace()
    for name, kind in RECORDS.items():
        assert trace[name] is trace[kind]
        assert all(type(row) is kind for row in trace[kind])
    assert len(trace[Allocation]) == 3
    with pytest.raises(KeyError):
        trace["failures"]
    with pytest.raises(ValueError, match="Outcome"):
        Trace(provenance={}, outcome=trace.outcome, records={Outcome: [trace.outcome]})


def test_kinds_that_were_there_first_are_first():
    assert tuple(RECORDS)[: len(DIGESTED_IF_EMPTY)] == DIGESTED_IF_EMPTY


def test_repr_is_short_and_names_outcomes_and_counts():
    assert repr(hand_made_trace()) == (
        "<Trace: completed in boot 2; twin: boot_failed in boot 2: Failed to allocate memmap; "
        "3 boots, 3 allocations, 1 regions, 1 preserved, 1 tree_pages, 1 gigantic, 1 segments, "
        "2 events, 1 files, 2 incidents, 2 file_outcomes, 1 alternatives, "
        "1 phases, 1 bad_frames>"
    )
    assert repr(empty_trace()) == "<Trace: unknown in boot 0; no records>"


def test_notebook_sees_outcome_and_known_facts_of_boots():
    shown = hand_made_trace()._repr_html_()
    assert "all 3 kernels came up" in shown
    assert "extended_bytes" in shown
    assert shown.count("<tr") == 1 + 3
    assert "command_line" not in shown
    assert "NA" not in shown
    assert "extend_ns" not in empty_trace()._repr_html_()
    assert twin_trace()._repr_html_().count("<tr") == 1 + 3


NEW_KIND = '''

@record
class Probe:
    """Probes that a kernel made."""

    boot: int = column("number of the kernel")
    wait_ns: int | None = column("how long it took", default=None)


RECORDS: dict[str, type[Any]] = {
'''
LATE_COLUMN = '    probes: int | None = column("probes", default=None, late=True)\n'

USE = """
import dataclasses, sys
sys.path.insert(0, "docs")
import reference
from kho_sim.report.html import report_html
from kho_sim.runs.store import load_run, save_run
from kho_sim.trace.records import RECORDS, Boot, Probe
from kho_sim.trace.trace import Trace
from tests.hand_made import hand_made_trace

old = hand_made_trace()
assert old.digest == sys.argv[1], "neither an empty kind nor an empty late column changes it"
boots = [dataclasses.replace(boot, probes=7) for boot in old["boots"]]
assert old.digest != dataclasses.replace(old, records={**old.records, Boot: boots}).digest
probes = [Probe(boot=1), Probe(boot=2, wait_ns=5)]
new = dataclasses.replace(old, records={**old.records, Probe: probes})
other = dataclasses.replace(old, records={**old.records, Probe: probes[::-1]})
assert len({old.digest, new.digest, other.digest}) == 3
assert list(RECORDS)[-1] == "probes"
assert new["probes"] == probes
assert new.table("probes").dtypes.astype(str).to_dict() == {"boot": "int64", "wait_ns": "Int64"}
assert "2 probes" in repr(new)
save_run(new, "run")
assert load_run("run") == new
page = report_html(new)
assert 'id="table-probes"' in page and "how long it took" in page
assert 'id="table-probes"' not in report_html(old)
lines = "\\n".join(reference.tables_page()).split("\\n")
assert "## probes" in lines and "| `wait_ns` | Int64 | ns | how long it took |" in lines
"""


HEAD, LAST = "\n\nRECORDS: dict[str, type[Any]] = {\n", '    "bad_frames": BadFrame,\n'
FACT = "    allocations: int | None = column("
KIND_OF_THE_PACKAGE = {
    "trace/records.py": [
        (FACT, LATE_COLUMN + FACT),
        (HEAD, NEW_KIND),
        (LAST, f'{LAST}    "probes": Probe,\n'),
    ]
}


def test_a_new_kind_of_record_takes_as_many_files_as_the_guide_says(tmp_path):
    assert len(KIND_OF_THE_PACKAGE) == FILES_OF["kind of record"]
    add_to_a_copy(KIND_OF_THE_PACKAGE, tmp_path)
    for name in (
        "docs/reference.py",
        "docs/releases_page.py",
        "tests/__init__.py",
        "tests/hand_made.py",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    done = subprocess.run(
        [sys.executable, "-c", USE, hand_made_trace().digest],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
