"""Records as columns, held to a plain list of them."""

from __future__ import annotations

import json
import pickle
from array import array

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kho_sim.trace.rows
from kho_sim.trace.records import Event, RegionRow
from kho_sim.trace.rows import Rows

SMALL = st.integers(0, 3)
BATCHES = st.lists(
    st.tuples(SMALL, st.sampled_from(["memory", "reserved"]), st.lists(st.tuples(SMALL, SMALL))),
    max_size=5,
)


def region(boot: int, array_name: str, start: int, nid: int) -> RegionRow:
    return RegionRow(
        boot=boot, moment="m", array=array_name, start=start, end=start + 1, nid=nid, flags=0
    )


def kept_and_listed(batches) -> tuple[Rows[RegionRow], list[RegionRow]]:
    rows, listed = Rows(RegionRow), []
    for boot, name, pairs in batches:
        columns = {
            "start": array("q", [start for start, _ in pairs]),
            "end": (start + 1 for start, _ in pairs),
            "nid": [nid for _, nid in pairs],
        }
        rows.extend({"boot": boot, "moment": "m", "array": name, "flags": 0}, columns)
        listed += [region(boot, name, *pair) for pair in pairs]
    return rows, listed


@pytest.mark.parametrize("most_kept", [0, 100])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=BATCHES)
def test_rows_read_like_a_list_of_their_records(batches, most_kept, monkeypatch):
    monkeypatch.setattr(kho_sim.trace.rows, "MOST_KEPT", most_kept)
    rows, listed = kept_and_listed(batches)
    assert list(rows) == listed
    assert rows == listed
    assert rows == Rows(RegionRow, listed)
    assert rows != [*listed, region(0, "memory", 0, 0)]
    assert len(rows) == len(listed)
    assert [rows[index] for index in range(-len(listed), len(listed))] == listed * 2
    assert rows[1:3] == tuple(listed[1:3])
    assert list(rows.values("nid")) == [row.nid for row in listed]
    assert pickle.loads(pickle.dumps(rows)) == listed
    for outside in (len(listed), -len(listed) - 1):
        with pytest.raises(IndexError):
            rows[outside]


@given(BATCHES, st.lists(st.booleans()))
def test_records_are_appended_singly_and_in_batches(batches, single):
    rows, listed = kept_and_listed(batches)
    for number, alone in enumerate(single):
        more = region(number, "memory", number, 0)
        if alone:
            rows.append(more)
        else:
            rows.extend(
                {"boot": number, "moment": "m", "array": "memory", "flags": 0},
                {"start": [number], "end": [number + 1], "nid": [0]},
            )
        listed.append(more)
        assert rows == listed
        assert rows[-1] == more
    assert "".join(rows.as_json()) == "".join(map(json.dumps, rows.tuples()))


@given(BATCHES, st.dictionaries(st.sampled_from(["boot", "nid", "start"]), SMALL))
def test_rows_with_certain_values_are_those_of_the_list(batches, wanted):
    rows, listed = kept_and_listed(batches)
    chosen = [r for r in listed if all(getattr(r, name) == v for name, v in wanted.items())]
    assert list(rows.where(**wanted)) == chosen


WORDS = st.text(st.characters(exclude_categories=["Cs"]))


@given(
    st.lists(st.tuples(st.none() | st.integers(), WORDS, st.booleans(), st.booleans() | SMALL)),
    st.none() | WORDS,
    st.sampled_from([1, 2, 100]),
)
def test_rows_are_written_as_json_like_their_tuples(values, detail, piece):
    rows = Rows(Event)
    columns = zip(*values, strict=True) if values else [()] * 4
    names = ("boot", "what", "end_ns", "start_ns")
    rows.extend({"detail": detail}, dict(zip(names, columns, strict=True)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kho_sim.trace.rows, "PIECE", piece)
        assert "".join(rows.as_json()) == "".join(map(json.dumps, rows.tuples()))


@given(BATCHES)
def test_a_last_changed_value_is_noticed(batches):
    rows, listed = kept_and_listed(batches)
    if listed:
        assert rows != [*listed[:-1], region(4, "memory", 0, 0)]


def test_rows_are_not_those_of_another_kind():
    event = Event(boot=0, start_ns=0, end_ns=0, what="extend")
    assert Rows(Event, [event]) != Rows(RegionRow, [region(0, "memory", 0, 0)])
    assert Rows(Event, [event]) != 1
    assert repr(Rows(Event, [event])) == f"Rows(Event, [{event!r}])"
    assert repr(Rows(Event, [event] * 21)) == f"Rows(Event, {[*[event] * 20, ...]!r})"


@pytest.mark.parametrize(
    ("same", "columns"),
    [
        ({"boot": 0, "start_ns": 0, "end_ns": 0, "what": ""}, {"detail": ["a"], "end_ns": [0]}),
        ({"boot": 0, "start_ns": 0, "end_ns": 0}, {"detail": ["a"]}),
        ({"boot": 0, "start_ns": 0, "end_ns": 0, "what": "", "who": 1}, {"detail": ["a"]}),
        ({"boot": 0, "start_ns": 0, "end_ns": 0, "what": "", "detail": ""}, {}),
        ({"boot": 0, "start_ns": 0, "end_ns": 0}, {"what": ["a", "b"], "detail": ["a"]}),
    ],
)
def test_a_batch_that_is_not_whole_is_refused(same, columns):
    with pytest.raises(ValueError, match="no batch of Event"):
        Rows(Event).extend(same, columns)
