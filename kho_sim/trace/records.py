"""The kinds of fact that a chain leaves behind: a class for each, and ``RECORDS``, their list.

A simulated run and a real boot log fill the same records; what a log does not show is None.
Addresses and sizes are ints in bytes, ranges half-open, times ints in nanoseconds since the chain
began. Left out: what only a log has (its memblock calls), which is in ``Trace.extra``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kho_sim.trace.schema import column, columns_of, record


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of a chain. ``kind`` is one of ``base.words.OUTCOMES``, or 'unknown' where a log
    stops without a word.

    ``boot`` is the kernel that the outcome befell (0 is the cold one); for 'completed' the last
    one. ``message`` is what the kernel itself prints for it.
    """

    kind: str
    boot: int
    message: str = ""


@record
class Boot:
    """The kernels of the chain, one row per boot; what is unknown or does not apply is empty."""

    boot: int = column("number of the kernel, 0 is the cold one")
    kind: str = column("cold or kho")
    release: str = column("kernel release, empty if unknown", default="")
    command_line: str = column("as the kernel got it, empty if unknown", default="")
    kernel_reserved_bytes: int | None = column(
        "what the default scratch size is a percentage of", default=None
    )
    scratch_areas: tuple[tuple[int, int], ...] | None = column(
        "(start, size) in bytes, in array order", default=None
    )
    preservations: int | None = column("keys of the incoming tree", default=None)
    preservations_by_order: tuple[tuple[int, int], ...] | None = column(
        "(order, count), ascending, zero counts left out", default=None
    )
    preserved_bytes: int | None = column("memory behind these keys", default=None)
    radix_nodes: int | None = column(
        "pages of the incoming tree, before 7.1 of bitmaps and chunks", default=None
    )
    busy_blocks: Sequence[int] | None = column(
        "start addresses at the strategy's block size, ascending, to be read like a tuple",
        default=None,
    )
    extended_bytes: int | None = column("bytes newly marked as scratch", default=None)
    digest_pages: int | None = column("pages that the second tree took", default=None)
    extend_ns: int | None = column("duration of the extension", default=None)
    memory_regions_before: int | None = column(
        "regions of memblock.memory before the extension", default=None
    )
    memory_regions_after: int | None = column(
        "regions of memblock.memory after the extension", default=None
    )
    reserved_regions_before: int | None = column(
        "regions of memblock.reserved before the retrieval", default=None
    )
    reserved_regions_after: int | None = column(
        "regions of memblock.reserved after the retrieval", default=None
    )
    gigantic_pages_requested: int | None = column(
        "gigantic pages that the command line asks for", default=None
    )
    gigantic_pages_allocated: int | None = column(
        "gigantic pages in the pool after early boot, those handed on included", default=None
    )
    gigantic_pages_kept: int | None = column(
        "gigantic pages that were handed on, if any", default=None, late=True
    )
    allocations: int | None = column("early allocations", default=None)
    failures: int | None = column("early allocations that failed", default=None)
    failures_avoided: int | None = column(
        "early allocations that original scratch alone would have refused", default=None
    )
    kernel_boot_ns: int | None = column(
        "from the kernel's entry to its init", default=None, late=True
    )
    kernel_boot_range_ns: tuple[int, int] | None = column(
        "the same with low and with high rates", default=None, late=True
    )
    blackout_ns: int | None = column(
        "from the last instant at which virtual machines ran under a kernel before this one to the "
        "first at which they run again",
        default=None,
        late=True,
    )
    blackout_range_ns: tuple[int, int] | None = column(
        "the same with low and with high rates", default=None, late=True
    )


FACTS = tuple(
    one.name
    for one in columns_of(Boot)
    if one.name not in ("boot", "kind", "release", "command_line")
)


@record
class Allocation:
    """Early allocations in order, one row each, or one row for ``count`` that were refused
    together."""

    boot: int = column("number of the kernel")
    sequence: int = column("place among the allocations of that boot, from 0")
    phase: str = column("before or after the extension")
    what: str = column("who asked")
    size_bytes: int = column("bytes of one")
    align_bytes: int = column("alignment asked for")
    nid: int = column("node asked for, -1 is any", default=-1)
    min_address: int = column("lower limit, 0 is none", default=0)
    max_address: int = column(
        "upper limit, 0 is the default; up to 2^64 - 1", dtype="uint64", default=0
    )
    count: int = column("equal requests that the row stands for", default=1)
    address: int = column("where it is, 0 if it failed", default=0)
    source: str = column(
        "what the memory was: memory (not a scratch-only boot), scratch (original area), extended, "
        "or low memory (below 1 MiB, before the extension); empty if it failed or if unknown",
        default="",
    )
    failed: bool = column("whether it failed", default=False)
    avoided: bool = column("whether original scratch alone would have refused it", default=False)
    why: str = column("for a failure, what was asked and why it did not fit", default="")


