"""Chains of kernels whose memory goes bad, one for each way to tell the next kernel and each seed.

A scenario's ``machine.bad_memory`` does all of it; here are only the host, the ways and the sums.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import pandas as pd

from kho_sim.chain import run_scenario
from kho_sim.scenario import from_dict
from kho_sim.trace.trace import Trace

GIB = 1 << 30
KERNELS = 21
FRAMES_PER_DAY = 3 / 7
"""Assumed: three new bad frames a kernel. No rate of a fleet is published."""
COLUMNS = ["way", "seed", "boot", "requester", "in_scratch", "frames"]


class Way(NamedTuple):
    """How a kernel hears of bad frames, and how it extends scratch."""

    told: str
    strategy: str
    shift: int = 30

    @property
    def name(self) -> str:
        size = {30: "blocks of 1 GiB", 21: "blocks of 2 MiB"}[self.shift]
        size = "a thousandth of memory" if self.strategy == "scaled-blocks" else size
        return "replayed late" if self.told == "late" else f"told as busy, {size}"


WAYS = (
    Way("late", "blocks"),
    Way("busy", "blocks"),
    Way("busy", "scaled-blocks"),
    Way("busy", "blocks-skip", 21),
)


def scenario_of(way: Way, seed: int, kernels: int) -> dict[str, Any]:
    """Return a hypervisor of 64 GiB that is updated weekly, a third of its pool in use."""
    return {
        "machine": {
            "memory": 64 * GIB,
            "cpus": 12,
            "bad_memory": {"frames_per_day": FRAMES_PER_DAY, "told": way.told},
        },
        "kernel": {
            "command_line": "hugepagesz=1G hugepages=24",
            "extend": {"strategy": way.strategy, "shift": way.shift},
        },
        "workload": [
            {"kind": "hugetlb", "size": "1GiB", "preserve": 8},
            {"kind": "memfd", "count": 4, "size": "256MiB"},
        ],
        "chain": {"boots": kernels, "uptime": "168h", "twin": False, "seed": seed},
        "sources": ["assumed: a hypervisor that is updated weekly"],
    }


def run_ways(seeds: Iterable[int], kernels: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run all chains; return known-bad frames by requester, and what extensions were worth.

    Columns of the first: way, seed, boot, requester ('' for nobody), in_scratch, frames. Of the
    second, one row a KHO boot: way, seed, boot, extended_bytes, gigantic_pages_allocated, failures.
    """
    frames, boots = [], []
    for way in WAYS:
        for seed in seeds:
            trace = run_scenario(from_dict(scenario_of(way, seed, kernels)))
            frames.append(_frames_of(way.name, seed, trace))
            boots += [
                (way.name, seed, row.boot, row.extended_bytes, row.gigantic_pages_allocated,
                 row.failures)
                for row in trace["boots"]
                if row.kind == "kho"
            ]  # fmt: skip
    facts = ["extended_bytes", "gigantic_pages_allocated", "failures"]
    return pd.concat(frames), pd.DataFrame(boots, columns=["way", "seed", "boot", *facts])


def _frames_of(way: str, seed: int, trace: Trace) -> pd.DataFrame:
    rows = [(row.boot, row.taken_by, row.in_scratch) for row in trace["bad_frames"]]
    table = pd.DataFrame(rows, columns=["boot", "requester", "in_scratch"])
    counted = table.groupby(["boot", "requester", "in_scratch"]).size().reset_index(name="frames")
    return counted.assign(way=way, seed=seed)[COLUMNS]
