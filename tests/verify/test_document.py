"""The document, the list of known differences, the table, and the exit codes of ``verify``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kho_sim.base.errors import ScenarioError
from kho_sim.cli.app import call
from kho_sim.trace.records import Outcome
from kho_sim.verification import (
    BootCheck,
    Difference,
    Explained,
    LogCheck,
    failing,
    outdated,
    read_explained,
    totals,
    verify_document,
    verify_text,
)
from kho_sim.verification.comparison import Comparison, Miss, compare
from kho_sim.verification.placements import Placements

RECORDED = Path(__file__).parent.parent / "recorded"
MACHINE = str(RECORDED / "machine-1G.log.xz")


def made_check(**changes) -> LogCheck:
    """One boot with one difference of each kind, and one fact within its tolerance."""
    placements = Placements(
        compared=10, exact=9, misses=[Miss(3, "memmap", 2 << 20, 2 << 20, 0, 0x200000, 0x400000)]
    )
    nodes = Comparison(predicted=7, observed=6, exact=False, close=True)
    boot = BootCheck(
        boot=1,
        kind="kho",
        placements=placements,
        steps={"extended_bytes": compare(4096, 8192), "busy_blocks": compare((0,), (0,))},
        facts={
            "radix_nodes": nodes,
            "preservations": compare(5, 6),
            "preservations_by_order": compare(((0, 5),), ((0, 6),)),
        },
    )
    ends = {"predicted": Outcome(kind="completed", boot=2), "observed": Outcome(kind="x", boot=1)}
    made = {"log": "my-machine.log.xz", "outcome": compare("completed", "x"), "boots": (boot,)}
    return LogCheck(**{**made, **ends, **changes})


def test_the_document_has_the_form_of_the_contract():
    document = json.loads(json.dumps(verify_document([made_check()])))
    assert (document["schema"], document["schema_version"]) == ("kho-sim/verify", 1)
    (log,) = document["logs"]
    assert log["outcome"]["predicted_boot"] == 2
    assert log["outcome"]["observed"] == "x"
    (boot,) = log["boots"]
    assert (boot["boot"], boot["kind"]) == (1, "kho")
    assert boot["placements"]["misses"][0]["observed"] == 0x400000
    assert boot["steps"]["busy_blocks"] == {"predicted": [0], "observed": [0], "exact": True}
    assert boot["facts"]["radix_nodes"]["close"] is True
    assert boot["facts"]["preservations_by_order"]["observed"] == {"0": 6}


def test_totals_add_up_over_logs():
    sums = totals([made_check(), made_check(outcome=None)])
    assert (sums["logs"], sums["boots"]) == (2, 2)
    assert sums["placements"] == {"compared": 20, "exact": 18, "left_out": 0}
    assert sums["steps"]["busy_blocks"] == {"compared": 2, "exact": 2}
    assert sums["facts"]["radix_nodes"] == {"compared": 2, "exact": 0, "close": 2}
    assert sums["outcomes"] == {"compared": 1, "exact": 0}


def test_a_fact_that_follows_placement_fails_only_on_request():
    names = [found.name for found in failing([made_check()], [])]
    expected = ["outcome", "memmap", "extended_bytes", "preservations", "preservations_by_order"]
    assert names == expected
    strict = [found.name for found in failing([made_check()], [], any_difference=True)]
    assert set(strict) == {*expected, "radix_nodes"}


@pytest.mark.parametrize(
    ("entry", "matches"),
    [
        (Explained("my-machine", "steps", "extended_bytes", "w"), True),
        (Explained("my-*", "steps", "extended_*", "w", 1), True),
        (Explained("my-machine", "steps", "extended_bytes", "w", 2), False),
        (Explained("my-machine", "facts", "extended_bytes", "w"), False),
        (Explained("other", "steps", "extended_bytes", "w"), False),
    ],
)
def test_known_differences_match_by_log_kind_name_and_boot(entry, matches):
    found = Difference("my-machine.log.xz", 1, "steps", "extended_bytes", compare(1, 2))
    assert entry.matches(found) is matches
    assert outdated([entry], [found]) == ([] if matches else [entry])


def test_a_list_of_known_differences_is_read_and_its_mistakes_are_all_said(tmp_path):
    file = tmp_path / "known.yaml"
    file.write_text("- {log: a*, of: facts, name: radix_nodes, why: because}\n")
    assert read_explained(file) == [Explained("a*", "facts", "radix_nodes", "because")]
    file.write_text("- {log: a*, of: nothing, name: x, reason: y}\n- 5\n")
    with pytest.raises(ScenarioError) as error:
        read_explained(file)
    words = str(error.value)
    for part in ("lacks why", "unknown key reason", "of: accepted", "[1]: is no mapping"):
        assert part in words


def test_the_table_says_what_differs_by_how_much_and_why():
    why = Explained("my-machine", "facts", "preservations", "the recorder counts one less")
    text = verify_text([made_check()], [why])
    assert "simulated 0x1000 (4 KiB), real 0x2000 (8 KiB): -50.0%" in text
    assert "known: the recorder counts one less" in text
    assert "simulated 7, real 6: +16.7% (close)" in text
    last = ["steps: extended_bytes", "facts: preservations_by_order", "facts: preservations\n"]
    places = [text.index(part) for part in (*last, "facts: radix_nodes")]
    assert places == sorted(places)
    assert max(map(len, text.splitlines())) <= 100


def test_the_verb_prints_one_document_and_exits_with_0(capsys):
    assert call(["verify", MACHINE, "--json"]) == 0
    out = capsys.readouterr().out
    assert json.loads(out)["totals"]["logs"] == 1


def test_the_verb_fails_on_what_is_not_allowed_and_takes_a_list(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(
        "kho_sim.verification.verify.check_logs", lambda _logs, _workers: [made_check()]
    )
    assert call(["verify", "x"]) == 1
    known = tmp_path / "known.yaml"
    known.write_text(
        "- {log: my-machine, of: placements, name: memmap, why: w}\n"
        "- {log: my-machine, of: outcome, name: outcome, why: w}\n"
        "- {log: my-machine, of: steps, name: '*', why: w}\n"
        "- {log: my-machine, of: facts, name: 'preservations*', why: w}\n"
    )
    assert call(["verify", "x", "--explained", str(known)]) == 0
    assert call(["verify", "x", "--explained", str(known), "--fail-on-any"]) == 1


def test_a_file_that_is_no_log_is_refused_and_the_others_are_checked(capsys, tmp_path):
    other = tmp_path / "note.txt"
    other.write_text("nothing of a kernel\n")
    assert call(["verify", str(other), MACHINE, "--workers", "1"]) == 3
    captured = capsys.readouterr()
    assert "note.txt" in captured.err
    assert "1 log, 3 boots" in captured.out


def test_workers_give_the_results_in_the_order_of_the_logs(capsys):
    logs = [str(RECORDED / f"{name}.log.xz") for name in ("machine-4G", "huge58-64G")]
    assert call(["verify", *logs, "--json", "--workers", "2"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [log["log"] for log in document["logs"]] == [Path(log).name for log in logs]
