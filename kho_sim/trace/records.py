"""The kinds of fact that a chain leaves behind, one frozen record each.

A simulated run and a real boot log fill the same records; what a log does not tell is None.
Addresses and sizes are ints in bytes, ranges half-open, times ints in nanoseconds since the chain
began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a chain ended. ``kind`` is one of ``base.words.OUTCOMES``, or 'unknown' where a log stops
    without a word.

    ``boot`` is the kernel that the outcome befell (0 is the cold one); for 'completed' the last
    one. ``message`` is what the kernel itself prints for it.
    """

    kind: str
    boot: int
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """One kernel of the chain: the facts that the contract names, and a few about it."""

    boot: int
    kind: str
    """'cold' or 'kho'."""
    release: str = ""
    command_line: str = ""
    kernel_reserved_bytes: int | None = None
    scratch_areas: tuple[tuple[int, int], ...] | None = None
    """(start, size) in array order."""
    preservations: int | None = None
    preservations_by_order: tuple[tuple[int, int], ...] | None = None
    """(order, count), ascending order, zero counts left out."""
    preserved_bytes: int | None = None
    radix_nodes: int | None = None
    busy_blocks: Sequence[int] | None = None
    """Start addresses, ascending, at the strategy's block size (``blocks.Blocks``, or a tuple)."""
    extended_bytes: int | None = None
    digest_pages: int | None = None
    extend_ns: int | None = None
    memory_regions_before: int | None = None
    memory_regions_after: int | None = None
    reserved_regions_before: int | None = None
    reserved_regions_after: int | None = None
    gigantic_pages_requested: int | None = None
    gigantic_pages_allocated: int | None = None
    allocations: int | None = None
    failures: int | None = None
    failures_avoided: int | None = None


FACTS = tuple(
    name
    for name in Boot.__dataclass_fields__
    if name not in ("boot", "kind", "release", "command_line")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """One early allocation, or ``count`` equal ones that were refused together.

    ``phase`` is 'before' or 'after' the extension step. ``what`` names the requester. ``address``
    is 0 when it failed. ``source`` says what the memory was: 'memory' (not a scratch-only boot),
    'scratch' (original area) or 'extended'; '' if it failed. ``avoided``: original scratch alone
    would have refused it. ``why`` says for a failure what was asked and why it did not fit.
    """

    boot: int
    sequence: int
    phase: str
    what: str
    size_bytes: int
    align_bytes: int
    nid: int = -1
    min_address: int = 0
    max_address: int = 0
    count: int = 1
    address: int = 0
    source: str = ""
    failed: bool = False
    avoided: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionRow:
    """One memblock region at a named moment of a boot.

    ``moment``: 'before_extend', 'after_extend', 'before_retrieve', 'after_retrieve'.
    ``array``: 'memory' or 'reserved'. nid -1 (reserved) or 64 (memory) is no node.
    """

    boot: int
    moment: str
    array: str
    start: int
    end: int
    nid: int
    flags: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PreservedRun:
    """Neighbouring keys of one order in the incoming tree, in walk order."""

    boot: int
    order: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePage:
    """A page of the incoming radix tree, in walk order."""

    boot: int
    address: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GiganticPage:
    """A 1 GiB page that a kernel has; ``preserved``: it was handed over by the kernel before."""

    boot: int
    start: int
    nid: int
    preserved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Where kexec placed a segment in the running kernel's scratch (boot: the kernel that
    loads)."""

    boot: int
    what: str
    start: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PreservedFile:
    """A file, or a ``reserve_mem=`` area, that a kernel was handed.

    ``boot``: the kernel that it was handed to, whether that found it or not. ``kind``: 'memfd',
    'hugetlb' or 'reserve_mem'. ``session``: LUO's, '' for an area. ``size_bytes``: of its data.
    ``order``: of its largest folio. ``made_in``: the kernel in which it was made.
    """

    boot: int
    name: str
    kind: str
    session: str
    size_bytes: int
    order: int
    made_in: int


GOES_ON, RETRIED, COLD_BOOT, CHAIN_ENDS = "goes on", "retry", "cold boot", "chain ends"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A fault of the scenario that struck, or a failure that came by itself.

    ``kind``: a fault's kind, or the outcome that the failure would be. ``injected``: it is a fault
    of the scenario. ``message``: what the kernel prints. ``then``: what came of it: 'goes on' (the
    kernel lived), 'retry' (the update is tried again later), 'cold boot' or 'chain ends'.
    """

    boot: int
    time_ns: int
    kind: str
    injected: bool
    message: str
    then: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOutcome:
    """What an incident did to one file that was to outlive its kernel: kept, or lost.

    ``incident`` counts the trace's incidents from 0. A file that no incident names was not at
    risk in it.
    """

    incident: int
    boot: int
    name: str
    kind: str
    session: str
    size_bytes: int
    kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """What another way to extend scratch would have made of a KHO boot that inherits the same.

    Facts have the names and meanings of ``Boot``; ``busy_block_count`` is the number of them.
    ``early_ns``: all of early boot, extension and retrieval included. ``error`` is what the kernel
    prints if the extension fails, ``panic`` what it says when early boot kills it, else ''.
    """

    boot: int
    strategy: str
    shift: int
    busy_block_count: int
    extended_bytes: int
    digest_pages: int
    extend_ns: int
    early_ns: int
    memory_regions_after: int
    reserved_regions_before: int | None = None
    reserved_regions_after: int | None = None
    gigantic_pages_requested: int
    gigantic_pages_allocated: int
    allocations: int
    failures: int
    failures_avoided: int
    error: str = ""
    panic: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that took simulated time, or a line the kernel would print.

    ``what`` is a phase name ('early_boot', 'extend', 'retrieve', 'preserve', 'load', 'jump', ...)
    or 'message'.
    """

    boot: int
    start_ns: int
    end_ns: int
    what: str
    detail: str = ""
