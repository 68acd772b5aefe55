"""Every head of a report's tables is a term of the glossary, or a plain word."""

from __future__ import annotations

import re

import pytest

import kho_sim
from kho_sim.base.results import SUMMARY
from kho_sim.report.glossary import glossary, line_for
from kho_sim.report.html import report_html
from kho_sim.report.sweep import POINT_COLUMNS

SMALL = (
    "machine: {memory: 1GiB}\nworkload: [{kind: memfd, size: 4MiB}]\n"
    "chain: {boots: 2, on_failure: cold_boot}\n"
    "faults: [{kind: fdt, boot: 1}]\n"
    "what_if: [{strategy: none}]\n"
)
PLAIN = {
    *("align_bytes", "area", "bytes_lost", "command_line", "completed", "count", "detail"),
    *("duration_ns", "high_ns", "low_ns"),
    *("early_ns", "end", "end_ns", "error", "extend_ns", "extend_ns_max", "files_lost"),
    *("injected", "kept", "kind", "made_in", "message", "name", "panic", "release", "sequence"),
    *("size_bytes", "start", "start_ns", "then", "time_ns", "updates_retried", "what", "why"),
}
"""Columns whose names are words of every day."""
HEAD = re.compile(r'<th scope="col" class="[^"]*"( title="[^"]+")?>(.*?)</th>')


def heads(page: str) -> dict[str, bool]:
    """Each head of a page, and whether it has a line of the glossary."""
    return {name.replace("<wbr>", ""): bool(title) for title, name in HEAD.findall(page)}


def test_a_head_of_a_page_has_the_line_of_its_term_or_is_plain() -> None:
    found = heads(report_html(kho_sim.run(kho_sim.loads(SMALL))))
    assert {"scratch_areas", "outcome"} & found.keys()
    assert {name for name, has_line in found.items() if not has_line} <= PLAIN
    assert {name for name, has_line in found.items() if has_line}.isdisjoint(PLAIN)


@pytest.mark.parametrize("column", [*POINT_COLUMNS, *SUMMARY])
def test_a_number_of_a_summary_is_a_term_or_plain(column: str) -> None:
    assert bool(line_for(column)) != (column in PLAIN)


@pytest.mark.parametrize(
    ("column", "term"),
    [
        ("radix_nodes", "radix node"),
        ("memory_regions_before", "memory region"),
        ("scratch_areas", "scratch"),
        ("failures_avoided", "failures avoided"),
        ("nid", "nid"),
        ("kernel.extend.shift", "shift"),
        ("sequence", ""),
    ],
)
def test_the_longest_term_in_a_name_counts(column: str, term: str) -> None:
    lines = {name: line for terms in glossary().values() for name, line in terms.items()}
    assert line_for(column) == (lines[term] if term else "")


def test_a_line_is_one_to_three_sentences_and_no_term_comes_twice() -> None:
    terms = [(term, line) for subject in glossary().values() for term, line in subject.items()]
    assert len({term.casefold() for term, _ in terms}) == len(terms) > 50
    for term, line in terms:
        assert line.endswith((".", ".)")), term
        assert 1 <= len(re.findall(r"[.](?: |\)?$)", line)) <= 3, term
