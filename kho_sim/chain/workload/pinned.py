"""Anonymous memory that is pinned for long some time after it was touched: RDMA, VFIO, io_uring.

Pages that lie in scratch have to move before they are pinned, to where kernel memory may be. A pin
that finds no room there fails with -ENOMEM; whoever asked ends, and gives its memory back.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from kho_sim.base.units import format_size
from kho_sim.chain.workload.base import Host, Workload
from kho_sim.kernel.processes import Process
from kho_sim.kernel.user_memory import pin
from kho_sim.memory.pages import OutOfMemory
from kho_sim.scenario import workloads


class Pinned(Workload[workloads.Pinned]):
    """Touched when the kernel's user space begins, pinned ``after`` so much of its uptime."""

    def __init__(self, section: workloads.Pinned, number: int, seed: int):
        super().__init__(section, number, seed)
        self._process = Process(self.name)
        self._pinned_in = -1
        """The kernel in which it was pinned, or tried to: not again after a refused update."""

    def arrive(self, kernel: Host) -> None:
        processes = kernel.memory.processes
        self._process = processes.start(self.name, self.section.oom_score_adj)
        processes.touch(self._process, self.section.size)

    def serve(self, kernel: Host) -> Generator[Any, Any, None]:
        begin, end = kernel.window
        if self._pinned_in == kernel.index or self.section.after > end - begin:
            return
        yield kernel.env.timeout(self.section.after)
        self._pinned_in = kernel.index
        if not self._process.killed:
            self._pin(kernel)

    def _pin(self, kernel: Host) -> None:
        pages, size = kernel.memory.pages, format_size(self.section.size)
        page_bytes = pages.geometry.page_bytes
        try:
            moved = pin(pages, self._process.runs)
        except OutOfMemory as error:
            why = f": {error.shortage.text(page_bytes)}" if error.shortage else ""
            kernel.say(f"{self.name}: long-term pin of {size} failed: -ENOMEM{why}")
            kernel.memory.processes.end(self._process)
            return
        moved_size = format_size(moved * page_bytes)
        kernel.say(f"{self.name}: {size} pinned, {moved_size} of it moved out of scratch")
