"""Writes down what kernels do, as trace records."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any, NamedTuple

from kho_sim.chain.bad_memory import bad_frames_of
from kho_sim.chain.incidents import Failure, PersistentObject
from kho_sim.chain.timing import Steps
from kho_sim.chain.timing.early import (
    early_phases,
    extend_ns,
    extend_work,
    pages_of,
    retrieve_instructions,
)
from kho_sim.kernel.boot import BootedMemory, KernelSetup
from kho_sim.kho.bitmaps import FrozenBitmaps
from kho_sim.kho.handover import Handover
from kho_sim.kho.radix import FrozenRadixTree
from kho_sim.memory.early import Request
from kho_sim.platform.loader import Placement
from kho_sim.rates import Hardware, Times, instructions
from kho_sim.trace.records import (
    FACTS,
    Allocation,
    Alternative,
    Boot,
    Event,
    FileOutcome,
    GiganticPage,
    Incident,
    PhaseTime,
    PreservedFile,
    PreservedRun,
    RegionRow,
    Segment,
    TablePage,
)
from kho_sim.trace.rows import Rows
from kho_sim.trace.trace import no_records

REQUEST_FIELDS = tuple(Request.__dataclass_fields__)
ALTERNATIVE_FACTS = Alternative.__dataclass_fields__.keys() & set(FACTS)


class KernelTimes(NamedTuple):
    """What a kernel took: its phases, the boot up to its init if it came so far, and the blackout
    that it ended, if it ended one."""

    phases: tuple[PhaseTime, ...]
    kernel_boot: Times | None
    blackout: Times | None


@dataclass
class Journal:
    """The records of one chain, in the order in which things happened; times by the rates of its
    ``hardware``."""

    hardware: Hardware
    records: dict[type[Any], Rows[Any]] = field(default_factory=no_records)
    _made_in: dict[str, int] = field(default_factory=dict)

    def note(self, record: object) -> None:
        """Write down one record, of any kind."""
        self.records[type(record)].append(record)

    def note_boot(
        self,
        boot: int,
        setup: KernelSetup,
        names: tuple[str, str],
        booted: BootedMemory,
    ) -> None:
        """Write down early boot, as far as it came; ``names`` are release and command line."""
        self._note_allocations(boot, booted)
        self._note_regions(boot, booted)
        if booted.incoming is not None:
            self._note_incoming(boot, booted.incoming)
        release, command_line = names
        facts = {
            **_facts_of_boot(booted, setup),
            **(_facts_of_tree(booted.incoming) if booted.incoming is not None else {}),
            **_facts_of_extension(booted, self.hardware),
        }
        self.note(
            Boot(
                boot=boot,
                kind="kho" if booted.early.revived else "cold",
                release=release,
                command_line=command_line,
                **facts,  # type: ignore[arg-type]
            )
        )

    def note_times(self, boot: int, times: KernelTimes) -> None:
        """Write down what the kernel took whose boot was noted last, if it was that one."""
        for phase in times.phases:
            self.note(phase)
        boots = self.records[Boot]
        if boots and boots[-1].boot == boot:
            known = {"kernel_boot": times.kernel_boot, "blackout": times.blackout}
            facts: dict[str, Any] = {}
            for name, taken in known.items():
                if taken is not None:
                    facts[f"{name}_ns"] = taken.central
                    facts[f"{name}_range_ns"] = (taken.low, taken.high)
            boots.replace_last(replace(boots[-1], **facts))

    def note_alternative(
        self, boot: int, setup: KernelSetup, tried: BootedMemory, steps: Steps
    ) -> None:
        """Record the results of early boot with another ``setup``, from the same handover."""
        facts = {**_facts_of_boot(tried, setup), **_facts_of_extension(tried, self.hardware)}
        facts = {name: value for name, value in facts.items() if name in ALTERNATIVE_FACTS}
        phases = {
            phase.name: phase.times(self.hardware)
            for phase in early_phases(tried, pages_of(tried), steps)
        }
        low_ns, early_ns, high_ns = map(sum, zip(*phases.values(), strict=True))
        retrieve = phases.get("retrieve")
        extension = tried.extension
        assert extension is not None, "only a boot that extends is tried with other strategies"
        self.note(
            Alternative(
                boot=boot,
                strategy=setup.strategy,
                shift=extension.shift,
                busy_block_count=len(extension.busy),
                retrieval=setup.retrieves_by,
                retrieve_ns=retrieve.central if retrieve else None,
                extend_instructions=instructions(extend_work(tried)),
                retrieve_instructions=retrieve_instructions(tried.retrieval),
                early_ns=early_ns,
                early_low_ns=low_ns,
                early_high_ns=high_ns,
                error=extension.error,
                panic=tried.panic,
                **facts,  # type: ignore[arg-type]
            )
        )

    def note_bad_frames(self, boot: int, booted: BootedMemory, handover: Handover | None) -> None:
        """Write down the bad frames that kernels before this one knew, and who was handed them."""
        if handover is not None:
            for row in bad_frames_of(boot, booted, handover):
                self.note(row)

    def note_gigantic(self, boot: int, booted: BootedMemory, kept: set[int]) -> None:
        """Write down the gigantic pages of a kernel: its own, and those it was handed
        (``kept``)."""
        own = dict(booted.early.gigantic.pages)
        starts = sorted(own.keys() | kept)
        columns: dict[str, list[int]] = {
            "start": starts,
            "nid": [own.get(start, -1) for start in starts],
            "preserved": [start in kept for start in starts],
        }
        self.records[GiganticPage].extend({"boot": boot}, columns)

    def note_segments(self, boot: int, placed: tuple[Placement, ...]) -> None:
        """Write down where kexec put the next kernel."""
        for one in placed:
            self.note(Segment(boot=boot, what=one.name, start=one.start, size_bytes=one.size_bytes))

    def note_files(
        self, boot: int, files: Iterable[PersistentObject], inherited: Collection[str]
    ) -> None:
        """Write down what ``boot`` hands on; ``inherited`` names what it was itself handed."""
        made_in = {f.name: self._made_in[f.name] if f.name in inherited else boot for f in files}
        self._made_in = made_in
        for f in files:
            self.note(
                PreservedFile(
                    boot=boot + 1, name=f.name, kind=f.kind, session=f.session,
                    size_bytes=f.size_bytes, order=f.order, made_in=made_in[f.name],
                )
            )  # fmt: skip

    def note_incident(self, boot: int, time_ns: int, failure: Failure, then: str) -> int:
        """Record an incident and its consequence; return its number."""
        self.note(
            Incident(
                boot=boot, time_ns=time_ns, kind=failure.kind, injected=failure.injected,
                message=failure.message, then=then, victim=failure.victim,
            )
        )  # fmt: skip
        return len(self.records[Incident]) - 1

    def note_file_outcomes(
        self, incident: int, objects: Iterable[PersistentObject], kept: bool
    ) -> None:
        """Write down what became of the files that were at risk in an incident."""
        boot = self.records[Incident][incident].boot
        for one in objects:
            self.note(
                FileOutcome(
                    incident=incident, boot=boot, name=one.name, kind=one.kind,
                    session=one.session, size_bytes=one.size_bytes, kept=kept,
                )
            )  # fmt: skip

    def note_event(
        self, boot: int, start_ns: int, end_ns: int, what: str, detail: str = ""
    ) -> None:
        """Write down something that took time, or a message."""
        self.note(Event(boot=boot, start_ns=start_ns, end_ns=end_ns, what=what, detail=detail))

    def _note_allocations(self, boot: int, booted: BootedMemory) -> None:
        if rows := booted.early.requests.rows:
            columns: dict[str, Iterable[Any]] = {
                name: map(attrgetter(name), rows) for name in REQUEST_FIELDS
            }
            columns["sequence"] = range(len(rows))
            self.records[Allocation].extend({"boot": boot}, columns)

    def _note_regions(self, boot: int, booted: BootedMemory) -> None:
        for moment, arrays in booted.regions.items():
            for name, regions in zip(("memory", "reserved"), arrays, strict=True):
                same = {"boot": boot, "moment": moment, "array": name}
                columns = {"start": regions.bases, "end": regions.ends}
                columns |= {"nid": regions.nids, "flags": regions.flags}
                self.records[RegionRow].extend(same, columns)

    def _note_incoming(self, boot: int, incoming: FrozenRadixTree) -> None:
        if runs := list(incoming.runs()):
            columns = dict(zip(("order", "start", "end"), zip(*runs, strict=True), strict=True))
            self.records[PreservedRun].extend({"boot": boot}, columns)
        if not isinstance(incoming, FrozenBitmaps):
            self.records[TablePage].extend({"boot": boot}, {"address": incoming.table_pages()})


def _facts_of_boot(booted: BootedMemory, setup: KernelSetup) -> dict[str, object]:
    early = booted.early
    rows = early.requests.rows
    kept = sum(pages for _, pages in setup.options.gigantic_kept)
    facts: dict[str, object] = {
        "gigantic_pages_requested": setup.options.gigantic_pages(setup.platform.geometry),
        "gigantic_pages_allocated": len(early.gigantic.pages) + kept,
        "gigantic_pages_kept": kept or None,
        "allocations": sum(row.count for row in rows),
        "failures": sum(row.count for row in rows if row.failed),
        "failures_avoided": sum(row.count for row in rows if row.avoided),
        "scratch_areas": booted.scratch_areas or None,
    }
    if booted.reservation:
        facts["kernel_reserved_bytes"] = booted.reservation.kernel_reserved_bytes
    for moment in ("before", "after"):
        arrays = booted.regions.get(f"{moment}_retrieve")
        facts[f"reserved_regions_{moment}"] = len(arrays[1]) if arrays else None
    return facts


def _facts_of_tree(incoming: FrozenRadixTree) -> dict[str, object]:
    counts = incoming.counts_by_order()
    return {
        "preservations": len(incoming),
        "preservations_by_order": tuple(sorted(counts.items())),
        "preserved_bytes": incoming.preserved_bytes,
        "radix_nodes": incoming.nodes,
    }


def _facts_of_extension(booted: BootedMemory, hardware: Hardware) -> dict[str, object]:
    extension = booted.extension
    if extension is None:
        return {}
    facts: dict[str, object] = {
        "extended_bytes": extension.extended_bytes,
        "digest_pages": extension.digest_pages,
        "extend_ns": extend_ns(booted, hardware),
        "busy_blocks": extension.busy_blocks,
    }
    for moment in ("before", "after"):
        facts[f"memory_regions_{moment}"] = len(booted.regions[f"{moment}_extend"][0])
    return facts
