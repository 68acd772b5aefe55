"""The end of a request that no zone can serve: what it got, why there is no more, and what would
have helped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from kho_sim.base.errors import KhoSimError
from kho_sim.base.units import format_size

from .kinds import Run
from .runs import blocks_of, together

DEADLOCK = "System is deadlocked on memory"
"""What a kernel says that panics because nobody is left to kill. Source: out_of_memory()."""


class FreeCounts(NamedTuple):
    """Free pages on the buddy lists: all of them, those of CMA pageblocks, and others that lie in
    ZONE_MOVABLE."""

    pages: int
    cma_pages: int
    movable_pages: int = 0


class Shortage(NamedTuple):
    """The state of memory when a request could not be served any further, in pages.

    ``with_cma``: whether free CMA pages would have done.
    """

    wanted_pages: int
    got_pages: int
    with_cma: bool
    free: FreeCounts

    def text(self, page_bytes: int) -> str:
        """Say what was asked for, what was free, and why it could not be used."""

        def size(pages: int) -> str:
            return format_size(pages * page_bytes)

        who = "user memory" if self.with_cma else "kernel memory or pins"
        asked = f"{size(self.wanted_pages)} of {who} were asked for, {size(self.got_pages)} found"
        free, cma, movable = self.free
        if self.with_cma or not cma + movable:
            return f"{asked}; {size(free)} free, all kept back by watermarks"
        rest = max(free - cma - movable, 0)
        in_zone = f", {size(movable)} in ZONE_MOVABLE" if movable else ""
        text = (
            f"{asked}; {size(free)} free: {size(cma)} in scratch or other CMA{in_zone}, which "
            f"only user memory may have, {size(rest)} kept back by watermarks"
        )
        missing = self.wanted_pages - self.got_pages
        if cma < missing:
            return text
        return f"{text}; {size(missing)} less of scratch would have served this request"


class OutOfMemory(KhoSimError):  # noqa: N818 (the kernel's word for it)
    """No zone could serve a request; the caller turns it into what the kernel does then.

    ``allocated`` holds what the request did get, and keeps: give it back with ``free``.
    ``shortage`` is None where memory was not even asked.
    """

    def __init__(
        self, allocated: Sequence[Run], wanted: int, order: int, shortage: Shortage | None = None
    ):
        self.allocated = allocated
        self.shortage = shortage
        got = blocks_of(allocated)
        super().__init__(f"page allocation failure: order {order}, {got} of {wanted} blocks")


OomKiller = Callable[[OutOfMemory], bool]
"""Is told of a request that nothing could serve; returns whether it is worth asking again."""


def out_of_memory(
    got: Sequence[Run], missing: int, order: int, with_cma: bool, free: FreeCounts
) -> OutOfMemory:
    """Return the end of a request of which so many blocks are missing, with its reason."""
    found = blocks_of(got)
    shortage = Shortage(missing + found << order, found << order, with_cma, free)
    return OutOfMemory(together(got, order), missing + found, order, shortage)
