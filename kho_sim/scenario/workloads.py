"""Workloads of the kernels of a chain: one model per kind of workload.

``kind`` picks the model. How each behaves is ``chain/workload/``; here are its words and bounds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field

from kho_sim.base.command_line import CommandLine
from kho_sim.base.command_line.reserve_mem import RESERVE_MEM_MAX
from kho_sim.base.units import DURATION_UNITS
from kho_sim.scenario.fields import (
    Choice,
    Count,
    Duration,
    PowerOfTwo,
    Size,
    SizeOrZero,
    SizeRule,
    found,
)
from kho_sim.scenario.section import BrokenRule, Section

MIB = 1 << 20
GIB = 1 << 30

Folio = Annotated[int, SizeRule(among_bytes=(4096, 2 * MIB))]
SessionName = Annotated[str, Field(min_length=1, max_length=63)]
HugePage = Annotated[int, SizeRule(among_bytes=(2 * MIB, GIB))]


class Memfd(Section):
    """Shared-memory files, every page written, handed on through the Live Update Orchestrator."""

    kind: Literal["memfd"]
    count: Count = 1
    """Files that the first kernel makes (with at: every, each kernel makes)."""
    size: SizeOrZero
    """Bytes of each file; an empty one is preserved as its record alone."""
    folio: Folio = 4096
    """4KiB, or 2MiB where the file system may use large folios (order 9 keys)."""
    grow: Count = 0
    """New files that each later kernel makes."""
    drop: Count = 0
    """Of the files handed to it, how many each later kernel closes; the oldest first."""
    preserve: bool = True
    """True if they are handed on; if not, they die with their kernel."""
    session: SessionName = "session"
    """The LUO session that preserves them."""
    preserve_when: Annotated[str, Choice(("last", "made"), "a time to preserve memfds")] = "last"
    """last: all files right before the kexec; made: each as soon as it is written or retrieved."""
    at: Annotated[str, Choice(("first", "every"), "a time to make memfds")] = "first"
    """first: only the first kernel makes the count files; every: each kernel makes them anew."""


class Hugetlb(Section):
    """Boot-time huge pages; how many there are is the command line's hugepages=."""

    kind: Literal["hugetlb"]
    size: HugePage = GIB
    """1GiB or 2MiB."""
    preserve: Count = 0
    """Pages that each kernel hands on (order 18 or 9 keys), in one file."""
    session: SessionName = "session"
    """The LUO session that preserves them."""
    count: Count | None = None
    """Pages in use; all that were obtained if left out."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        if self.count is not None and self.preserve > self.count:
            yield ("preserve",), f"{self.preserve} pages cannot be kept of {self.count} in use"


class Anonymous(Section):
    """Private anonymous memory that is touched and held; it dies with its kernel."""

    kind: Literal["anonymous"]
    size: Size
    """Bytes in each kernel."""


class PageCache(Section):
    """File pages that each kernel reads in and keeps, as reclaim is left out; they die with it."""

    kind: Literal["page_cache"]
    size: Size
    """Bytes in each kernel."""


class Unmovable(Section):
    """Kernel memory that cannot be migrated: slab, page tables, drivers."""

    kind: Literal["unmovable"]
    size: SizeOrZero = 0
    """Bytes in the first kernel."""
    grow: SizeOrZero = 0
    """Bytes more in each later kernel."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        if not self.size and not self.grow:
            yield (), "neither size nor grow is above 0, so this holds no memory"


class Vms(Section):
    """Virtual machines that come and go over simulated time; the living ones are handed on."""

    kind: Literal["vms"]
    count: Count = 0
    """Machines at the start."""
    size: Size
    """Bytes of guest memory of each."""
    folio: Folio = 4096
    """4KiB or 2MiB, for backing: memfd."""
    arrivals_per_hour: float = Field(default=0.0, ge=0, le=1e6, allow_inf_nan=False)
    """Mean of the new machines in an hour (a Poisson process)."""
    lifetime: Duration = DURATION_UNITS["h"]
    """Mean life of a machine, as in 90m; exponentially distributed."""
    session: SessionName = "session"
    """The LUO session that preserves them."""
    backing: Annotated[str, Choice(("memfd", "hugetlb"), "a backing")] = "memfd"
    """The kind of guest memory: memfd, or 1 GiB pages of hugetlb."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        if not self.count and not self.arrivals_per_hour:
            yield (), "neither count nor arrivals_per_hour is above 0, so there is never a machine"
        if self.backing == "hugetlb" and self.size % GIB:
            yield ("size",), "guest memory in hugetlb has to be a multiple of 1GiB"
        if self.backing == "hugetlb" and "folio" in self.model_fields_set and self.folio != 4096:
            yield ("folio",), "folio is for backing: memfd"


class ReserveMem(Section):
    """A named reservation, as with reserve_mem= on the command line; found again by its name."""

    kind: Literal["reserve_mem"]
    size: Size
    align: PowerOfTwo = 4096
    name: str
    """1 to 15 visible ASCII characters."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        if not re.fullmatch(r"[!-~]{1,15}", self.name):
            yield (
                ("name",),
                f"{found(self.name)} does not fit; accepted: 1 to 15 visible characters",
            )


Workload = Annotated[
    Memfd | Hugetlb | Anonymous | PageCache | Unmovable | Vms | ReserveMem,
    Field(discriminator="kind"),
]


def broken_between(
    workload: Sequence[Workload], lines: Sequence[CommandLine], nodes: int
) -> Iterator[BrokenRule]:
    """Yield what is wrong between workloads, or between them and the kernels' command lines."""
    pages = {request.size_bytes for line in lines for request in line.hugepages(nodes)}
    names = [area.name for area in lines[0].reserve_mem]
    for index, entry in enumerate(workload):
        if isinstance(entry, ReserveMem):
            if entry.name in names:
                yield ("workload", index, "name"), f"{found(entry.name)} is reserved already"
            if len(names) == RESERVE_MEM_MAX:
                text = (
                    f"the kernel takes {RESERVE_MEM_MAX} named reservations, and this is one more"
                )
                yield ("workload", index), text
            names.append(entry.name)
        key = _of_huge_pages(entry)
        size = entry.size if isinstance(entry, Hugetlb) else GIB
        if key and size not in pages:
            short = "1G" if size == GIB else "2M"
            accepted = f"kernel.command_line: hugepagesz={short} hugepages=N"
            yield ("workload", index, key), f"no kernel has such pages; accepted: {accepted}"


def _of_huge_pages(entry: Workload) -> str:
    """Return the key by which a workload needs boot-time huge pages; '' if it needs none."""
    if isinstance(entry, Hugetlb) and entry.preserve:
        return "preserve"
    return "backing" if isinstance(entry, Vms) and entry.backing == "hugetlb" else ""
