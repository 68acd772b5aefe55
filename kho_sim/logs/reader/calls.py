"""Lines of ``memblock=debug``: each request meets the reservation that answered it.

A request is answered by the next reservation made inside the allocator; if another call comes
first, it was refused. Two allocators print only the answer (memblock_phys_alloc_try_nid for node
data, the exact-node search for a scratch area). Reservations of preserved memory, tens of
thousands, are folded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from kho_sim.base import requesters
from kho_sim.logs.reader.facts import BootLog, KeyRun, MemblockCall
from kho_sim.logs.reader.story import Story
from kho_sim.logs.reader.words import decimal, half_open, hexadecimal, known

_REQUEST = re.compile(
    r"(\d+) bytes,? (?:align=0x([0-9a-f]+) ?)?(?:nid=(-?\d{1,5}),? ?)?(?:exact_nid=(\d) ?)?"
    r"(?:from=0x([0-9a-f]+) max_addr=0x([0-9a-f]+) ?)?([A-Za-z_]\w*)"
)
_RANGE = re.compile(
    r"\[(?:mem )?0x([0-9a-f]+)-0x([0-9a-f]+)\]"
    r"(?: nid=(-?\d{1,5}))?(?: flags=(?:0x)?([0-9a-f]+))? ?([A-Za-z_]\w*)?"
)
_DOUBLED = re.compile(r"(memory|reserved) is doubled to (\d+) at \[0x([0-9a-f]+)-0x([0-9a-f]+)\]")

ALLOCATOR_CALLERS = ("memblock_alloc_range_nid", "memblock_alloc_hugetlb")
RETRIEVAL_CALLERS = ("kho_preserved_memory_reserve", "kho_mem_deserialize", "deserialize_bitmap")
RANGE_OPS = {
    "memblock_add": "add",
    "memblock_add_node": "add",
    "memblock_remove": "remove",
    "memblock_phys_free": "free",
    "memblock_free": "free",
    "__memblock_reserve": "reserve",
    "memblock_reserve": "reserve",
}
REQUESTS = (
    "memblock_alloc_try_nid",
    "memblock_alloc_try_nid_raw",
    "memblock_alloc_exact_nid_raw",
    "memblock_phys_alloc_range",
    "memblock_alloc_hugetlb",
)

ADDRESSES_END = 1 << 64


@dataclass(slots=True)
class CallReader:
    """Turns the memblock lines of one boot into its ordered calls."""

    log: BootLog
    story: Story = field(init=False)
    _pending: MemblockCall | None = None

    def __post_init__(self) -> None:
        self.story = Story(self.log)

    def request(self, function: str, text: str) -> None:
        """Read a line that asks for memory."""
        match = known(_REQUEST.match(text))
        self.refuse()
        size = decimal(match[1])
        align = hexadecimal(match[2] or "0") if function != "memblock_alloc_hugetlb" else size
        self.log.memblock_debug = True
        if function == "memblock_phys_alloc_range" and not self.story.progress.begun:
            self.log.learn_page_size(align)
        call = self.story.recognise(
            MemblockCall(
                op="alloc",
                caller=match[7],
                size=size,
                align=align,
                nid=decimal(match[3] or "-1"),
                min_address=hexadecimal(match[5] or "0"),
                max_address=hexadecimal(match[6] or "0"),
                exact=match[4] == "1" or "exact" in function,
                function=function,
            )
        )
        if call.what == requesters.DIGEST_PAGE:
            self._mark_extension()
        self._pending = call

    def range_call(self, function: str, text: str) -> None:
        """Read a line that names a range: an answer, or a call of its own."""
        match = known(_RANGE.match(text))
        op = RANGE_OPS[function]
        start, end = _range_of(op, match[1], match[2])
        flags = hexadecimal(match[4] or "0")
        nid = decimal(match[3] or "-1")
        caller = match[5] or ""
        self.log.memblock_debug = True
        if op == "reserve" and caller in ALLOCATOR_CALLERS:
            self._answer(start, end - start, nid, flags)
        elif op == "reserve" and caller in RETRIEVAL_CALLERS:
            self.retrieved(start, end)
        else:
            self._add(
                MemblockCall(
                    op, caller, start, end - start, nid=nid, flags=flags, function=function
                )
            )

    def doubled(self, text: str) -> None:
        """Read `memblock: reserved is doubled to N at [...]`."""
        if match := _DOUBLED.match(text):
            start, end = half_open(match[3], match[4])
            self.log.calls.append(MemblockCall("double", match[1], start, end - start))

    def retrieved(self, start: int, end: int) -> None:
        """Fold one reservation of preserved memory into the runs."""
        order = max((end - start) >> self.log.geometry.page_shift, 1).bit_length() - 1
        runs = self.log.retrieved_runs
        if not runs:
            self._add(MemblockCall("retrieve"))
        self.log.retrieved_count += 1
        if runs and runs[-1].end == start and runs[-1].order == order:
            runs[-1] = KeyRun(order, runs[-1].start, end)
        else:
            runs.append(KeyRun(order, start, end))

    def _mark_extension(self) -> None:
        """The first digest page shows the step where the instrumentation does not."""
        if not self.story.progress.extends:
            self.mark("extend")

    def mark(self, op: str, caller: str = "", base: int = 0) -> None:
        """Put a marker between the calls."""
        self.story.progress.extends |= op == "extend"
        self._add(MemblockCall(op, caller, base))

    def refuse(self) -> None:
        """Record that a request that is still open was refused, in its place."""
        if self._pending is not None:
            self.story.progress.refused(self._pending)
            self.log.calls.append(self._pending)
            self._pending = None

    def _add(self, call: MemblockCall) -> None:
        self.refuse()
        self.log.calls.append(call)

    def _answer(self, start: int, size: int, nid: int, flags: int) -> None:
        pending = self._pending
        if pending is not None and pending.size == size:
            self._pending = None
            self.log.calls.append(pending._replace(result=start, result_nid=nid, flags=flags))
            return
        self.refuse()
        answer = MemblockCall(
            "alloc", size=size, nid=nid, flags=flags, result=start, result_nid=nid
        )
        self.log.calls.append(self.story.recognise(answer))


def _range_of(op: str, first: str, last: str) -> tuple[int, int]:
    """A removal of all that lies above an address has a size that runs over the end."""
    if op == "remove" and hexadecimal(last) < hexadecimal(first):
        return hexadecimal(first), ADDRESSES_END
    return half_open(first, last)
