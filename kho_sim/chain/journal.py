"""Writes down what kernels do, as trace records."""

from __future__ import annotations

from dataclasses import dataclass, field

from kho_sim.chain.phases import early_phases_ns
from kho_sim.cost import nanoseconds
from kho_sim.kho.boot import BootedMemory, KernelSetup
from kho_sim.kho.handover import Handover
from kho_sim.kho.kexec_load import Placement
from kho_sim.trace.records import (
    FACTS,
    Allocation,
    Alternative,
    Boot,
    Event,
    GiganticPage,
    PreservedRun,
    RegionRow,
    Segment,
    TablePage,
)

ALTERNATIVE_FACTS = Alternative.__dataclass_fields__.keys() & set(FACTS)


@dataclass
class Journal:
    """The records of one chain, in the order in which things happened."""

    boots: list[Boot] = field(default_factory=list)
    allocations: list[Allocation] = field(default_factory=list)
    regions: list[RegionRow] = field(default_factory=list)
    preserved: list[PreservedRun] = field(default_factory=list)
    tables: list[TablePage] = field(default_factory=list)
    gigantic: list[GiganticPage] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    alternatives: list[Alternative] = field(default_factory=list)

    def note_boot(
        self,
        boot: int,
        setup: KernelSetup,
        names: tuple[str, str],
        booted: BootedMemory,
        handover: Handover | None,
    ) -> None:
        """Write down early boot, as far as it came; ``names`` are release and command line."""
        self._note_allocations(boot, booted)
        self._note_regions(boot, booted)
        if handover:
            self._note_incoming(boot, handover)
        release, command_line = names
        facts = {
            **_facts_of_boot(booted, setup),
            **(_facts_of_handover(handover) if handover else {}),
            **_facts_of_extension(booted),
        }
        self.boots.append(
            Boot(
                boot=boot,
                kind="kho" if handover else "cold",
                release=release,
                command_line=command_line,
                **facts,  # type: ignore[arg-type]
            )
        )

    def note_alternative(self, boot: int, setup: KernelSetup, tried: BootedMemory) -> None:
        """Write down what early boot with another ``setup`` came to, on the same heritage."""
        facts = {**_facts_of_boot(tried, setup), **_facts_of_extension(tried)}
        facts = {name: value for name, value in facts.items() if name in ALTERNATIVE_FACTS}
        extension = tried.extension
        self.alternatives.append(
            Alternative(
                boot=boot,
                strategy=setup.strategy,
                shift=extension.shift if extension else setup.extend.shift,
                busy_block_count=len(extension.busy) if extension else 0,
                early_ns=sum(early_phases_ns(tried).values()),
                error=extension.error if extension else "",
                panic=tried.panic,
                **facts,  # type: ignore[arg-type]
            )
        )

    def note_gigantic(self, boot: int, booted: BootedMemory, kept: set[int]) -> None:
        """Write down the gigantic pages of a kernel: its own, and those it was handed
        (``kept``)."""
        own = dict(booted.early.gigantic.pages)
        for start in sorted(own.keys() | kept):
            row = GiganticPage(
                boot=boot, start=start, nid=own.get(start, -1), preserved=start in kept
            )
            self.gigantic.append(row)

    def note_segments(self, boot: int, placed: tuple[Placement, ...]) -> None:
        """Write down where kexec put the next kernel."""
        self.segments += [
            Segment(boot=boot, what=place.name, start=place.start, size_bytes=place.size_bytes)
            for place in placed
        ]

    def note_event(
        self, boot: int, start_ns: int, end_ns: int, what: str, detail: str = ""
    ) -> None:
        """Write down something that took time, or a message."""
        self.events.append(
            Event(boot=boot, start_ns=start_ns, end_ns=end_ns, what=what, detail=detail)
        )

    def _note_allocations(self, boot: int, booted: BootedMemory) -> None:
        for sequence, row in enumerate(booted.early.requests.rows):
            self.allocations.append(
                Allocation(
                    boot=boot,
                    sequence=sequence,
                    phase=row.phase,
                    what=row.what,
                    size_bytes=row.size_bytes,
                    align_bytes=row.align_bytes,
                    nid=row.nid,
                    min_address=row.min_address,
                    max_address=row.max_address,
                    count=row.count,
                    address=row.address,
                    source=row.source,
                    failed=row.failed,
                    avoided=row.avoided,
                    why=row.why,
                )
            )

    def _note_regions(self, boot: int, booted: BootedMemory) -> None:
        for moment, arrays in booted.regions.items():
            for name, regions in zip(("memory", "reserved"), arrays, strict=True):
                self.regions += [
                    RegionRow(
                        boot=boot,
                        moment=moment,
                        array=name,
                        start=region.base,
                        end=region.end,
                        nid=region.nid,
                        flags=region.flags,
                    )
                    for region in regions
                ]

    def _note_incoming(self, boot: int, handover: Handover) -> None:
        self.preserved += [
            PreservedRun(boot=boot, order=order, start=start, end=end)
            for order, start, end in handover.tree.runs()
        ]
        self.tables += [
            TablePage(boot=boot, address=address) for address in handover.tree.table_pages()
        ]


def _facts_of_boot(booted: BootedMemory, setup: KernelSetup) -> dict[str, object]:
    early = booted.early
    rows = early.requests.rows
    facts: dict[str, object] = {
        "gigantic_pages_requested": setup.options.gigantic_pages,
        "gigantic_pages_allocated": len(early.gigantic.pages),
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


def _facts_of_handover(handover: Handover) -> dict[str, object]:
    counts = handover.tree.counts_by_order()
    return {
        "preservations": len(handover.tree),
        "preservations_by_order": tuple(sorted(counts.items())),
        "preserved_bytes": handover.tree.preserved_bytes,
        "radix_nodes": handover.tree.nodes,
    }


def _facts_of_extension(booted: BootedMemory) -> dict[str, object]:
    extension = booted.extension
    if extension is None:
        return {}
    facts: dict[str, object] = {
        "extended_bytes": extension.extended_bytes,
        "digest_pages": extension.digest_pages,
        "extend_ns": nanoseconds(extension.work),
        "busy_blocks": extension.busy_blocks,
    }
    for moment in ("before", "after"):
        facts[f"memory_regions_{moment}"] = len(booted.regions[f"{moment}_extend"][0])
    return facts
