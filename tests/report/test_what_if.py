"""The table of what-ifs, read as a person would."""

from __future__ import annotations

from dataclasses import replace

from kho_sim.layout import PLAIN, Layout
from kho_sim.report.what_if import what_if_lines
from tests.hand_made import GIB, empty_trace, hand_made_trace, with_records


def with_ways(*ways):
    trace = hand_made_trace()
    (row,) = trace["alternatives"]
    return with_records(trace, alternatives=tuple(replace(row, **way) for way in ways))


def test_the_worst_boot_of_each_way_counts():
    trace = with_ways(
        {
            "boot": 1,
            "extended_bytes": 9 * GIB,
            "extend_ns": 4000,
            "retrieve_ns": 9000,
            "failures_avoided": 3,
        },
        {"boot": 2, "extended_bytes": 7 * GIB, "extend_ns": 3000, "gigantic_pages_allocated": 2},
        {"boot": 2, "strategy": "none", "extended_bytes": 0, "panic": "Failed to allocate"},
    )
    lines = what_if_lines(trace, 10, PLAIN)
    assert lines[2].split() == [
        *["blocks", "per-key", "16", "MiB", "7", "GiB", "2/4", "0", "3", "11", "4", "us", "9", "us"]
    ]
    assert lines[3].split()[:7] == ["none", "per-key", "-", "0", "B", "4/4", "dies"]


def test_as_many_lines_as_there_is_room():
    trace = with_ways(*({"shift": shift} for shift in range(20, 30)))
    assert len(what_if_lines(trace, 20, PLAIN)) == 13
    short = what_if_lines(trace, 8, PLAIN)
    assert len(short) == 8
    assert short[-2] == "  ... and 6 more"
    assert what_if_lines(trace, 3, PLAIN) == what_if_lines(empty_trace(), 20, PLAIN) == []


def test_a_narrow_terminal_loses_first_what_says_nothing():
    trace = with_ways(*({"shift": shift} for shift in range(20, 30)))
    lines = what_if_lines(trace, 10, Layout(80))
    assert max(map(len, lines)) <= 80
    assert "retrieval" not in lines[1]
    assert len(lines) == 10
    assert lines[-3] == "  ... and 5 more"
    assert lines[-2].startswith("  not shown, for want of room: retrieval")
    mixed = with_ways({}, {"retrieval": "parallel"})
    assert "retrieval" in what_if_lines(mixed, 10, Layout(80))[1]
