"""The steps of each kernel's early boot, each with its sentences.

Which steps a boot has follows from what it is: a cold boot reserves scratch at its end, a kernel
that was handed memory walks and digests the tree, marks and retrieves; without an extension it only
retrieves. A kernel that dies has no step after that. Left out: all that comes after memblock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from kho_sim.base.extent import Extent, subtracted, total_size
from kho_sim.base.words import PAGE_SIZES, PLATFORMS
from kho_sim.releases import strategy_in
from kho_sim.steps import sentences
from kho_sim.steps.blocks import busy_spans
from kho_sim.steps.recorded import Recorded, recorded_boots
from kho_sim.steps.requests import Caller, callers_by_step
from kho_sim.trace.records import Boot, Incident
from kho_sim.trace.trace import Trace

STEPS = {
    "before": "Before the extension",
    "walk": "Walk of the incoming tree",
    "digest": "Digest into busy blocks",
    "marks": "Marks: more scratch",
    "early": "Early allocations",
    "scratch": "Scratch for later kernels",
    "retrieve": "Retrieval",
}
"""Name of a step -> its heading, in the order of a boot."""

HEADINGS_COLD = {"before": "Early boot, first half", "early": "Early boot, second half"}
"""Headings of a boot that has no extension between its halves."""

MOMENT_OF = {
    "before": "before_extend",
    "walk": "before_extend",
    "digest": "before_extend",
    "marks": "after_extend",
    "early": "before_retrieve",
    "scratch": "after_retrieve",
    "retrieve": "after_retrieve",
}
"""Step -> the moment whose regions show memory at its end."""


@dataclass(frozen=True)
class Step:
    """A step of a boot: its name in ``STEPS``, and what happens in it."""

    name: str
    heading: str
    sentences: tuple[str, ...]

    @property
    def moment(self) -> str:
        """The moment whose regions show memory at the end of the step."""
        return MOMENT_OF[self.name]


@dataclass(frozen=True)
class BootSteps:
    """One boot: its records, and what follows from them for its steps."""

    recorded: Recorded
    strategy: str
    """How the kernel extends scratch; '' where a log does not say it."""
    likely_shift: int | None = None
    """log2 of the block size that the scenario gives."""
    death: str | None = None
    """What the kernel says as it dies in early boot; None if it does not."""
    simulated: bool = True
    page_bytes: int = PAGE_SIZES[PLATFORMS[0]][0]

    @property
    def boot(self) -> Boot:
        return self.recorded.boot

    @property
    def extends(self) -> bool:
        """Tell whether scratch is extended, or was to be."""
        if self.strategy:
            return self.strategy != "none" and self.inherits
        return bool(self.boot.extended_bytes or self.boot.busy_blocks)

    @property
    def inherits(self) -> bool:
        """Tell whether the kernel found what the one before it handed over."""
        return self.boot.kind != "cold" and (
            not self.simulated or self.boot.preservations is not None
        )

    @cached_property
    def busy(self) -> tuple[list[Extent], int]:
        """Runs of busy blocks, and the size in bytes of a block (0: unknown)."""
        kept_off = self.recorded.memory("after_extend").get("kept_off", [])
        return busy_spans(self.boot.busy_blocks or (), kept_off, self.likely_shift)

    @cached_property
    def callers(self) -> dict[str, list[Caller]]:
        """Step -> who asked for early memory in it."""
        return callers_by_step(self.recorded.allocations, self.boot.kind == "cold")

    @property
    def names(self) -> list[str]:
        """The names of the steps that this boot came to."""
        if self.boot.kind == "cold":
            names = ["before", "early", "scratch"]
        elif self.extends:
            names = ["before", "walk", "digest", "marks", "early", "retrieve"]
        else:
            names = ["before", "early", *(["retrieve"] if self.inherits else [])]
        return names if self.death is None else names[: names.index(self._last) + 1]

    @property
    def _last(self) -> str:
        reached = self.recorded.regions.keys()
        if ("after_retrieve", "memory") in reached:
            if self.boot.kind == "cold":
                return "scratch"
            return "retrieve" if self.inherits else "early"
        return "early" if "early" in self.callers else "before"

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The steps, in order, each with its sentences."""
        headings = STEPS if self.inherits else {**STEPS, **HEADINGS_COLD}
        steps = [Step(name, headings[name], tuple(SENTENCES[name](self))) for name in self.names]
        if self.death is not None:
            end = f"The kernel dies in this step: {self.death}" if self.death else "It dies here."
            steps[-1] = replace(steps[-1], sentences=(*steps[-1].sentences, end))
        return tuple(steps)

    def free_bytes(self, moment: str) -> int | None:
        """Return the memory that nobody has reserved at a moment, None if it is not recorded."""
        memory = self.recorded.regions.get((moment, "memory"))
        reserved = self.recorded.regions.get((moment, "reserved"))
        if memory is None or reserved is None:
            return None
        ranges = [[(one.start, one.end) for one in array] for array in (memory, reserved)]
        return total_size(subtracted(*ranges))


def steps_of(trace: Trace) -> Iterator[BootSteps]:
    """Yield each boot of a trace with its steps; only one is held at a time.

    A twin is a trace of its own: ``steps_of(trace.twin)``.
    """
    scenario = trace.provenance.get("scenario")
    kernel = scenario["kernel"] if scenario else None
    deaths = _deaths(trace)
    for recorded in recorded_boots(trace):
        boot = recorded.boot
        strategy = ""
        if trace.provenance.get("twin"):
            strategy = "none"
        elif kernel:
            strategy = strategy_in(boot.release, kernel["extend"]["strategy"])
        yield BootSteps(
            recorded,
            strategy,
            likely_shift=kernel["extend"].get("shift") if kernel else None,
            death=deaths.get(boot.boot),
            page_bytes=(kernel or {}).get("page_size", BootSteps.page_bytes),
            simulated=trace.provenance.get("source") != "log",
        )


SENTENCES: dict[str, Callable[[BootSteps], Iterator[str]]] = {
    "before": sentences.before,
    "walk": sentences.walk,
    "digest": sentences.digest,
    "marks": sentences.marks,
    "early": sentences.early,
    "scratch": sentences.scratch,
    "retrieve": sentences.retrieve,
}
"""Step -> what is said of it."""


def _deaths(trace: Trace) -> dict[int, str]:
    """Boots that ended before their init, with what their kernels said."""
    outcome = trace.outcome
    deaths = {row.boot: row.message for row in trace[Incident] if row.kind == "boot_failed"}
    if outcome.kind == "boot_failed":
        deaths[outcome.boot] = outcome.message
    return deaths
