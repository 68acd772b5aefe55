"""Early allocation requests: each request, its result, and whether original scratch alone could
have served it.

The counterfactual is a second memblock that knows original scratch only. From the extension on it
is asked for everything that the real one is asked for; a request that only the real one can serve
is a failure that the extension avoided.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kho_sim.base import requesters
from kho_sim.base.errors import KhoSimError
from kho_sim.memory.early.rows import Request, RequestRows
from kho_sim.memory.memblock import KHO_SCRATCH, NO_NODE, NOLEAKTRACE, Memblock
from kho_sim.platform.geometry import Geometry


class BootPanic(KhoSimError):  # noqa: N818 (a kernel panics; it is not an error of the simulator)
    """The kernel dies with this message; the chain turns it into an outcome."""


class Refusal(NamedTuple):
    """A fault: of the requests named ``what``, number ``occurrence`` (from 1) and ``times - 1``
    after it find nothing, whatever is free."""

    what: str
    occurrence: int = 1
    times: int = 1


REFUSED_BY_FAULT = "refused by a fault of the scenario"
"""The reason of such a refusal."""
Call = tuple[Any, ...]
"""What allocates on a Memblock, and its further arguments."""


class Window(NamedTuple):
    """Where to search: [low, high), a ``high`` of 0 being the end of accessible memory."""

    low: int
    high: int
    bottom_up: bool = False


class _Asked(NamedTuple):
    """What a row says of a request, and how memblock is asked."""

    what: str
    size: int
    align: int
    nid: int
    low: int
    high: int
    call: Call


@dataclass
class Requests:
    """Asks memblock, writes down each request, and keeps the counterfactual in step."""

    memblock: Memblock
    phase: str = "before"
    rows: RequestRows = field(default_factory=RequestRows)
    counterfactual: Memblock | None = None
    refusals: tuple[Refusal, ...] = ()
    _asked: Counter[str] = field(default_factory=Counter)
    _counterfactual_addresses: dict[int, int] = field(default_factory=dict)
    """Address of a block -> where the counterfactual put the same request (0: refused)."""
    _refused: set[tuple[Call, int]] = field(default_factory=set)
    """What the counterfactual, with its array of that capacity, has refused since something was
    last freed in it: it would refuse again. (An array that grows frees the old one.)"""

    @property
    def geometry(self) -> Geometry:
        return self.memblock.geometry

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
        call = (Memblock.alloc_try_nid_raw, size, align, low, high, nid)
        address = self._ask(_Asked(what, size, align, nid, low, high, call))
        return _or_panic(address, or_panic)

    def alloc_run(
        self, what: str, size: int, align: int, count: int, *, nid: int, low: int, high: int
    ) -> int:
        """Allocate ``count`` equal blocks one after the other; return how many before one failed.

        ``size`` is a multiple of ``align``. Once two lie right below each other and the second took
        no new region and said nothing, the following meet the same arrays: they are made at once.
        """
        call = (Memblock.alloc_try_nid_raw, size, align, low, high, nid)
        asked = _Asked(what, size, align, nid, low, high, call)
        memblock, done, above = self.memblock, 0, 0
        while done < count:
            before = self._what_must_stay()
            scanned, moved = memblock.regions_scanned, memblock.regions_moved
            address = self._ask(asked)
            if not address:
                return done
            done += 1
            runs_on = address + size == above and before == self._what_must_stay()
            if runs_on and not self.refusals:
                scanned = memblock.regions_scanned - scanned
                moved = memblock.regions_moved - moved
                times = memblock.repeat_below(address, size, low, count - done, scanned, moved)
                self._note_run(asked, address - size, times)
                done += times
            above = address
        return done

    def alloc_range(
        self, what: str, size: int, align: int, low: int, high: int, *, or_panic: str = ""
    ) -> int:
        """Allocate inside a range without giving up its lower limit
        (memblock_phys_alloc_range())."""
        call = (Memblock.phys_alloc_range, size, align, low, high)
        address = self._ask(_Asked(what, size, align, NO_NODE, low, high, call))
        return _or_panic(address, or_panic)

    def alloc_in_windows(
        self, what: str, size: int, align: int, windows: Sequence[Window], *, nid: int = NO_NODE
    ) -> int:
        """Allocate in the first window that has room, on exactly that node: one request, so a
        window that has none is no failure."""
        call = (_found_in_windows, size, align, nid, tuple(windows))
        low = min(window.low for window in windows)
        high = max(window.high for window in windows) if all(w.high for w in windows) else 0
        address = self._ask(_Asked(what, size, align, nid, low, high, call))
        for low, high, _ in windows:
            if address and low <= address and (not high or address < high):
                self.rows[-1].min_address, self.rows[-1].max_address = low, high
                break
        return address

    def alloc_exact(self, what: str, size: int, align: int, nid: int) -> int:
        """Allocate on exactly that node."""
        call = (Memblock.alloc_range_nid, size, align, 0, 0, nid, True)
        return self._ask(_Asked(what, size, align, nid, 0, 0, call))

    def alloc_gigantic(
        self, size: int, nid: int, missing: int, *, exact_nid: bool, avoid_scratch: bool
    ) -> int:
        """Allocate a gigantic page, clear of original scratch or wherever kernel memory may be; a
        refusal stands for all ``missing`` pages."""
        call: Call
        if avoid_scratch:
            call = (Memblock.alloc_hugetlb, size, nid, exact_nid)
        else:
            alloc = Memblock.alloc_exact_nid_raw if exact_nid else Memblock.alloc_try_nid_raw
            call = (alloc, size, size, 0, 0, nid)
        return self._ask(_Asked(requesters.GIGANTIC_PAGE, size, size, nid, 0, 0, call), missing)

    def free(self, block: int, offset: int, size: int) -> None:
        """Free part of a block that was allocated here."""
        self.memblock.phys_free(block + offset, size)
        there = self._counterfactual_addresses.get(block)
        if self.counterfactual is not None and there:
            self.counterfactual.phys_free(there + offset, size)
            self._refused.clear()

    def start_counterfactual(self) -> None:
        """Begin the counterfactual from the present state: right before the extension."""
        self.counterfactual = self.memblock.copy()
        self._counterfactual_addresses = {
            address: address for address in self.rows.addresses() if address
        }
        self._refused.clear()

    def _what_must_stay(self) -> tuple[int, int, int]:
        reserved = self.memblock.reserved
        return len(reserved), reserved.capacity, len(self.memblock.messages)

    def _ask(self, asked: _Asked, missing: int = 1) -> int:
        if self._is_refused_by_fault(asked.what):
            self.rows.append(
                Request(
                    phase=self.phase, what=asked.what, size_bytes=asked.size,
                    align_bytes=asked.align, nid=asked.nid, min_address=asked.low,
                    max_address=asked.high, count=missing, failed=True, why=REFUSED_BY_FAULT,
                )
            )  # fmt: skip
            return 0
        address = _made_on(self.memblock, asked.call)
        self._note(asked, address, missing)
        return address

    def _note(self, asked: _Asked, address: int, missing: int = 1) -> None:
        """Ask the counterfactual as well, and write the request down."""
        there = address
        if self.counterfactual is not None:
            there = self._ask_counterfactual(self.counterfactual, asked.call)
            self._counterfactual_addresses[address] = there
        row = self._row(asked, address, missing)
        row.avoided = bool(address) and not there
        self.rows.append(row)

    def _note_run(self, asked: _Asked, address: int, times: int) -> None:
        """Do that for a run of requests that were answered right below each other."""
        counterfactual = self.counterfactual
        if counterfactual is not None and not self._is_refused(counterfactual, asked.call):
            for number in range(times):
                self._note(asked, address - number * asked.size)
            return
        while times:
            same = min(times, self._same_source(address, asked.size))
            row = self._row(asked, address)
            row.avoided = counterfactual is not None
            self.rows.append_run(row, same)
            address, times = address - same * asked.size, times - same

    def _row(self, asked: _Asked, address: int, missing: int = 1) -> Request:
        return Request(
            phase=self.phase,
            what=asked.what,
            size_bytes=asked.size,
            align_bytes=asked.align,
            nid=asked.nid,
            min_address=asked.low,
            max_address=asked.high,
            count=1 if address else missing,
            address=address,
            source=self._source(address),
            failed=not address,
            why="" if address else self._why(asked),
        )

    def _ask_counterfactual(self, counterfactual: Memblock, call: Call) -> int:
        """Allocations only take memory away, so what was refused stays refused until a free."""
        if self._is_refused(counterfactual, call):
            return 0
        there = _made_on(counterfactual, call)
        if not there:
            self._refused.add((call, counterfactual.reserved.capacity))
        return there

    def _is_refused(self, counterfactual: Memblock, call: Call) -> bool:
        return (call, counterfactual.reserved.capacity) in self._refused

    def _is_refused_by_fault(self, what: str) -> bool:
        """Tell whether a fault strikes the request of that name that is now being made."""
        if not self.refusals:
            return False
        self._asked[what] += 1
        return any(
            what == refusal.what and 0 <= self._asked[what] - refusal.occurrence < refusal.times
            for refusal in self.refusals
        )

    def _source(self, address: int) -> str:
        if not address:
            return ""
        if not self.memblock.scratch_only:
            return "memory"
        if self.memblock.overlaps_original_scratch(address, 1):
            return "scratch"
        return "low memory" if self.phase == "before" else "extended"

    def _same_source(self, address: int, size: int) -> int:
        """Return how many addresses from this one down, ``size`` apart, lie in one scratch area,
        or between the same two."""
        areas = self.memblock.original_scratch
        inside = [area.start for area in areas if area.start <= address < area.end]
        below = [area.end for area in areas if area.end <= address]
        return (address - max(inside or below, default=0)) // size + 1

    def _why(self, asked: _Asked) -> str:
        kept_off = asked.call[0] is Memblock.alloc_hugetlb
        low = _searched_from(asked.call, asked.low)
        return self.explain(asked.size, low, asked.high, kept_off)

    def explain(self, size: int, low: int, high: int, off_scratch: bool = False) -> str:
        """Say why a request of this form found no place: what was free, and the largest piece of
        it. ``off_scratch``: whether it had to stay clear of original scratch."""
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
            kept_off = " clear of the original scratch areas" if off_scratch else ""
            return f"{aligned}{kept_off} in {_size(sum(usable))} of free {where}{limit}"
        return (
            f"{_size(sum(usable))} of {where}{limit} free, the largest piece {_size(largest)}, "
            f"{_size(size)} asked"
        )


def _or_panic(address: int, message: str) -> int:
    """Return an address that was found; die with the message, if there is one."""
    if not address and message:
        raise BootPanic(message)
    return address


def _searched_from(call: Call, low: int) -> int:
    """Return where the last search began: memblock_alloc_try_nid() gives up the lower limit."""
    return 0 if call[0] is Memblock.alloc_try_nid_raw else low


def _found_in_windows(
    memblock: Memblock, size: int, align: int, nid: int, windows: Sequence[Window]
) -> int:
    direction = memblock.bottom_up
    for low, high, bottom_up in windows:
        memblock.bottom_up = bottom_up or direction
        found = memblock.alloc_range_nid(size, align, low, high, nid, True)
        memblock.bottom_up = direction
        if found:
            return found
    return 0


def _made_on(memblock: Memblock, call: Call) -> int:
    method, *arguments = call
    return int(method(memblock, *arguments))


def _size(size: int) -> str:
    """A short size for a sentence."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:.4g} {name}"
    return f"{size} B"
