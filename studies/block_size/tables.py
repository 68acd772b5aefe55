"""The study in three Markdown tables: what blocks recover, what each strategy costs, which block to
take.

``rows`` is what ``study_table`` returns; numbers are means over a case's chains.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import floor

import pandas as pd

from kho_sim.base.units import format_ns, format_size
from kho_sim.kho.extend import has_blocks
from kho_sim.layout import markdown

SHOWN_SHIFTS = (16, 18, 21, 24, 27, 28, 29, 30, 31, 33, 36)
SHOWN = (
    ("none", 30),
    ("reserve-early", 30),
    ("blocks", 30),
    ("blocks", 21),
    ("blocks-skip", 30),
    ("scaled-blocks", None),
    ("largest-gaps", 21),
)
"""(strategy, shift); None is the one that the strategy chose."""
STRATEGIES_WORKLOADS = ("memfd-4k", "fragmented")
GOALS = (0.90, 0.95, 0.99)
DIES = "dies"


def recovered_table(rows: pd.DataFrame) -> str:
    """Return the share of recoverable memory by block size for the patch's strategy, a row a
    case."""
    blocks = rows[rows["strategy"] == "blocks"]
    heads = ["workload", "machine", *(format_size(1 << shift) for shift in SHOWN_SHIFTS)]
    body = []
    for workload, machine, case in cases_of(blocks):
        cells = [case[case["shift"] == shift] for shift in SHOWN_SHIFTS]
        body.append([workload, format_size(machine), *map(_recovered_cell, cells)])
    return markdown(heads, body, right_from=1)


def strategies_table(rows: pd.DataFrame) -> str:
    """Return gain and price of each strategy, one row per case and what-if."""
    heads = ["workload", "machine", "strategy", "blocks", "recovered", "1 GiB pages", "failed"]
    heads += ["avoided", "ranges", "digest pages", "extension", "early boot"]
    chosen = rows[rows["workload"].isin(STRATEGIES_WORKLOADS)]
    body = [
        [workload, format_size(machine), *_what_if_cells(strategy, tried)]
        for workload, machine, case in cases_of(chosen)
        for strategy, shift in SHOWN
        if len(tried := _what_if(case, strategy, shift))
    ]
    return markdown(heads, body, right_from=4)


def choice_table(rows: pd.DataFrame) -> str:
    """Return the largest blocks that recover a share of what can be recovered, one row per machine.

    All workloads, all chains: the worst one decides.
    """
    blocks = rows[rows["strategy"] == "blocks"]
    heads = ["machine", *(f"{goal:.0%} recovered" for goal in GOALS)]
    heads += ["1 GiB blocks recover", "scaled-blocks takes", "and recovers"]
    body = []
    for machine, case in blocks.groupby("memory_bytes"):
        worst = case.groupby("shift")["recovered_share"].min()
        largest = [worst[worst >= goal].index.max() for goal in GOALS]
        scaled = rows[(rows["strategy"] == "scaled-blocks") & (rows["memory_bytes"] == machine)]
        body.append(
            [
                format_size(int(machine)),
                *("none" if pd.isna(shift) else format_size(1 << int(shift)) for shift in largest),
                _percent(worst[30]),
                format_size(1 << int(scaled["shift"].iloc[0])),
                _percent(scaled["recovered_share"].min()),
            ]
        )
    return markdown(heads, body, right_from=0)


def cases_of(rows: pd.DataFrame) -> Iterator[tuple[str, int, pd.DataFrame]]:
    """Yield (workload, memory in bytes, rows) of each case, in the study's order."""
    for (workload, machine), case in rows.groupby(["workload", "memory_bytes"], sort=False):
        yield str(workload), int(machine), case


def _recovered_cell(case: pd.DataFrame) -> str:
    if case.empty:
        return ""
    dead = f" ({DIES})" if (case["panic"] != "").any() else ""
    return _percent(case["recovered_share"].mean()) + dead


def _what_if(case: pd.DataFrame, strategy: str, shift: int | None) -> pd.DataFrame:
    tried = case[case["strategy"] == strategy]
    return tried if shift is None else tried[tried["shift"] == shift]


def _what_if_cells(strategy: str, tried: pd.DataFrame) -> list[str]:
    blocks = has_blocks(strategy)
    dies = (tried["panic"] != "").any()
    ranges = tried["memory_regions_after"] + tried["reserved_regions_before"].fillna(0)
    asked = tried["gigantic_pages_requested"].iloc[0]
    return [
        strategy,
        format_size(1 << int(tried["shift"].iloc[0])) if blocks else "",
        _percent(tried["recovered_share"].mean()),
        f"{tried['gigantic_pages_allocated'].mean():,.4g} / {asked}" if asked else "",
        DIES if dies else f"{tried['failures'].mean():,.4g}",
        f"{tried['failures_avoided'].mean():,.6g}",
        "" if dies else f"{ranges.mean():,.0f}",
        f"{tried['digest_pages'].mean():,.4g}" if blocks else "",
        format_ns(round(tried["extend_ns"].mean())),
        "" if dies else format_ns(round(tried["early_ns"].mean())),
    ]


def _percent(share: float) -> str:
    """Round down, so that 100 % is all."""
    percent = floor(1000 * share) / 10
    return f"{percent:.0f}%" if share in (0, 1) else f"{percent:.1f}%"
