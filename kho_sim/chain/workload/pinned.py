"""Anonymous memory that is pinned for long some time after it was touched: RDMA, VFIO, io_uring.

Pages that lie in scratch have to move before they are pinned, to where kernel memory may be. A pin
that finds no room there fails with -ENOMEM; whoever asked ends, and gives its memory back (but for
page tables, a page in 513).
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from kho_sim.base.units import format_size
from kho_sim.chain.workload.base import Host, Workload
from kho_sim.kernel.user_memory import pin
from kho_sim.memory.pages import OutOfMemory, Run
from kho_sim.scenario import workloads


class Pinned(Workload[workloads.Pinned]):
    """Touched when the kernel's user space begins, pinned ``after`` so much of its uptime."""

    def __init__(self, section: workloads.Pinned, number: int, seed: int):
        super().__init__(section, number, seed)
        self._touched: list[Run] = []
        self._pinned_in = -1
        """The kernel in which it was pinned, or tried to: not again after a refused update."""

    def arrive(self, kernel: Host) -> None:
        self._touched = kernel.memory.hold(self.section.size, movable=True)

    def serve(self, kernel: Host) -> Generator[Any, Any, None]:
        begin, end = kernel.window
        if self._pinned_in == kernel.index or self.section.after > end - begin:
            return
        yield kernel.env.timeout(self.section.after)
        self._pinned_in = kernel.index
        self._pin(kernel)

    def _pin(self, kernel: Host) -> None:
        pages, size = kernel.memory.pages, format_size(self.section.size)
        page_bytes = pages.geometry.page_bytes
        try:
            moved = pin(pages, self._touched)
        except OutOfMemory as error:
            why = f": {error.shortage.text(page_bytes)}" if error.shortage else ""
            kernel.say(f"{self.name}: long-term pin of {size} failed: -ENOMEM{why}")
            pages.free(self._touched, user=True)
            self._touched = []
            return
        moved_size = format_size(moved * page_bytes)
        kernel.say(f"{self.name}: {size} pinned, {moved_size} of it moved out of scratch")
