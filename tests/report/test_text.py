"""The terminal report: what it says first, that it fits, and that folding hides nothing bad."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kho_sim.base.words import OUTCOMES
from kho_sim.layout import Layout, first_of
from kho_sim.logs.reader import read_boot_log
from kho_sim.report import report_text
from kho_sim.report.failures import _fitting, grouped
from kho_sim.scenario import loads
from kho_sim.trace.provenance import run_provenance
from kho_sim.trace.records import Allocation, Boot, Outcome
from kho_sim.trace.summary import failures
from kho_sim.trace.trace import Trace
from tests.hand_made import (
    GIB,
    TRACES,
    cold_boot,
    empty_trace,
    hand_made_trace,
    kho_boot,
    refused,
    sparse_trace,
    with_records,
)

RECORDED = Path(__file__).parent.parent / "recorded"
ANSI = re.compile(r"\033\[[0-9;]*m")


def squeezed(text: str) -> str:
    """The text with every run of blanks as one."""
    return " ".join(text.split())


def test_outcomes_of_the_chain_and_its_twin_come_first() -> None:
    report = report_text(hand_made_trace())
    lines = report.splitlines()
    assert lines[0].startswith("With the extension     completed, 1 file lost (2 MiB), 1 early")
    assert lines[1].strip() == "kernels came up"
    assert lines[2].startswith("Without the extension  boot_failed: the kernel of boot 2 died")
    assert '"Failed to allocate memmap"' in squeezed(report)


def test_table_has_a_line_for_each_kernel() -> None:
    lines = [squeezed(line) for line in report_text(hand_made_trace()).splitlines()]
    assert "boot kind failed avoided got without keys bytes pages blocks bytes time" in lines
    assert "0 cold 0 - 4/4 4/4 - - - - - -" in lines
    assert "2 kho 1 4 4/4 0/4 520 18 MiB 11 2 4 GiB 1.25 ms" in lines


def test_failures_are_counted_grouped_and_explained() -> None:
    report = report_text(hand_made_trace())
    assert (
        "Early allocations that failed: 1 with the extension (8 avoided), 9 without the extension"
        in report
    )
    text = squeezed(report)
    assert "boot 2: bounce buffer, 1 x 64 MiB 4 MiB of scratch free, 64 MiB asked" in text
    assert "boots 1-2: gigantic page, 4 x 1 GiB in each 100 MiB free, 1 GiB asked" in text
    assert "boot 2: memmap, 1 x 2 MiB" in text


@pytest.mark.parametrize("room", [1, 2, 3, 5, 9])
def test_the_last_kind_of_failure_is_never_one_more(room: int) -> None:
    groups = grouped(row for row in failures(hand_made_trace()) if not row.extended)
    for few in (groups[:1], groups[:2], groups):
        lines = _fitting(few, room, Layout(80))
        assert 1 <= len(lines) <= room
        assert "1 more kind" not in lines[-1]


def test_log_without_facts_still_makes_a_report() -> None:
    report = report_text(sparse_trace())
    assert report.startswith("unknown: the log stops in boot 1")
    assert "poor.log" in report
    assert "boot 1 is cut off" in report
    assert "None" not in report


def test_colour_changes_no_word() -> None:
    coloured = report_text(hand_made_trace(), Layout(colour=True))
    assert ANSI.search(coloured)
    assert ANSI.sub("", coloured) == report_text(hand_made_trace())


def long_chain(boots: int, failing: int) -> Trace:
    kernels = [kho_boot(number, failures=int(number == failing)) for number in range(1, boots)]
    return with_records(empty_trace(), boots=(cold_boot(), *kernels))


@pytest.mark.parametrize(("boots", "failing"), [(11, 5), (20, 13), (400, 399), (400, 200)])
def test_long_chain_is_folded_around_the_kernel_that_failed(boots: int, failing: int) -> None:
    report = report_text(long_chain(boots, failing))
    shown = [int(number) for number in re.findall(r"^ *(\d+) +(?:cold|kho)", report, re.M)]
    folded = [int(number) for number in re.findall(r"^ *\.\.\. +(\d+) more$", report, re.M)]
    assert failing in shown
    assert "1" not in map(str, folded)
    assert {0, boots - 1} <= set(shown)
    assert len(shown) + sum(folded) == boots
    assert len(report.splitlines()) < 40


def test_control_characters_of_a_description_do_not_reach_the_terminal() -> None:
    outcome = Outcome(kind="boot_failed", boot=0, message="bad\x1b[2J\x07news")
    report = report_text(replace(empty_trace(), outcome=outcome))
    assert "news" in report
    assert all(character.isprintable() or character == "\n" for character in report)


def test_longest_report_of_all_fits_and_still_counts_the_failures() -> None:
    words = "long " * 1000
    outcome = Outcome(kind="boot_failed", boot=39, message=words)
    areas = tuple((number << 50, 123 << 20) for number in range(66))
    boots = tuple(
        kho_boot(number, failures=number % 7 == 3, scratch_areas=areas) for number in range(40)
    )
    chain = with_records(
        replace(empty_trace(), outcome=outcome),
        boots=boots,
        allocations=[
            refused(3, number, f"{number} {words}", number, words) for number in range(20)
        ],
    )
    provenance = {
        **run_provenance(
            loads(f"description: {words}\nmachine: {{memory: 4GiB}}"), [words] * 9, {}
        ),
        "log": words,
    }
    for trace in (
        replace(chain, provenance=provenance, twin=chain),
        replace(chain, provenance={"log": words, "incomplete": [words] * 9}, twin=chain),
    ):
        for width in (80, 100):
            lines = report_text(trace, Layout(width)).splitlines()
            assert len(lines) < 40
            assert max(map(len, lines)) <= width
            assert "Early allocations that failed: 20 with" in "\n".join(lines)


COUNTS = st.integers(0, 10**10)
SIZES = st.integers(0, 2**63 - 1)
BOOTS = st.builds(
    kho_boot,
    st.integers(0, 999),
    preservations=COUNTS,
    preserved_bytes=SIZES,
    radix_nodes=st.integers(0, 10**6 - 1),
    extended_bytes=SIZES,
    extend_ns=st.integers(0, 10**12),
    failures=COUNTS,
    failures_avoided=COUNTS,
    gigantic_pages_requested=st.integers(0, 12288),
    gigantic_pages_allocated=st.integers(0, 12288),
    scratch_areas=st.lists(st.tuples(SIZES, SIZES), max_size=70).map(tuple),
)
REFUSALS = st.builds(
    refused, st.integers(0, 9), st.just(0), st.text(max_size=120), SIZES, st.text(max_size=300)
)


@st.composite
def wild_traces(draw: st.DrawFn) -> Trace:
    outcome = Outcome(
        kind=draw(st.sampled_from(OUTCOMES)),
        boot=draw(st.integers(0, 999)),
        message=draw(st.text(max_size=500)),
    )
    boots = draw(st.lists(BOOTS, max_size=25))
    return Trace(
        provenance={"log": draw(st.text(max_size=200)), "incomplete": ["x" * 300] * 9},
        outcome=outcome,
        records={
            Boot: [replace(boot, boot=number) for number, boot in enumerate(boots)],
            Allocation: draw(st.lists(REFUSALS, max_size=25)),
        },
    )


@settings(max_examples=60, deadline=None)
@given(trace=wild_traces(), twin=st.none() | wild_traces())
def test_any_report_fits_a_terminal(trace: Trace, twin: Trace | None) -> None:
    lines = report_text(replace(trace, twin=twin)).split("\n")
    assert len(lines) < 40
    assert [line for line in lines if len(line) > 100] == []
    assert all(line == line.rstrip() for line in lines)


def test_widest_numbers_of_every_column_fit_beside_each_other() -> None:
    widest = kho_boot(
        1,
        failures=999_999,
        failures_avoided=999_999,
        gigantic_pages_requested=12_288,
        gigantic_pages_allocated=12_287,
        gigantic_pages_kept=12_000,
        preservations=999_999,
        preserved_bytes=1023 * GIB + GIB // 3,
        radix_nodes=999_999,
        extended_bytes=123 * GIB + GIB // 3,
        extend_ns=12_345_678,
    )
    boots = tuple(replace(widest, boot=number) for number in range(3))
    trace = with_records(hand_made_trace(), boots=boots)
    lines = report_text(replace(trace, twin=trace)).splitlines()
    text = squeezed("\n".join(lines))
    assert "12287/12288 12000 12287/12288 999999 1023 GiB 2 123.3 GiB 12.3 ms" in text
    assert "not shown, for want of room: gigantic pages new, tree pages" in text
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)
def test_hand_made_reports_fit_a_terminal(trace: Trace) -> None:
    lines = report_text(trace).splitlines()
    assert len(lines) < 40
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("name", ["numa2-16G-huge", "b-noext-8G-8M_16M_16M", "machine-1G"])
def test_recorded_logs_have_reports(name: str) -> None:
    trace = read_boot_log(RECORDED / f"{name}.log.xz")
    lines = report_text(trace).splitlines()
    assert lines[0].startswith(trace.outcome.kind)
    assert len(lines) < 40
    assert max(map(len, lines)) <= 100


def test_gigantic_pages_are_shown_of_all_that_are_asked_for() -> None:
    kept = kho_boot(1, gigantic_pages_kept=3)
    report = squeezed(report_text(with_records(hand_made_trace(), boots=[cold_boot(), kept])))
    assert "got kept new without" in report
    assert "1 kho 0 4 4/4 3 1 0/4" in report


def test_no_line_says_that_it_hides_a_single_one() -> None:
    assert first_of("abcd", 2) == ("ab", 2)
    assert first_of("abc", 2) == ("abc", 0)
    report = report_text(long_chain(12, 11))
    assert "1 more" not in report
    assert re.search(r"\b[2-9] more", report_text(long_chain(14, 13)))
