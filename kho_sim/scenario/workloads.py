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
from kho_sim.base.units import DURATION_UNITS, format_exact
from kho_sim.base.words import OOM_ADJUSTMENTS
from kho_sim.scenario.fields import (
    Choice,
    Count,
    Duration,
    DurationOrZero,
    PowerOfTwo,
    Size,
    SizeOrZero,
    SizeRule,
    found,
)
from kho_sim.scenario.section import BrokenRule, Section

MIB = 1 << 20
GIB = 1 << 30

KIB = 1 << 10
FOLIO_SIZES = (4 * KIB, 16 * KIB, 64 * KIB, 2 * MIB, 32 * MIB, 512 * MIB)
"""A page, or what a transparent huge page is, of each page size."""
HUGE_PAGE_SIZES = (64 * KIB, 2 * MIB, 32 * MIB, 512 * MIB, GIB, 16 * GIB)
"""Those of hugetlb, of any page size."""
VM_PAGE_BYTES = GIB
"""Of the hugetlb pages that virtual machines are backed with."""
Folio = Annotated[int, SizeRule(among_bytes=FOLIO_SIZES)]
FileCount = Annotated[int, Field(ge=0, le=100_000)]
"""More take hours: each file is pinned, preserved and retrieved by itself."""
SessionName = Annotated[str, Field(min_length=1, max_length=63)]
HugePage = Annotated[int, SizeRule(among_bytes=HUGE_PAGE_SIZES)]
OomScoreAdj = Annotated[int, Field(ge=OOM_ADJUSTMENTS[0], le=OOM_ADJUSTMENTS[1])]


class Files(Section):
    """What files that are handed on have in common, whatever they hold."""

    kind: str
    count: FileCount = 1
    """Files that the first kernel makes (with at: every, each kernel makes)."""
    size: SizeOrZero
    """Bytes of each file; an empty one is preserved as its record alone."""
    grow: FileCount = 0
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


class Memfd(Files):
    """Shared-memory files, every page written, handed on through the Live Update Orchestrator."""

    kind: Literal["memfd"]
    folio: Folio | None = None
    """One page (the default), or a transparent huge page where the file system may use large
    folios: 2MiB with pages of 4KiB (order 9 keys), 32MiB and 512MiB with 16KiB and 64KiB."""
    written: SizeOrZero | None = None
    """Bytes that are written, from the front; the rest is a hole, which preserving fills, page by
    page. All of size if left out."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        if self.written is not None and self.written > self.size:
            yield ("written",), f"a file of {format_exact(self.size)} has no room for so much"


class GuestMemfd(Files):
    """Memory of virtual machines in guest_memfds: single pages, as the series of 2026 proposes."""

    kind: Literal["guest_memfd"]


class Hugetlb(Section):
    """Boot-time huge pages; how many there are is the command line's hugepages=."""

    kind: Literal["hugetlb"]
    size: HugePage = GIB
    """1GiB or 2MiB; on arm64 also 64KiB and 32MiB, or what its other page sizes have."""
    preserve: Count = 0
    """Pages that each kernel hands on (order 18 keys for 1GiB, 9 for 2MiB), in one file."""
    session: SessionName = "session"
    """The LUO session that preserves them."""
    count: Count | None = None
    """Pages in use; all that were obtained if left out."""
    pool: Annotated[str, Choice(("used", "whole"), "a part of the pool")] = "used"
    """used: only the preserve pages are handed on, the next kernel takes all others anew; whole: at
    the end of each kernel all that its guests do not keep, too, as free pages of the pool."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        if self.count is not None and self.preserve > self.count:
            yield ("preserve",), f"{self.preserve} pages cannot be kept of {self.count} in use"


class Anonymous(Section):
    """Private anonymous memory that is touched and held; it dies with its kernel."""

    kind: Literal["anonymous"]
    size: Size
    """Bytes in each kernel."""
    oom_score_adj: OomScoreAdj = 0
    """As in /proc/PID: thousandths of all memory that count beside its own when the OOM killer
    looks for a victim; -1000 spares it, as it does init."""


class Pinned(Section):
    """Anonymous memory that is pinned for long, as RDMA, VFIO and io_uring do; no kernel memory and
    no pin may lie in scratch."""

    kind: Literal["pinned"]
    size: Size
    """Bytes in each kernel."""
    after: DurationOrZero = 0
    """Time from the touch, right after boot, to the pin."""
    oom_score_adj: OomScoreAdj = 0
    """As for anonymous."""


class PageCache(Section):
    """File pages that each kernel reads in; given back, the oldest first, when memory is short."""

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
    count: FileCount = 0
    """Machines at the start."""
    size: Size
    """Bytes of guest memory of each."""
    folio: Folio | None = None
    """One page (the default) or a transparent huge page, for backing: memfd."""
    arrivals_per_hour: float = Field(default=0.0, ge=0, le=1e6, allow_inf_nan=False)
    """Mean of the new machines in an hour (a Poisson process)."""
    lifetime: Duration = DURATION_UNITS["h"]
    """Mean life of a machine, as in 90m; exponentially distributed."""
    session: SessionName = "session"
    """The LUO session that preserves them."""
    backing: Annotated[str, Choice(("memfd", "hugetlb"), "a backing")] = "memfd"
    """The kind of guest memory: memfd, or 1 GiB pages of hugetlb."""
    oom_score_adj: OomScoreAdj = 0
    """As for anonymous, of each machine's process; without effect for backing: hugetlb."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        if not self.count and not self.arrivals_per_hour:
            yield (), "neither count nor arrivals_per_hour is above 0, so there is never a machine"
        if self.backing == "hugetlb" and self.size % GIB:
            yield ("size",), "guest memory in hugetlb has to be a multiple of 1GiB"
        if self.backing == "hugetlb" and (self.folio or 0) > 64 * KIB:
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
    Memfd | GuestMemfd | Hugetlb | Anonymous | Pinned | PageCache | Unmovable | Vms | ReserveMem,
    Field(discriminator="kind"),
]


def broken_between(
    workload: Sequence[Workload], lines: Sequence[CommandLine], nodes: int, page_bytes: int
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
        folios = page_bytes, lines[0].rules.default_hugepage_bytes
        folio = getattr(entry, "folio", None)
        if folio and folio not in folios:
            text = f"with pages of {format_exact(page_bytes)} a folio has"
            accepted = " or ".join(map(format_exact, folios))
            yield ("workload", index, "folio"), f"{text} {accepted}, not {format_exact(folio)}"
        key, known = _of_huge_pages(entry), lines[0].rules.hugepage_sizes
        size = entry.size if isinstance(entry, Hugetlb) else VM_PAGE_BYTES
        if (key or isinstance(entry, Hugetlb)) and size not in known:
            text = f"these kernels have no huge pages of {format_exact(size)}"
            accepted = ", ".join(map(format_exact, known))
            at = "size" if isinstance(entry, Hugetlb) else key
            yield ("workload", index, at), f"{text}; accepted: {accepted}"
        elif key and size not in pages:
            short = format_exact(size).removesuffix("iB")
            accepted = f"kernel.command_line: hugepagesz={short} hugepages=N"
            yield ("workload", index, key), f"no kernel has such pages; accepted: {accepted}"


def _of_huge_pages(entry: Workload) -> str:
    """Return the key by which a workload needs boot-time huge pages; '' if it needs none."""
    if isinstance(entry, Hugetlb) and entry.pool == "whole":
        return "pool"
    if isinstance(entry, Hugetlb) and entry.preserve:
        return "preserve"
    return "backing" if isinstance(entry, Vms) and entry.backing == "hugetlb" else ""
