"""Early allocations with a memory: what was asked, what came of it, and what would have come
without.

The shadow is a second memblock that knows original scratch only. From the extension on it is asked
for everything that the real one is asked for; a request that only the real one can serve is a
failure that the extension avoided.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kho_sim.errors import KhoSimError
from kho_sim.memory.memblock import KHO_SCRATCH, NO_NODE, NOLEAKTRACE, Memblock


class BootPanic(KhoSimError):  # noqa: N818 (a kernel panics; it is not an error of the simulator)
    """The kernel dies with this message; the chain turns it into an outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One early allocation (or ``count`` equal ones refused together) and its answer."""

    phase: str
    what: str
    size_bytes: int
    align_bytes: int
    nid: int = NO_NODE
    min_address: int = 0
    max_address: int = 0
    count: int = 1
    address: int = 0
    source: str = ""
    failed: bool = False
    avoided: bool = False
    why: str = ""


Call = tuple[Any, ...]
"""A method of Memblock that allocates, and its arguments."""


@dataclass
class Requests:
    """Asks memblock, writes down each request, and keeps the shadow in step."""

    memblock: Memblock
    phase: str = "before"
    rows: list[Request] = field(default_factory=list)
    shadow: Memblock | None = None
    _twins: dict[int, int] = field(default_factory=dict)
    """Address of a block -> address of its twin in the shadow (0: the shadow refused it)."""
    _refused: set[Call] = field(default_factory=set)
    """What the shadow has refused since something was last freed in it: it would refuse again."""

    def alloc(
        self,
        what: str,
        size: int,
        align: int,
        *,
        nid: int = NO_NODE,
        low: int = 0,
        high: int = 0,
        or_panic: str = "",
    ) -> int:
        """Allocate as memblock_alloc_try_nid() does; ``or_panic`` is what the kernel says if it
        dies."""
        address = self._ask(
            what,
            size,
            align,
            nid,
            low,
            high,
            (Memblock.alloc_try_nid_raw, size, align, low, high, nid),
        )
        if not address and or_panic:
            raise BootPanic(or_panic)
        return address

    def alloc_run(
        self, what: str, size: int, align: int, count: int, *, nid: int, low: int, high: int
    ) -> int:
        """Allocate ``count`` equal blocks one after the other; return how many before one failed.

        ``size`` is a multiple of ``align``. Once two lie right below each other and the second took
        no new region and said nothing, the following meet the same arrays: they are made at once.
        """
        reserved, done, above = self.memblock.reserved, 0, 0
        while done < count:
            before = len(reserved), reserved.capacity, len(self.memblock.messages)
            scanned, moved = self.memblock.regions_scanned, self.memblock.regions_moved
            address = self.alloc(what, size, align, nid=nid, low=low, high=high)
            if not address:
                return done
            done += 1
            after = len(reserved), reserved.capacity, len(self.memblock.messages)
            if address + size == above and before == after:
                scanned = self.memblock.regions_scanned - scanned
                moved = self.memblock.regions_moved - moved
                left = count - done
                times = self.memblock.repeat_below(address, size, low, left, scanned, moved)
                call = (Memblock.alloc_try_nid_raw, size, align, low, high, nid)
                for number in range(1, times + 1):
                    place = address - number * size
                    self._note(place, what, size, align, nid, low, high, call)
                done += times
                address -= times * size
            above = address
        return done

    def alloc_range(self, what: str, size: int, align: int, low: int, high: int) -> int:
        """Allocate inside a range without giving up its lower limit
        (memblock_phys_alloc_range())."""
        return self._ask(
            what,
            size,
            align,
            NO_NODE,
            low,
            high,
            (Memblock.phys_alloc_range, size, align, low, high),
        )

    def alloc_exact(self, what: str, size: int, align: int, nid: int) -> int:
        """Allocate on exactly that node."""
        return self._ask(
            what,
            size,
            align,
            nid,
            0,
            0,
            (Memblock.alloc_range_nid, size, align, 0, 0, nid, True),
        )

    def alloc_gigantic(self, size: int, nid: int, exact_nid: bool, missing: int) -> int:
        """Allocate a gigantic page; a refusal stands for all ``missing`` pages."""
        return self._ask(
            "gigantic page",
            size,
            size,
            nid,
            0,
            0,
            (Memblock.alloc_hugetlb, size, nid, exact_nid),
            missing,
        )

    def free(self, block: int, offset: int, size: int) -> None:
        """Free part of a block that was allocated here."""
        self.memblock.phys_free(block + offset, size)
        twin = self._twins.get(block)
        if self.shadow is not None and twin:
            self.shadow.phys_free(twin + offset, size)
            self._refused.clear()

    def open_shadow(self) -> None:
        """Begin the shadow from the present state: right before the extension."""
        self.shadow = self.memblock.copy()
        self._twins = {row.address: row.address for row in self.rows if row.address}
        self._refused.clear()

    def _ask(
        self,
        what: str,
        size: int,
        align: int,
        nid: int,
        low: int,
        high: int,
        call: Call,
        missing: int = 1,
    ) -> int:
        address = _made_on(self.memblock, call)
        self._note(address, what, size, align, nid, low, high, call, missing)
        return address

    def _note(
        self,
        address: int,
        what: str,
        size: int,
        align: int,
        nid: int,
        low: int,
        high: int,
        call: Call,
        missing: int = 1,
    ) -> None:
        """Ask the shadow as well, and write the request down."""
        twin = address
        if self.shadow is not None:
            twin = self._ask_shadow(self.shadow, call)
            self._twins[address] = twin
        self.rows.append(
            Request(
                phase=self.phase,
                what=what,
                size_bytes=size,
                align_bytes=align,
                nid=nid,
                min_address=low,
                max_address=high,
                count=1 if address else missing,
                address=address,
                source=self._source(address),
                failed=not address,
                avoided=bool(address) and not twin,
                why="" if address else self.explain(size, align, low, high),
            )
        )

    def _ask_shadow(self, shadow: Memblock, call: Call) -> int:
        """Allocations only take memory away, so what was refused stays refused until a free."""
        if call in self._refused:
            return 0
        twin = _made_on(shadow, call)
        if not twin:
            self._refused.add(call)
        return twin

    def _source(self, address: int) -> str:
        if not address:
            return ""
        if not self.memblock.scratch_only:
            return "memory"
        in_original = self.memblock.overlaps_original_scratch(address, 1)
        return "scratch" if in_original else "extended"

    def explain(self, size: int, align: int, low: int = 0, high: int = 0) -> str:
        """Say why a request of this form found no place: what was free, and the largest piece of
        it."""
        scratch_only = self.memblock.scratch_only
        high = 0 if high == NOLEAKTRACE else high
        end = high or self.memblock.current_limit
        usable = [
            min(gap.end, end) - max(gap.start, low)
            for gap in self.memblock.free_ranges()
            if (gap.flags & KHO_SCRATCH or not scratch_only) and gap.start < end and gap.end > low
        ]
        where = "scratch" if scratch_only else "memory"
        limit = f" below {high:#x}" if high else ""
        largest = max(usable, default=0)
        if largest >= size:
            aligned = f"no aligned place for {_size(size)}"
            kept_off = " clear of the original scratch areas" if size == align == 1 << 30 else ""
            return f"{aligned}{kept_off} in {_size(sum(usable))} of free {where}{limit}"
        return (
            f"{_size(sum(usable))} of {where}{limit} free, the largest piece {_size(largest)}, "
            f"{_size(size)} asked"
        )


def _made_on(memblock: Memblock, call: Call) -> int:
    method, *arguments = call
    return int(method(memblock, *arguments))


def _size(size: int) -> str:
    """A short size for a sentence."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:.4g} {name}"
    return f"{size} B"
