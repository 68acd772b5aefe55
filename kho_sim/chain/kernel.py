"""One kernel of the chain as a SimPy process: it boots, serves, hands over, and is gone.

The story is told here; what each step does to memory is in ``kho/`` and ``memory/``, what it costs
in ``cost/``. Simulated time is in integer nanoseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import simpy

from kho_sim.chain.journal import Journal
from kho_sim.chain.judges import judge_early_boot, judge_hand_over, judge_running
from kho_sim.chain.phases import early_phases_ns
from kho_sim.chain.plan import ChainPlan
from kho_sim.cost import PHASE_RATES, nanoseconds
from kho_sim.errors import KhoSimError
from kho_sim.kho.boot import BootedMemory, KernelSetup, boot_memory
from kho_sim.kho.handover import Handover
from kho_sim.kho.kexec_load import LoadRefused, Placement
from kho_sim.kho.preserve import PreserveFailed
from kho_sim.kho.preserve.memfd import DEADLOCK
from kho_sim.kho.running import GIGANTIC_ORDER, RunningMemory
from kho_sim.memory.pages import OutOfMemory
from kho_sim.seeds import stream
from kho_sim.trace.records import Outcome

if TYPE_CHECKING:
    from kho_sim.chain.workload.base import Workload

SETTLING_NS = 60 * 10**9
"""Per-CPU lists decay by a fifth a second (decay_pcp_high()); after a minute nothing is left of it.
"""

Process = Generator[simpy.Event, Any, None]


class ChainEnds(KhoSimError):  # noqa: N818 (an end of the simulated chain)
    """The chain ends with this kernel; ``outcome`` says how."""

    def __init__(self, outcome: Outcome):
        super().__init__(outcome)  # SimPy makes the exception anew from its arguments
        self.outcome = outcome


class Kernel:
    """A kernel between its boot and its jump.

    ``memory`` exists once user space is about to start. ``next_handover`` is set when the kernel
    jumps.
    """

    memory: RunningMemory

    def __init__(
        self,
        env: simpy.Environment,
        index: int,
        plan: ChainPlan,
        handover: Handover | None,
        workloads: list[Workload],
        journal: Journal,
    ):
        self.env = env
        self.index = index
        self.plan = plan
        self.handover = handover
        self.workloads = workloads
        self.journal = journal
        self.setup = self._setup_of(index)
        self.next_handover: Handover | None = None

    def life(self) -> Process:
        """The whole story. Raises ChainEnds where it ends before its time."""
        booted = yield from self._boot()
        yield from self._start_user_space(booted)
        yield from self._serve()
        if not self.is_last:
            yield from self._preserve()
            placed = yield from self._load()
            yield from self._jump(placed)

    @property
    def now_ns(self) -> int:
        """Simulated time since the chain began; SimPy keeps it an int as long as delays are."""
        return int(self.env.now)

    def say(self, message: str) -> None:
        """Write down a message of this kernel or of its users."""
        self.journal.note_event(self.index, self.now_ns, self.now_ns, "message", message)

    def preserve(self, names: list[str]) -> None:
        """Preserve files now; the time it takes is booked when the kernel preserves the rest."""
        if not self.is_last:
            self._try_to_preserve(lambda: self.memory.preserve(names))

    @property
    def is_last(self) -> bool:
        """Whether no kernel follows, so that nothing is preserved or loaded."""
        return self.index + 1 == self.plan.boots

    def rest(self, duration_ns: int) -> None:
        """Nothing was asked of memory for so long: after a minute per-CPU lists have emptied."""
        if duration_ns >= SETTLING_NS:
            self.memory.pages.settle()

    # The chapters

    def _boot(self) -> Generator[simpy.Event, Any, BootedMemory]:
        """Early boot: memblock, the extension, retrieval. It has no console: a panic is silent."""
        booted = boot_memory(self.plan.machine, self.setup, self.handover)
        self._note_boot(booted)
        self._try_what_ifs()
        if booted.panic:
            raise self._end("boot_failed", booted.panic)
        if self.handover:
            judge_early_boot(booted, self.handover)
        for phase, duration_ns in early_phases_ns(booted).items():
            yield from self._spend(phase, duration_ns)
        return booted

    def _start_user_space(self, booted: BootedMemory) -> Process:
        """From the page allocator to files: initcalls, retrieval by user space, then the
        workloads."""
        try:
            self.memory = RunningMemory.start(
                self.plan.machine,
                self.setup,
                booted,
                self.handover,
                self.plan.interleaving,
                stream(self.plan.seed, "page allocator", self.index),
            )
        except (PreserveFailed, OutOfMemory) as error:
            raise self._end("boot_failed", str(error)) from error
        for message in self.memory.messages:
            self.say(message)
        yield from self._spend("initcalls", round(PHASE_RATES["initcalls"].ns))
        if not self.memory.kho_enabled:
            messages = booted.reservation.messages if booted.reservation else ("KHO: disabled",)
            raise self._end("kho_disabled", messages[0])
        try:
            if self.handover:
                self.memory.retrieve_files(self.handover)
                judge_running(self.memory, self.handover)
            for workload in self.workloads:
                workload.arrive(self)
        except OutOfMemory as error:
            raise self._end("preserve_failed", DEADLOCK) from error
        self._note_gigantic(booted)

    def _serve(self) -> Process:
        """The workloads run beside each other until the next update is due."""
        begin = self.now_ns
        running = [self.env.process(workload.serve(self)) for workload in self.workloads]
        yield self.env.all_of([self.env.timeout(self.plan.uptime_ns), *running])
        self.rest(self.plan.uptime_ns)
        self.journal.note_event(self.index, begin, self.now_ns, "serve")

    def _preserve(self) -> Process:
        self.preserve([name for workload in self.workloads for name in workload.to_preserve(self)])
        self._try_to_preserve(self.memory.preserve_areas)
        yield from self._spend("preserve", nanoseconds(self.memory.work()))

    def _load(self) -> Generator[simpy.Event, Any, tuple[Placement, ...]]:
        """kexec_file_load(): the running kernel is unharmed if it is refused."""
        try:
            placed = self.memory.load(self._setup_of(self.index + 1))
        except PreserveFailed as failure:
            raise self._end("load_refused", f"kexec_file_load: {failure}") from failure
        if isinstance(placed, LoadRefused):
            self.say(f"kexec_file_load: no scratch area has room for the {placed.segment.name}")
            raise self._end("load_refused", f"kexec_file_load: {placed.message}")
        self.journal.note_segments(self.index, placed)
        size = sum(place.size_bytes for place in placed)
        yield from self._spend("load", round(size * PHASE_RATES["loaded_byte"].ns))
        return placed

    def _jump(self, placed: tuple[Placement, ...]) -> Process:
        handover = self.memory.hand_over(placed, self._setup_of(self.index + 1))
        judge_hand_over(handover)
        yield from self._spend("jump", round(PHASE_RATES["jump"].ns))
        self.next_handover = handover

    # Helpers

    def _try_to_preserve(self, step: Callable[[], None]) -> None:
        """What can not be preserved ends the chain: the update is not to be made."""
        try:
            step()
        except PreserveFailed as failure:
            raise self._end("preserve_failed", str(failure)) from failure

    def _setup_of(self, index: int) -> KernelSetup:
        """A kernel's setup; gigantic pages that it is handed count towards ``hugepages=``."""
        setup = self.plan.kernels[index]
        if index != self.index or self.handover is None:
            return setup
        kept = len(_gigantic_pages(self.handover))
        return replace(setup, options=setup.options.with_gigantic_pages_kept(kept))

    def _try_what_ifs(self) -> None:
        """Boot again, beside the chain, with other ways to extend scratch."""
        if self.handover is None:
            return
        for what_if in self.plan.what_ifs_at(self.index):
            setup = replace(self.setup, strategy=what_if.strategy, extend=what_if.extend)
            tried = boot_memory(self.plan.machine, setup, self.handover)
            self.journal.note_alternative(self.index, setup, tried)

    def _note_boot(self, booted: BootedMemory) -> None:
        names = (self.plan.releases[self.index], self.plan.command_lines[self.index])
        self.journal.note_boot(self.index, self.setup, names, booted, self.handover)
        early = booted.early
        said = (self.setup.messages, early.messages, booted.messages, early.memblock.messages)
        for message in chain.from_iterable(said):
            self.say(message)

    def _note_gigantic(self, booted: BootedMemory) -> None:
        kept = set(_gigantic_pages(self.handover)) if self.handover else set()
        self.journal.note_gigantic(self.index, booted, kept)

    def _spend(self, what: str, duration_ns: int) -> Process:
        begin = self.now_ns
        yield self.env.timeout(duration_ns)
        self.journal.note_event(self.index, begin, self.now_ns, what)

    def _end(self, kind: str, message: str) -> ChainEnds:
        self.say(message)
        return ChainEnds(Outcome(kind=kind, boot=self.index, message=message))


def _gigantic_pages(handover: Handover) -> list[int]:
    """Return the addresses of the 1 GiB pages that a kernel was handed."""
    return [
        address
        for file in handover.files
        for folios in file.data
        if folios.order == GIGANTIC_ORDER
        for address in folios.addresses
    ]
