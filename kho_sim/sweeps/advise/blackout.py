"""Advice on a blackout: which changes of a scenario bring it within a budget, the best one first.

Each round simulates the chain with every change that is left, and takes over the one that saves
most. What no release of the kernel does is a proposal, and comes last. Scratch is none of the
changes: its size decides whether a chain lives, not how long its updates take.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from kho_sim.base.notebook import text_html
from kho_sim.base.units import format_ns
from kho_sim.chain import run_scenario
from kho_sim.platform.geometry import PAGES_4K
from kho_sim.releases import load_release
from kho_sim.scenario import Scenario, with_values
from kho_sim.scenario.workloads import Memfd, Vms
from kho_sim.trace.blackout import blackout_parts, longest_blackout
from kho_sim.trace.records import PhaseTime
from kho_sim.trace.trace import Trace

SCHEMA, SCHEMA_VERSION = "kho-sim/advise-blackout", 1
HVO = "hugetlb_free_vmemmap=on"
HUGE_FOLIO = "2MiB"
SMALL_PAGE_BYTES = PAGES_4K.page_bytes
LEAST_SAVED = 0.005
"""A change that saves a smaller part of the blackout is not worth its line."""
DEFERRING_RELEASE = "7.3"
LARGEST = 4


Blackout = tuple[int, tuple[int, int]]
"""Nanoseconds with central rates, and with low and high ones."""


class Change(NamedTuple):
    """Something that can be done, as values of the scenario; ``proposal``: no kernel does it."""

    words: str
    values: Mapping[str, Any]
    proposal: bool = False


class Step(NamedTuple):
    """A change that was taken over, and the blackout from then on."""

    change: Change
    blackout_ns: int
    range_ns: tuple[int, int]


@dataclass(frozen=True, slots=True, repr=False)
class BlackoutAdvice:
    """The blackout as it is, the changes in their order, and what is left in the end."""

    budget_ns: int
    blackout_ns: int
    range_ns: tuple[int, int]
    steps: tuple[Step, ...]
    left: tuple[PhaseTime, ...]
    """The phases of the last blackout, the longest first."""

    @property
    def final_ns(self) -> int:
        """The blackout with all changes."""
        return self.steps[-1].blackout_ns if self.steps else self.blackout_ns

    @property
    def fits(self) -> bool:
        """Tell whether the blackout with all changes is within the budget, with central rates."""
        return self.final_ns <= self.budget_ns

    @property
    def document(self) -> dict[str, Any]:
        """The document that ``kho-sim advise --blackout --json`` prints."""
        return {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "budget_ns": self.budget_ns,
            "blackout_ns": self.blackout_ns,
            "blackout_range_ns": list(self.range_ns),
            "fits": self.fits,
            "changes": [
                {
                    "change": step.change.words,
                    "values": dict(step.change.values),
                    "proposal": step.change.proposal,
                    "blackout_ns": step.blackout_ns,
                    "blackout_range_ns": list(step.range_ns),
                }
                for step in self.steps
            ],
            "left_ns": {row.phase: row.duration_ns for row in self.left},
        }

    def __str__(self) -> str:
        return "\n".join(_lines(self))

    def __repr__(self) -> str:
        fits = "fits" if self.fits else "does not fit"
        return f"<BlackoutAdvice: {format_ns(self.final_ns)}, {fits}, {len(self.steps)} changes>"

    def _repr_html_(self) -> str:
        return text_html(str(self))


def advise_blackout(scenario: Scenario, budget_ns: int) -> BlackoutAdvice | None:
    """Return the changes that bring the longest blackout of a chain within a budget, or as near as
    they can; None if no update of the chain comes to its end."""
    scenario = with_values(scenario, {"chain.twin": False})
    trace = run_scenario(scenario)
    first = _measured(trace)
    if first is None:
        return None
    now, steps, left = first, list[Step](), changes_for(scenario)
    while now[0] > budget_ns and left:
        enough_ns = (1 - LEAST_SAVED) * now[0]
        best = _best(scenario, [one for one in left if not one.proposal], enough_ns)
        best = best or _best(scenario, [one for one in left if one.proposal], enough_ns)
        if best is None:
            break
        change, trace, now = best
        scenario = with_values(scenario, change.values)
        steps.append(Step(change, *now))
        left = [one for one in left if one is not change]
    boot = longest_blackout(trace)
    parts = blackout_parts(trace, boot) if boot else []
    parts.sort(key=lambda row: -row.duration_ns)
    return BlackoutAdvice(budget_ns, *first, tuple(steps), tuple(parts))


def changes_for(scenario: Scenario) -> list[Change]:
    """Return what can be changed of a scenario, and is not so already."""
    return list(_changes(scenario))


def _changes(scenario: Scenario) -> Iterator[Change]:
    chain, kernel, cpus = scenario.chain, scenario.kernel, scenario.machine.cpus
    if chain.preserve_when == "paused":
        yield Change("preserve while machines run", {"chain.preserve_when": "running"})
    if (chain.file_threads or 1) < cpus:
        yield Change(f"{cpus} threads preserve and retrieve files", {"chain.file_threads": cpus})
    if chain.vfio:
        yield Change("preserve the maps of devices", {"chain.vfio": False})
    for number, entry in enumerate(scenario.workload):
        if not isinstance(entry, Memfd | Vms) or kernel.page_size != SMALL_PAGE_BYTES:
            continue
        is_memfd = isinstance(entry, Memfd) or entry.backing == "memfd"
        if is_memfd and entry.folio in (None, SMALL_PAGE_BYTES):
            words = f"folios of {HUGE_FOLIO} for {entry.kind} (workload {number})"
            yield Change(words, {f"workload.{number}.folio": HUGE_FOLIO})
    if "hugepages=" in kernel.command_line and HVO not in kernel.command_line:
        words = f"{HVO}: tails of huge pages are shared"
        yield Change(words, {"kernel.command_line": f"{kernel.command_line} {HVO}"})
    if not load_release(kernel.release).struct_pages_deferred:
        words = f"a release that defers struct pages, as {DEFERRING_RELEASE}"
        yield Change(words, {"kernel.release": DEFERRING_RELEASE})
    if kernel.deferred_threads or kernel.hugetlb_parallel is False:
        values = {"kernel.deferred_threads": None, "kernel.hugetlb_parallel": None}
        yield Change("all CPUs for struct pages and huge pages", values)
    if kernel.extend.strategy == "blocks":
        yield Change("extension by blocks-skip", {"kernel.extend.strategy": "blocks-skip"}, True)
    if kernel.retrieval == "per-key":
        yield Change("retrieval by collect-runs", {"kernel.retrieval": "collect-runs"}, True)
        yield Change("retrieval in parallel", {"kernel.retrieval": "parallel"}, True)


def _best(
    scenario: Scenario, changes: Sequence[Change], enough_ns: float
) -> tuple[Change, Trace, Blackout] | None:
    """Return the change with the shortest blackout, its chain, and that blackout; None if none is
    as short as is worth it. A chain that does not come to its end is none."""
    found = []
    for change in changes:
        trace = run_scenario(with_values(scenario, change.values))
        measured = _measured(trace)
        if trace.outcome.kind == "completed" and measured and measured[0] <= enough_ns:
            found.append((change, trace, measured))
    return min(found, key=lambda one: one[2][0], default=None)


def _measured(trace: Trace) -> Blackout | None:
    boot = longest_blackout(trace)
    if boot is None or boot.blackout_ns is None:
        return None
    return boot.blackout_ns, boot.blackout_range_ns or (boot.blackout_ns,) * 2


def _lines(advice: BlackoutAdvice) -> Iterator[str]:
    yield f"Budget {format_ns(advice.budget_ns)}; the longest blackout now: " + _text(
        advice.blackout_ns, advice.range_ns
    )
    before = advice.blackout_ns
    for number, step in enumerate(advice.steps, start=1):
        proposal = " (a proposal: no release does it)" if step.change.proposal else ""
        saved = format_ns(before - step.blackout_ns)
        after = _text(step.blackout_ns, step.range_ns)
        yield f"  {number}. {step.change.words}{proposal}: saves {saved}, {after}"
        before = step.blackout_ns
    if advice.fits:
        high = advice.steps[-1].range_ns[1] if advice.steps else advice.range_ns[1]
        sure = "with high rates, too" if high <= advice.budget_ns else "but not with high rates"
        yield f"Within the budget with central rates, {sure}."
    else:
        yield "Nothing else that is known here saves more; the budget is not met."
    largest = advice.left[:LARGEST]
    named = ", ".join(f"{r.phase} {format_ns(r.duration_ns)} ({r.standing})" for r in largest)
    yield f"What is left, the longest first: {named}"


def _text(blackout_ns: int, range_ns: tuple[int, int]) -> str:
    low, high = map(format_ns, range_ns)
    return f"{format_ns(blackout_ns)} ({low} to {high})"
