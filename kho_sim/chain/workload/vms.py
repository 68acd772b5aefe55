"""Virtual machines that arrive and leave over simulated time; those alive are handed on.

Times are kept on the service clock (hours that kernels have served, boot times left out), so the
same machines come and go whatever a kernel's boot takes: runs that differ in the extension stay
paired. Each machine is a process of its own, which the OOM killer may end; nobody starts it again.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator
from typing import Any

from kho_sim.base.seeds import stream
from kho_sim.base.words import OOM_ADJUSTMENTS
from kho_sim.chain.plan import NANOSECONDS_PER_HOUR
from kho_sim.chain.workload.base import Host, Workload
from kho_sim.kernel.processes import Process
from kho_sim.memory.pages import OutOfMemory
from kho_sim.scenario import workloads


class Vms(Workload[workloads.Vms]):
    """A Poisson stream of machines with exponentially distributed lives, ``count`` at the start."""

    def __init__(self, section: workloads.Vms, number: int, seed: int):
        super().__init__(section, number, seed)
        self._random = stream(seed, self.name)
        self._departures: list[tuple[int, str]] = []
        self._processes: dict[str, Process] = {}
        """Those of the kernel at hand, by the names of their machines."""
        self._made = 0
        self._begun = False
        self._next_arrival_ns = self._draw_arrival(0)

    def arrive(self, kernel: Host) -> None:
        if not self._begun:
            self._begun = True
            for _ in range(self.section.count):
                self._start_machine(kernel, 0)
            return
        self._forget_killed(kernel)
        alive = {name for _, name in self._departures}
        self._processes = {}
        for name in [name for name in kernel.memory.files if name in alive]:
            self._start_process(kernel, name)
        for _, name in self._departures[:]:
            if name not in kernel.memory.files:
                self._restart_machine(kernel, name)

    def serve(self, kernel: Host) -> Generator[Any, Any, None]:
        """Wait for the next arrival or departure, until the kernel's service ends."""
        begin, end = kernel.window
        now = begin
        while True:
            self._forget_killed(kernel)
            departure = self._departures[0][0] if self._departures else end
            moment = min(self._next_arrival_ns, departure)
            if moment >= end:
                return
            yield kernel.env.timeout(max(moment - now, 0))
            kernel.rest(moment - now)
            now = max(moment, now)
            if moment == departure:
                _, name = heapq.heappop(self._departures)
                kernel.memory.processes.end(self._processes.pop(name))
            else:
                self._start_machine(kernel, moment)
                self._next_arrival_ns = self._draw_arrival(moment)

    def to_preserve(self, kernel: Host) -> list[str]:
        alive = {name for _, name in self._departures} - self._killed()
        return [name for name in kernel.memory.files if name in alive]

    def _draw_arrival(self, after_ns: int) -> int:
        if not self.section.arrivals_per_hour:
            return 1 << 63
        hours = self._random.expovariate(self.section.arrivals_per_hour)
        return after_ns + round(hours * NANOSECONDS_PER_HOUR)

    def _start_machine(self, kernel: Host, now_ns: int) -> None:
        """Start a machine; one that finds no memory is turned away, which is worth a line."""
        name = f"{self.name}/{self._made}"
        self._made += 1
        life_ns = round(self._random.expovariate(1 / self.section.lifetime))
        try:
            self._take_memory(kernel, name)
        except OutOfMemory:
            self._give_up(kernel, name, f"no memory for a machine of {self.section.size} bytes")
            return
        heapq.heappush(self._departures, (now_ns + life_ns, name))

    def _restart_machine(self, kernel: Host, name: str) -> None:
        """Start a machine anew whose memory is lost; it leaves when it would have left anyway."""
        try:
            self._take_memory(kernel, name)
        except OutOfMemory:
            self._give_up(kernel, name, "no memory to begin anew in")
            self._departures = [row for row in self._departures if row[1] != name]
            heapq.heapify(self._departures)

    def _take_memory(self, kernel: Host, name: str) -> None:
        """Make a machine's memory; a host that has less available does not even begin to."""
        memory = kernel.memory
        if self.section.backing == "memfd":
            wanted = -(-self.section.size >> memory.pages.geometry.page_shift)
            if memory.pages.available_pages() < wanted:
                raise OutOfMemory([], wanted, 0)
            folio_bytes = self.section.folio
        else:
            folio_bytes = workloads.VM_PAGE_BYTES
            pages = self.section.size // folio_bytes
            if len(memory.pool_of(folio_bytes)) < pages:
                raise OutOfMemory([], pages, memory.pages.geometry.order_of(folio_bytes))
        kind, size_bytes = self.section.backing, self.section.size
        process = self._start_process(kernel, name)
        with memory.processes.growing(process):
            memory.create(kind, name, size_bytes, folio_bytes, self.section.session)

    def _start_process(self, kernel: Host, name: str) -> Process:
        """Note whose memory a machine's file is. One in huge pages of a pool is spared: to kill it
        gives nothing back that others could have."""
        in_pool = self.section.backing == "hugetlb"
        adjustment = OOM_ADJUSTMENTS[0] if in_pool else self.section.oom_score_adj
        process = kernel.memory.processes.start(name, adjustment, name)
        self._processes[name] = process
        return process

    def _give_up(self, kernel: Host, name: str, why: str) -> None:
        """Record that a machine was not started, unless it was killed, which is noted already."""
        process = self._processes.pop(name, None)
        if process is None or not process.killed:
            kernel.say(f"{name}: {why}")
        if process is not None and not process.killed:
            kernel.memory.processes.end(process)

    def _forget_killed(self, kernel: Host) -> None:
        """Take killed machines out: they do not leave later, nor are they handed on again; a file
        of theirs that live update kept is closed as soon as it can be."""
        killed = self._killed()
        if killed:
            self._departures = [row for row in self._departures if row[1] not in killed]
            heapq.heapify(self._departures)
        for name in killed:
            if name in kernel.memory.files and not kernel.memory.is_preserved(name):
                kernel.memory.close(name)

    def _killed(self) -> set[str]:
        return {name for name, process in self._processes.items() if process.killed}
