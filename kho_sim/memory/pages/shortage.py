"""The end of a request that no zone can serve: what it got, and why there is no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kho_sim.base.errors import KhoSimError
from kho_sim.base.units import format_size

from .kinds import Run, joined


class FreeCounts(NamedTuple):
    """Free pages on the buddy lists: all of them, and those of CMA pageblocks."""

    pages: int
    cma_pages: int


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
        if self.with_cma or not self.free.cma_pages:
            return f"{asked}; {size(self.free.pages)} free, all kept back by watermarks"
        rest = max(self.free.pages - self.free.cma_pages, 0)
        return (
            f"{asked}; {size(self.free.pages)} free: {size(self.free.cma_pages)} in scratch or "
            f"other CMA, which only user memory may have, {size(rest)} kept back by watermarks"
        )


class OutOfMemory(KhoSimError):  # noqa: N818 (the kernel's word for it)
    """No zone could serve a request; the caller turns it into what the kernel does then.

    ``allocated`` holds what the request did get, and keeps: give it back with ``free``.
    ``shortage`` is None where memory was not even asked.
    """

    def __init__(
        self, allocated: list[Run], wanted: int, order: int, shortage: Shortage | None = None
    ):
        self.allocated = allocated
        self.shortage = shortage
        got = sum(run.blocks for run in allocated)
        super().__init__(f"page allocation failure: order {order}, {got} of {wanted} blocks")


def blocks_of(runs: Sequence[Run]) -> int:
    """Return the blocks of some runs together."""
    return sum(run.blocks for run in runs)


def out_of_memory(
    got: list[Run], missing: int, order: int, with_cma: bool, free: FreeCounts
) -> OutOfMemory:
    """Return the end of a request of which so many blocks are missing, with its reason."""
    found = blocks_of(got)
    shortage = Shortage(missing + found << order, found << order, with_cma, free)
    return OutOfMemory(joined(got, order), missing + found, order, shortage)
