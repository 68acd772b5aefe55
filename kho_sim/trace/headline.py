"""How a chain ended, in one sentence: what reports, pages, notebooks and tables of sweeps say
first.

A chain can come to its end and still have lost what it was run for. So the sentence names what is
missing beside the outcome: gigantic pages, processes, files, early allocations. Left out: why (the
tables of failures and incidents have the reasons).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kho_sim.base import requesters
from kho_sim.base.units import counted, format_size, natural_key, plural
from kho_sim.trace.records import (
    COLD_BOOT,
    OOM_KILL,
    OVERWRITTEN,
    Allocation,
    Boot,
    FileOutcome,
    Incident,
)

if TYPE_CHECKING:
    from kho_sim.trace.trace import Trace

COMPLETED = "completed"
SEVERITY = ("bad", "amber", "good")
"""Colours of a headline, the worst first."""

ENDINGS = {
    "kho_disabled": "boot {boot} came up without KHO, and the chain ends there",
    "load_refused": "the kernel of boot {boot} could not load its successor",
    "preserve_failed": "the kernel of boot {boot} could not preserve what it was to hand over",
    "boot_failed": "the kernel of boot {boot} died before its init",
    "panicked": "the kernel of boot {boot} died while it served",
    "unknown": "the log stops in boot {boot}",
}
"""Outcome of a chain that did not complete -> what it means."""


RUN_RESULTS = (
    "outcome",
    "boots",
    "gigantic_pages_requested_min",
    "gigantic_pages_allocated_min",
    "processes_killed",
    "files_lost",
    "bytes_lost",
    "failures",
)
TWIN_RESULTS = (
    "outcome_without_extension",
    "boots_without_extension",
    "gigantic_pages_requested_min",
    "gigantic_pages_without_extension_min",
    "processes_killed_without_extension",
    "files_lost_without_extension",
    "bytes_lost_without_extension",
    "failures_without_extension",
)
"""What a headline is made of, of a run and of its twin, in the same order."""


@dataclass(frozen=True, slots=True)
class Headline:
    """How a chain ended. ``str()`` is the whole sentence."""

    outcome: str
    """Its kind, one of ``base.words.OUTCOMES`` or 'unknown'."""
    lacks: tuple[str, ...]
    """What a chain that completed did not have or keep, in a few words each, the worst first."""
    course: str
    """What became of the kernels."""
    boot: int = 0
    """The kernel that the outcome befell."""
    message: str = ""
    """What that kernel printed, if it did."""

    @property
    def verdict(self) -> str:
        """The first words: the outcome, and what is missing."""
        return ", ".join([self.outcome, *self.lacks])

    @property
    def colour(self) -> str:
        """The colour: 'good', 'bad', or 'amber' if something is missing or needed a cold boot."""
        if self.outcome != COMPLETED:
            return "bad"
        return "amber" if self.lacks else "good"

    def __str__(self) -> str:
        return f"{self.verdict}: {self.course}"


def headline(trace: Trace) -> Headline:
    """Return the headline of a chain or of a log; its twin has one of its own."""
    outcome = trace.outcome
    if outcome.kind != COMPLETED:
        return _dead(outcome.kind, outcome.boot, outcome.message)
    return Headline(COMPLETED, tuple(_lacks(trace)), _course(trace))


def run_headline(run: Mapping[str, Any], twin: bool = False) -> Headline | None:
    """Return the headline of a run of a sweep, or of its twin: less exact, as sums are all it has.

    ``run`` has the names of ``base.results.RESULTS``, 'outcome_boot' and 'outcome_message', with
    None for what is unknown. None if there was no twin, or the run did not end.
    """
    names = TWIN_RESULTS if twin else RUN_RESULTS
    outcome, boots, short_of, got, victims, lost, lost_bytes, failures = map(run.get, names)
    if outcome is None:
        return None
    if outcome != COMPLETED:
        if twin:
            return _dead(outcome, (boots or 1) - 1, "")
        return _dead(outcome, run["outcome_boot"], run.get("outcome_message") or "")
    lacks = []
    if short_of and got is not None and got < short_of:
        lacks.append(f"up to {short_of - got:,} of {counted(short_of, 'gigantic page')} short")
    elif failures:
        lacks.append(f"{counted(failures, 'early allocation')} refused")
    if victims:
        lacks.append(f"{counted(victims, 'process', 'es')} killed by the OOM killer")
    if lost:
        lacks.append(f"{counted(lost, 'file')} lost ({format_size(lost_bytes or 0)})")
    if not twin and run.get("firmware_resets"):
        lacks.append(f"{counted(run['firmware_resets'], 'cold boot')} after failures")
    return Headline(COMPLETED, tuple(lacks), _all_came_up(boots or 0))


def points_words(chains: Sequence[Headline]) -> str:
    """Return what became of chains that differ in their seeds only: the worst of them, and how
    many are like it."""
    worst = max(chains, key=_badness)
    alike = sum((one.outcome, one.colour) == (worst.outcome, worst.colour) for one in chains)
    share = f"{alike} of {len(chains)} " if alike < len(chains) else ""
    if worst.colour != "bad":
        return share + worst.verdict
    message = f": {worst.message}" if worst.message else ""
    return f"{share}{worst.outcome} in boot {worst.boot}{message}"


def boots_text(boots: Iterable[int]) -> str:
    """Return 'boot 2', or 'boots 1-3, 7'."""
    runs: list[list[int]] = []
    for boot in sorted(boots):
        if runs and boot == runs[-1][1] + 1:
            runs[-1][1] = boot
        else:
            runs.append([boot, boot])
    texts = [str(first) if first == last else f"{first}-{last}" for first, last in runs]
    return f"{plural(sum(last - first + 1 for first, last in runs), 'boot')} {', '.join(texts)}"


def _badness(one: Headline) -> tuple[int, int, list[tuple[int, str]]]:
    """Return a sort key: by colour, then the earlier boot, then the larger number that lacks."""
    return -SEVERITY.index(one.colour), -one.boot, natural_key(one.verdict)


def _dead(kind: str, boot: int, message: str) -> Headline:
    said = f': "{message}"' if message else ""
    return Headline(kind, (), ENDINGS[kind].format(boot=boot) + said, boot, message)


def _lacks(trace: Trace) -> Iterator[str]:
    pages = {boot.boot: (_short(boot), boot.gigantic_pages_requested or 0) for boot in trace[Boot]}
    short = {boot: counts for boot, counts in pages.items() if counts[0]}
    if short:
        most, asked = max(short.values())
        each = "up to " if len(set(short.values())) > 1 else ""
        yield f"{each}{most:,} of {counted(asked, 'gigantic page')} short at {boots_text(short)}"
    yield from _killed(trace)
    if spoilt := {row.boot for row in trace[Incident].where(kind=OVERWRITTEN)}:
        yield f"preserved memory overwritten in scratch at {boots_text(spoilt)}"
    lost = [file for file in trace[FileOutcome] if not file.kept]
    if lost:
        size = format_size(sum(file.size_bytes for file in lost))
        yield f"{counted(len(lost), 'file')} lost ({size})"
    if resets := _resets(trace):
        yield f"{counted(resets, 'cold boot')} after failures"
    if refused := _refused(trace):
        count = counted(sum(refused.values()), "early allocation")
        yield f"{count} refused at {boots_text(refused)}"


def _killed(trace: Trace) -> Iterator[str]:
    """Say whom the OOM killer ended, by name if it was only one."""
    victims = list(trace[Incident].where(kind=OOM_KILL))
    if victims:
        who = victims[0].victim
        who = who if len(victims) == 1 else counted(len(victims), "process", "es")
        yield f"{who} killed by the OOM killer at {boots_text({row.boot for row in victims})}"


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
    return f"the last of {kernels} kernels came up" if _resets(trace) else _all_came_up(kernels)


def _all_came_up(kernels: int) -> str:
    return f"all {kernels} kernels came up" if kernels != 1 else "the only kernel came up"