@record
class RegionRow:
    """Memblock regions at named moments of each boot, in address order within moment and array."""

    boot: int = column("number of the kernel")
    moment: str = column("before_extend, after_extend, before_retrieve or after_retrieve")
    array: str = column("memory or reserved")
    start: int = column("bytes")
    end: int = column("bytes, half-open")
    nid: int = column("node; -1 (reserved) or 64 (memory) is none")
    flags: int = column("MEMBLOCK_* bits")


@record
class PreservedRun:
    """Preserved memory as each boot found it: runs of neighbouring keys of one order in the
    incoming tree, in walk order."""

    boot: int = column("number of the kernel that found them")
    order: int = column("page order of each key in the run")
    start: int = column("bytes")
    end: int = column("bytes, half-open")


@record
class TablePage:
    """The pages of each incoming radix tree, in walk order."""

    boot: int = column("number of the kernel that found the tree")
    address: int = column("start of the page in bytes")


@record
class GiganticPage:
    """Gigantic pages that each kernel has, allocated early or handed over."""

    boot: int = column("number of the kernel")
    start: int = column("bytes")
    nid: int = column("node that it was allocated on, -1 is unknown")
    preserved: bool = column("whether the kernel before handed it over", default=False)


@record
class Segment:
    """The segments that kexec loads for the next kernel, with their places, in load order."""

    boot: int = column("number of the kernel that loads")
    what: str = column("which segment")
    start: int = column("bytes")
    size_bytes: int = column("of the segment")


@record
class PreservedFile:
    """The files and ``reserve_mem=`` areas that each kernel was handed; a log does not name
    them."""

    boot: int = column("number of the kernel that it was handed to, whether that found it or not")
    name: str = column("unique in its chain")
    kind: str = column("memfd, guest_memfd, hugetlb, reserve_mem or early")
    session: str = column("LUO's, empty for an area")
    size_bytes: int = column("of its data")
    order: int = column("of its largest folio")
    made_in: int = column("number of the kernel that made it")


GOES_ON, RETRIED, COLD_BOOT, CHAIN_ENDS = "goes on", "retry", "cold boot", "chain ends"
OOM_KILL = "oom_kill"
"""``Incident.kind`` of a process that the OOM killer ended."""
IN_SCRATCH, OVERWRITTEN = "in_scratch", "overwritten"
"""``Incident.kind`` of memory that could not be preserved as it lies in scratch, and of such memory
that was, and that the next kernel wrote over."""
REASON = "reason"
"""``Event.what`` of a line that says why memory could not serve, just before the incident."""


@record
class Incident:
    """Faults of the scenario that occurred in the chain, and failures that came by themselves."""

    boot: int = column("number of the kernel in which it occurred")
    time_ns: int = column("since the chain began")
    kind: str = column(
        "a kind of fault, oom_kill, in_scratch (not preserved), overwritten (it lay in scratch), "
        "or the outcome that the failure would be"
    )
    injected: bool = column("whether it is a fault of the scenario")
    message: str = column("what the kernel prints")
    then: str = column(
        "goes on (the kernel lived), retry (of the update, later), cold boot or chain ends"
    )
    victim: str = column("process that the OOM killer ended, else empty", default="", late=True)


@record
class FileOutcome:
    """The files at risk in each incident, and whether they survived: one row per incident and
    file."""

    incident: int = column("row of the table of incidents, from 0")
    boot: int = column(Incident)
    name: str = column("of the file")
    kind: str = column(PreservedFile)
    session: str = column(PreservedFile)
    size_bytes: int = column(PreservedFile)
    kept: bool = column("whether it survived")


