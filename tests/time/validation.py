"""Published times beside what scenarios predict for them: for the tests, and for a figure.

``python -m tests.time.validation`` predicts all of them anew, into ``predicted.json``; a change of
rates or of what is counted belongs into one commit with it.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

import kho_sim as ks
from kho_sim.scenario import with_values
from kho_sim.trace.records import Boot, PhaseTime
from kho_sim.trace.trace import Trace

HERE = Path(__file__).parent
STORED = HERE / "predicted.json"
KERNEL_BOOT = "kernel_boot"


class Case(NamedTuple):
    """A published time; ``terms``: what of which boot is added up."""

    case: str
    what: str
    scenario: str
    values: dict[str, Any]
    terms: tuple[str, ...]
    published_ms: float
    band: tuple[float, float]
    fixed: bool

    def __str__(self) -> str:
        return f"{self.case} {self.what}"


class Predicted(NamedTuple):
    low_ms: float
    central_ms: float
    high_ms: float


def cases() -> list[Case]:
    """Return the published times, in the order of the file."""
    entries = yaml.safe_load((HERE / "published.yaml").read_text(encoding="utf-8"))
    return [
        Case(
            entry["case"], entry["what"], entry["scenario"], entry["with"] or {},
            tuple(entry["sum"]), entry["published_ms"], tuple(entry["band"]), entry["fixed"],
        )
        for entry in entries
    ]  # fmt: skip


def stored() -> dict[str, Predicted]:
    """Return what was predicted when the rates were changed last, by the text of the case."""
    return {name: Predicted(*levels) for name, levels in json.loads(STORED.read_text()).items()}


def predicted(case: Case) -> Predicted:
    """Return what the scenario of a case gives, in milliseconds."""
    trace = _trace(case.scenario, json.dumps(case.values))
    levels = zip(*(_times(trace, term) for term in case.terms), strict=True)
    return Predicted(*(sum(level) / 1e6 for level in levels))


@cache
def _trace(name: str, values: str) -> Trace:
    place = HERE.parents[1] / name if "/" in name else HERE / "scenarios" / name
    scenario = ks.load(place)
    return ks.run(with_values(scenario, json.loads(values), "published.yaml"))


def write_predictions() -> None:
    """Store what all scenarios give."""
    lines = [f" {json.dumps(str(case))}: {json.dumps(predicted(case))}" for case in cases()]
    STORED.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def _times(trace: Trace, term: str) -> tuple[int, int, int]:
    number, _, name = term.partition(".")
    if name == KERNEL_BOOT:
        boot = trace[Boot][int(number)]
        low, high = boot.kernel_boot_range_ns
        return low, boot.kernel_boot_ns, high
    row = next(trace[PhaseTime].where(boot=int(number), phase=name))
    return row.low_ns, row.duration_ns, row.high_ns


if __name__ == "__main__":
    write_predictions()
