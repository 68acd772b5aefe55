"""Traces written by hand: small enough to know every number that must come out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kho_sim.trace.records import (
    RECORDS,
    Allocation,
    Alternative,
    BadFrame,
    Boot,
    Event,
    FileOutcome,
    GiganticPage,
    Incident,
    Outcome,
    PhaseTime,
    PreservedFile,
    PreservedRun,
    RegionRow,
    Segment,
    TablePage,
)
from kho_sim.trace.trace import Trace

GIB = 1 << 30
MIB = 1 << 20
AREAS = ((3 * GIB, 64 * MIB), (8 * GIB, 128 * MIB))
PROVENANCE = {
    "source": "simulation",
    "software": {"name": "kho_sim", "version": "1.2.3", "model_version": 4},
    "seed": 7,
}


def kho_boot(number: int, **facts: object) -> Boot:
    """A KHO boot that asked for 4 gigantic pages, with these facts different."""
    usual = {
        "release": "7.3",
        "command_line": "hugepagesz=1G hugepages=4",
        "scratch_areas": AREAS,
        "preservations": 520,
        "preservations_by_order": ((0, 512), (9, 8)),
        "preserved_bytes": 18 * MIB,
        "radix_nodes": 9,
        "busy_blocks": (4 * GIB, 6 * GIB),
        "extended_bytes": 5 * GIB,
        "digest_pages": 6,
        "extend_ns": 47_000,
        "memory_regions_before": 7,
        "memory_regions_after": 5,
        "reserved_regions_before": 30,
        "reserved_regions_after": 44,
        "gigantic_pages_requested": 4,
        "gigantic_pages_allocated": 4,
        "allocations": 3,
        "failures": 0,
        "failures_avoided": 4,
        "kernel_boot_ns": 1_100_000_000,
        "kernel_boot_range_ns": (700_000_000, 2_500_000_000),
        "blackout_ns": 3_700_000_000,
        "blackout_range_ns": (2_000_000_000, 8_800_000_000),
    }
    return Boot(boot=number, kind="kho", **{**usual, **facts})  # type: ignore[arg-type]


def cold_boot() -> Boot:
    return Boot(
        boot=0,
        kind="cold",
        release="7.3",
        command_line="hugepagesz=1G hugepages=4",
        kernel_reserved_bytes=96 * MIB,
        scratch_areas=AREAS,
        gigantic_pages_requested=4,
        gigantic_pages_allocated=4,
        allocations=2,
        failures=0,
        failures_avoided=0,
    )


def allocation(boot: int, sequence: int, what: str, size_bytes: int, **facts: object) -> Allocation:
    usual = {"phase": "after", "align_bytes": 64, "address": 3 * GIB, "source": "scratch"}
    return Allocation(
        boot=boot,
        sequence=sequence,
        what=what,
        size_bytes=size_bytes,
        **{**usual, **facts},  # type: ignore[arg-type]
    )


def refused(boot: int, sequence: int, what: str, size_bytes: int, why: str, count: int = 1):
    return allocation(
        boot, sequence, what, size_bytes, address=0, source="", failed=True, why=why, count=count
    )


def twin_trace() -> Trace:
    """Without the extension: boot 1 gets no gigantic page, boot 2 dies of its memmap."""
    kept = {"extended_bytes": 0, "busy_blocks": None, "digest_pages": None, "extend_ns": None}
    kept |= {"failures_avoided": 0, "gigantic_pages_allocated": 0}
    return Trace(
        provenance={**PROVENANCE, "twin": True},
        outcome=Outcome(kind="boot_failed", boot=2, message="Failed to allocate memmap"),
        records={
            Boot: (
                cold_boot(),
                kho_boot(1, failures=4, **kept),
                kho_boot(2, failures=5, **kept),
            ),
            Allocation: (
                allocation(0, 0, "node data", 8192, source="memory"),
                refused(1, 0, "gigantic page", GIB, "100 MiB free, 1 GiB asked", count=4),
                refused(2, 0, "gigantic page", GIB, "90 MiB free, 1 GiB asked", count=4),
                refused(2, 1, "memmap", 2 * MIB, "1 MiB free, 2 MiB asked"),
            ),
            PreservedRun: (PreservedRun(boot=1, order=0, start=4 * GIB, end=4 * GIB + 2 * MIB),),
            Event: (Event(boot=0, start_ns=0, end_ns=5, what="early_boot"),),
        },
    )


def hand_made_trace() -> Trace:
    """Three boots that complete; boot 2 misses one optional buffer. With its twin."""
    return Trace(
        provenance=PROVENANCE,
        outcome=Outcome(kind="completed", boot=2),
        records={
            Boot: (
                cold_boot(),
                kho_boot(1),
                kho_boot(
                    2, failures=1, extended_bytes=4 * GIB, extend_ns=1_250_000, radix_nodes=11
                ),
            ),
            Allocation: (
                allocation(0, 0, "node data", 8192, source="memory", max_address=2**64 - 1),
                allocation(1, 0, "gigantic page", GIB, source="extended", avoided=True),
                refused(2, 0, "bounce buffer", 64 * MIB, "4 MiB of scratch free, 64 MiB asked"),
            ),
            RegionRow: (
                RegionRow(
                    boot=1,
                    moment="before_extend",
                    array="memory",
                    start=4096,
                    end=8192,
                    nid=64,
                    flags=0,
                ),
            ),
            PreservedRun: (PreservedRun(boot=1, order=0, start=4 * GIB, end=4 * GIB + 2 * MIB),),
            TablePage: (TablePage(boot=1, address=5 * GIB),),
            GiganticPage: (GiganticPage(boot=1, start=9 * GIB, nid=0, preserved=True),),
            Segment: (Segment(boot=0, what="kernel", start=3 * GIB, size_bytes=32 * MIB),),
            Event: (
                Event(boot=0, start_ns=0, end_ns=5, what="early_boot"),
                Event(boot=0, start_ns=5, end_ns=5, what="message", detail="KHO: found"),
            ),
            PreservedFile: (
                PreservedFile(
                    boot=1,
                    name="vms0/0",
                    kind="memfd",
                    session="vms",
                    size_bytes=2 * MIB,
                    order=0,
                    made_in=0,
                ),
            ),
            Incident: (
                Incident(
                    boot=0,
                    time_ns=4,
                    kind="load",
                    injected=True,
                    then="retry",
                    message="kexec_file_load: Cannot allocate memory",
                ),
                Incident(
                    boot=1,
                    time_ns=5,
                    kind="fdt",
                    injected=True,
                    message="KHO: disabling KHO revival",
                    then="goes on",
                ),
            ),
            FileOutcome: (
                FileOutcome(
                    incident=0,
                    boot=0,
                    name="vms0/0",
                    kind="memfd",
                    session="vms",
                    size_bytes=2 * MIB,
                    kept=True,
                ),
                FileOutcome(
                    incident=1,
                    boot=1,
                    name="vms0/0",
                    kind="memfd",
                    session="vms",
                    size_bytes=2 * MIB,
                    kept=False,
                ),
            ),
            Alternative: (
                Alternative(
                    boot=1,
                    strategy="blocks",
                    shift=24,
                    busy_block_count=2,
                    extended_bytes=7 * GIB,
                    digest_pages=6,
                    extend_ns=5000,
                    early_ns=9000,
                    memory_regions_after=11,
                    gigantic_pages_requested=4,
                    gigantic_pages_allocated=4,
                    allocations=30,
                    failures=0,
                    failures_avoided=4,
                ),
            ),
            PhaseTime: (
                PhaseTime(
                    boot=1,
                    phase="jump",
                    low_ns=10_000_000,
                    duration_ns=20_000_000,
                    high_ns=30_000_000,
                    standing="assumed",
                ),
            ),
            BadFrame: (BadFrame(boot=1, address=5 * GIB, taken_by="memmap"),),
        },
        twin=twin_trace(),
    )


def with_records(trace: Trace, **rows: Iterable[object]) -> Trace:
    """The trace with other records of some kinds, by the names of their tables."""
    return replace(
        trace, records={**trace.records, **{RECORDS[name]: kind for name, kind in rows.items()}}
    )


def empty_trace() -> Trace:
    """No record at all, as of a log that stops after its first line."""
    return Trace(provenance={}, outcome=Outcome(kind="unknown", boot=0))


def sparse_trace() -> Trace:
    """What a poor log leaves: two kernels of which nothing is known."""
    return Trace(
        provenance={"source": "log", "log": "poor.log", "incomplete": ["boot 1 is cut off"]},
        outcome=Outcome(kind="unknown", boot=1),
        records={
            Boot: (Boot(boot=0, kind="cold"), Boot(boot=1, kind="kho")),
        },
    )


TRACES = {
    "hand-made": hand_made_trace(),
    "twin": twin_trace(),
    "empty": empty_trace(),
    "sparse": sparse_trace(),
}