@record
class Alternative:
    """Each KHO boot as other ways to extend and retrieve would have made it, from the same
    handover."""

    boot: int = column("number of the kernel")
    strategy: str = column("extension strategy")
    shift: int = column("log2 of the block size in bytes")
    retrieval: str = column("way to retrieve", default="per-key")
    busy_block_count: int = column("blocks left alone")
    extended_bytes: int = column(Boot)
    digest_pages: int = column(Boot)
    extend_ns: int = column(Boot)
    retrieve_ns: int | None = column("duration of the retrieval", default=None)
    extend_instructions: int = column("of extension and first pass, by rates", default=0)
    retrieve_instructions: int | None = column("of the retrieval's longest thread", default=None)
    early_ns: int = column("duration of early boot, extension and retrieval included")
    early_low_ns: int | None = column("the same with low rates", default=None, late=True)
    early_high_ns: int | None = column("the same with high rates", default=None, late=True)
    memory_regions_after: int = column(Boot)
    reserved_regions_before: int | None = column(Boot, default=None)
    reserved_regions_after: int | None = column(Boot, default=None)
    gigantic_pages_requested: int = column(Boot)
    gigantic_pages_allocated: int = column(Boot)
    allocations: int = column(Boot)
    failures: int = column(Boot)
    failures_avoided: int = column(Boot)
    error: str = column("what the kernel prints if the extension fails, else empty", default="")
    panic: str = column("what the kernel prints if early boot panics, else empty", default="")


@record
class Event:
    """Phases and messages on the chain's clock, in the order they ended."""

    boot: int = column("number of the kernel")
    start_ns: int = column("since the chain began")
    end_ns: int = column("since the chain began; equal to start_ns for a message")
    what: str = column("name of the phase (early_boot, extend, load, ...), message or reason")
    detail: str = column("text of the message or reason", default="")


PHASES = (
    "preserve",
    "load",
    "shutdown",
    "jump",
    "early_boot",
    "extend",
    "retrieve",
    "hugetlb",
    "deferred",
    "cpus",
    "acpi",
    "pci",
    "initcalls",
    "initramfs",
    "user_space",
    "files",
    "vms",
)
"""Every phase that takes time in an update, in the order in which results name them: first those of
the kernel that is left."""


@record
class PhaseTime:
    """Durations of the phases of each kernel, one row per phase, in the order in which they came;
    an update that was tried again has the times of its last try."""

    boot: int = column("number of the kernel that did it")
    phase: str = column("name of the phase")
    low_ns: int = column("with the low rates of the machine's hardware")
    duration_ns: int = column("with its central rates, as on the chain's clock")
    high_ns: int = column("with its high rates")
    standing: str = column(
        "of the rate that most of it is from: measured, derived (from what was measured) or assumed"
    )


@record
class BadFrame:
    """Frames that earlier kernels knew to be bad, one row per KHO boot and frame, and who was
    handed them by early boot all the same."""

    boot: int = column("number of the kernel")
    address: int = column("address of the frame")
    taken_by: str = column("who was handed it before initcalls, empty for nobody", default="")
    in_scratch: bool = column("whether it lies in original scratch", default=False)


RECORDS: dict[str, type[Any]] = {
    "boots": Boot,
    "allocations": Allocation,
    "regions": RegionRow,
    "preserved": PreservedRun,
    "tree_pages": TablePage,
    "gigantic": GiganticPage,
    "segments": Segment,
    "events": Event,
    "files": PreservedFile,
    "incidents": Incident,
    "file_outcomes": FileOutcome,
    "alternatives": Alternative,
    "phases": PhaseTime,
    "bad_frames": BadFrame,
}
"""Every kind of record by the name of its table, which is also its file's name in a stored run.

``Trace.digest`` reads them in this order, so a new kind goes to the end.
"""


@record
class FailedAllocation:
    """Early allocations that failed, with the extension (True) and without it (False).

    A derived row: the ``Allocation`` of a request that was refused, in a trace or its twin.
    """

    extended: bool = column("True for the trace itself, False for its twin without the extension")
    boot: int = column(Allocation)
    sequence: int = column(Allocation)
    phase: str = column(Allocation)
    what: str = column(Allocation)
    size_bytes: int = column(Allocation)
    align_bytes: int = column(Allocation)
    nid: int = column(Allocation)
    count: int = column(Allocation)
    why: str = column(Allocation)


@record
class ScratchArea:
    """The original scratch areas of each boot, in array order.

    A derived row: ``Boot.scratch_areas``, one row per area.
    """

    boot: int = column("number of the kernel")
    area: int = column("index in the scratch array")
    start: int = column("bytes")
    end: int = column("bytes, half-open")
    size_bytes: int = column("end - start")
