"""How a chain ended, in one sentence: what reports, pages, notebooks and tables of sweeps say
first.

A chain can come to its end and still have lost what it was run for. So the sentence names what is
missing beside the outcome: gigantic pages, files, early allocations. Left out: why (the tables of
failures and incidents have the reasons).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kho_sim.base import requesters
from kho_sim.base.units import format_size
from kho_sim.trace.records import COLD_BOOT, Allocation, Boot, FileOutcome, Incident

if TYPE_CHECKING:
    from kho_sim.trace.trace import Trace

COMPLETED = "completed"

ENDINGS = {
    "kho_disabled": "boot {boot} came up without KHO, and the chain ends there",
    "load_refused": "the kernel of boot {boot} could not load its successor",
    "preserve_failed": "the kernel of boot {boot} could not preserve what it was to hand over",
    "boot_failed": "the kernel of boot {boot} died before its init",
    "panicked": "the kernel of boot {boot} died while it served",
    "unknown": "the log stops in boot {boot}",
}
"""Outcome of a chain that did not complete -> what it means."""


@dataclass(frozen=True, slots=True)
class Headline:
    """How a chain ended. ``str()`` is the whole sentence."""

    outcome: str
    """Its kind, one of ``base.words.OUTCOMES`` or 'unknown'."""
    lacks: tuple[str, ...]
    """What a chain that completed did not have or keep, in a few words each, the worst first."""
    course: str
    """What became of the kernels."""

    @property
    def verdict(self) -> str:
        """The first words: the outcome, and what is missing."""
        return ", ".join([self.outcome, *self.lacks])

    @property
    def colour(self) -> str:
        """'good', 'amber' if something is missing or came back by a cold boot only, or 'bad'."""
        if self.outcome != COMPLETED:
            return "bad"
        return "amber" if self.lacks else "good"

    def __str__(self) -> str:
        return f"{self.verdict}: {self.course}"


def headline(trace: Trace) -> Headline:
    """Return the headline of a chain or of a log; its twin has one of its own."""
    outcome = trace.outcome
    if outcome.kind != COMPLETED:
        message = f': "{outcome.message}"' if outcome.message else ""
        course = ENDINGS[outcome.kind].format(boot=outcome.boot) + message
        return Headline(outcome.kind, (), course)
    return Headline(COMPLETED, tuple(_lacks(trace)), _course(trace))


def boots_text(boots: Iterable[int]) -> str:
    """Return 'boot 2', or 'boots 1-3, 7'."""
    runs: list[list[int]] = []
    for boot in sorted(boots):
        if runs and boot == runs[-1][1] + 1:
            runs[-1][1] = boot
        else:
            runs.append([boot, boot])
    texts = [str(first) if first == last else f"{first}-{last}" for first, last in runs]
    single = len(runs) == 1 and runs[0][0] == runs[0][1]
    return f"boot{'' if single else 's'} {', '.join(texts)}"


def counted(number: int, what: str) -> str:
    """Return '1 file', '2 files', '1,024 files'."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def _lacks(trace: Trace) -> Iterator[str]:
    pages = {boot.boot: (_short(boot), boot.gigantic_pages_requested or 0) for boot in trace[Boot]}
    short = {boot: counts for boot, counts in pages.items() if counts[0]}
    if short:
        most, asked = max(short.values())
        each = "up to " if len(set(short.values())) > 1 else ""
        yield f"{each}{most:,} of {counted(asked, 'gigantic page')} short at {boots_text(short)}"
    lost = [file for file in trace[FileOutcome] if not file.kept]
    if lost:
        size = format_size(sum(file.size_bytes for file in lost))
        yield f"{counted(len(lost), 'file')} lost ({size})"
    if resets := _resets(trace):
        yield f"{counted(resets, 'cold boot')} after failures"
    if refused := _refused(trace):
        count = counted(sum(refused.values()), "early allocation")
        yield f"{count} refused at {boots_text(refused)}"


def _short(boot: Boot) -> int:
    """Return how many gigantic pages a boot asked for and did not get, as far as it is known."""
    if boot.gigantic_pages_requested is None or boot.gigantic_pages_allocated is None:
        return 0
    return max(boot.gigantic_pages_requested - boot.gigantic_pages_allocated, 0)


def _refused(trace: Trace) -> dict[int, int]:
    """Return boot -> refused early allocations, gigantic pages apart."""
    counts: dict[int, int] = {}
    for row in trace[Allocation].where(failed=True):
        if row.what != requesters.GIGANTIC_PAGE:
            counts[row.boot] = counts.get(row.boot, 0) + row.count
    return counts


def _resets(trace: Trace) -> int:
    return sum(row.then == COLD_BOOT for row in trace[Incident])


def _course(trace: Trace) -> str:
    kernels = len(trace[Boot])
    if _resets(trace):
        return f"the last of {kernels} kernels came up"
    return f"all {kernels} kernels came up" if kernels != 1 else "the only kernel came up"
