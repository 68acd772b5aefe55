"""One kernel of the chain as a SimPy process: it boots, serves, hands over, and is gone.

The order of events is here; the effect of each step on memory is in ``kho/`` and ``memory/``, its
cost in ``rates/``. Simulated time is in integer nanoseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import replace
from itertools import chain
from typing import Any

import simpy

from kho_sim.base.seeds import stream
from kho_sim.base.units import format_size
from kho_sim.base.weak import weakly
from kho_sim.chain.clock import KernelClock, Process
from kho_sim.chain.faults import NO_FAULTS, lost_handover, refusals, tolerated
from kho_sim.chain.incidents import (
    ChainEnds,
    Failure,
    PersistentObject,
    killed,
    persistent_objects,
    shortage_behind,
)
from kho_sim.chain.invariants import (
    check_early_boot,
    check_running,
    check_survivors,
)
from kho_sim.chain.journal import Journal
from kho_sim.chain.plan import ChainPlan
from kho_sim.chain.timing import Phase
from kho_sim.chain.timing.early import early_phases, pages_of
from kho_sim.chain.timing.late import cpus_by_node, late_stages
from kho_sim.chain.timing.user import user_phases
from kho_sim.chain.update import Update
from kho_sim.chain.workload.base import Workload
from kho_sim.kernel.alternatives import boot_alternatives
from kho_sim.kernel.boot import BootedMemory, KernelSetup, boot_memory
from kho_sim.kernel.processes import Process as UserProcess
from kho_sim.kernel.running import RunningMemory
from kho_sim.kho.handover import Handover
from kho_sim.kho.populate import data_found
from kho_sim.kho.preserve import PreserveFailed
from kho_sim.kho.versions import luo_messages
from kho_sim.memory.early.requests import REFUSED_BY_FAULT
from kho_sim.memory.pages import DEADLOCK, OutOfMemory
from kho_sim.rates import Times
from kho_sim.trace.records import COLD_BOOT, GOES_ON, IN_SCRATCH, REASON, Outcome

SETTLING_NS = 60 * 10**9
"""Per-CPU lists decay by a fifth per second (decay_pcp_high()); after a minute nothing is
left of it.
"""

FIRMWARE = Phase.of("firmware", {"firmware_reset": 1})


class Kernel:
    """A kernel between its boot and its jump.

    ``booted`` exists once early boot is over, ``memory`` once user space is about to start.
    ``next_handover`` is set when the kernel jumps. ``window`` is the time that it serves now, on
    the service clock: of all time that kernels have served, boots left out.
    """

    booted: BootedMemory
    memory: RunningMemory

    def __init__(
        self,
        env: simpy.Environment,
        index: int,
        plan: ChainPlan,
        handover: Handover | None,
        workloads: list[Workload[Any]],
        journal: Journal,
        served_ns: int = 0,
        after_reset: bool = False,
        down: Times | None = None,
    ):
        self.env = env
        self.index = index
        self.plan = plan
        self.faults = plan.faults.get(index, NO_FAULTS)
        self.handover = self.faults.damaged(handover) if handover else None
        self.workloads = workloads
        self.journal = journal
        self.setup = self.setup_of(index)
        self.clock = KernelClock(env, index, journal, plan.timing.hardware, down)
        self.next_handover: Handover | None = None
        self.window = (served_ns, served_ns)
        self.after_reset = after_reset
        self._handed_objects = persistent_objects(handover)
        self._is_up = False
        self._survived: list[int] = []
        self._steps = plan.steps[index]

    def life(self) -> Process:
        """Live from boot to handover, and take the times. Raises ChainEnds where that fails."""
        try:
            yield from self._story()
        finally:
            self.clock.machines_pause()
            self.clock.write_down()

    def _story(self) -> Process:
        if self.after_reset:
            yield from self.clock.spend(FIRMWARE)
        booted = yield from self._boot()
        yield from self._start_user_space(booted)
        yield from self.serve()
        if self.memory.why_disabled:
            raise self.end("kho_disabled", self.memory.why_disabled)
        if not self.is_last:
            self.next_handover = yield from Update(self).life()

    @property
    def now_ns(self) -> int:
        """Simulated time since the chain began; SimPy keeps it an int as long as delays are."""
        return int(self.env.now)

    def say(self, message: str) -> None:
        """Write down a message of this kernel or of its users."""
        self.journal.note_event(self.index, self.now_ns, self.now_ns, "message", message)

    def preserve(self, names: list[str]) -> None:
        """Preserve files now; the time it takes is booked when the kernel preserves the rest."""
        if not self.is_last and not self.memory.why_disabled:
            self.try_to_preserve(lambda: self.memory.preserve(names))

    def try_to_preserve(self, step: Callable[[], None]) -> None:
        """Run a step of preservation; its failure ends the chain, for the update is not made."""
        try:
            step()
        except PreserveFailed as failure:
            self.give_reason(failure)
            fatal = str(failure) == DEADLOCK
            raise self.end("preserve_failed", str(failure), fatal=fatal) from failure

    def _note_unpreserved(self) -> None:
        """Write down what of the kernel's own KHO refuses to preserve, once."""
        memory, shift = self.memory, self.setup.platform.geometry.page_shift
        refused = [live for live in memory.own.values() if memory.refuses(live)]
        for live in refused:
            start = live.data[0].extents(shift)[0].start
            text = f"{live.name}: {format_size(live.size_bytes)} at {start:#x} in scratch: -EINVAL"
            failure = Failure(IN_SCRATCH, text)
            number = self.journal.note_incident(self.index, self.now_ns, failure, GOES_ON)
            self.journal.note_file_outcomes(number, [PersistentObject.of(live)], kept=False)

    @property
    def is_last(self) -> bool:
        """Tell whether no kernel follows, so that nothing is preserved or loaded."""
        return self.index + 1 == self.plan.boots

    @property
    def begins_anew(self) -> bool:
        """Tell whether this kernel found nothing that one before it had preserved."""
        return self.booted.incoming is None

    def rest(self, duration_ns: int) -> None:
        """Pass a time without requests: after a minute per-CPU lists have emptied."""
        if duration_ns >= SETTLING_NS:
            self.memory.pages.settle()

    # The chapters

    def _boot(self) -> Generator[simpy.Event, Any, BootedMemory]:
        """Early boot: memblock, the extension, retrieval. It has no console: a panic is silent."""
        self.booted = booted = boot_memory(self.plan.machine, self.setup, self.handover)
        self._note_boot(booted)
        self._note_early_faults(booted)
        self.journal.note_bad_frames(self.index, booted, self.handover)
        self._try_what_ifs()
        if booted.panic:
            cause = "allocation" if booted.early.requests.rows[-1].why == REFUSED_BY_FAULT else ""
            raise self.end("boot_failed", booted.panic, cause, fatal=True)
        if booted.incoming is not None:
            check_early_boot(booted, booted.incoming)
        self._struct_pages = pages_of(booted)
        for phase in early_phases(booted, self._struct_pages, self._steps):
            yield from self.clock.spend(phase)
        self._maybe_panic("early_boot", "boot_failed")
        return booted

    def _start_user_space(self, booted: BootedMemory) -> Process:
        """Bring up the page allocator, then files: initcalls, retrieval by user space, then the
        workloads."""
        self._read_luo_state(booted)
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
            self.give_reason(error)
            raise self.end("boot_failed", str(error), fatal=True) from error
        self.memory.processes.on_kill = weakly(self._note_victim)
        for message in self.memory.messages:
            self.say(message)
        yield from self._reach_init(booted)
        self._maybe_panic("initcalls", "boot_failed")
        try:
            if self.handover and booted.incoming is not None:
                self._retrieve(self.handover)
            self._note_survivors(booted)
            yield from self._bring_machines_back()
            for workload in self.workloads:
                workload.arrive(self)
        except OutOfMemory as error:
            self.give_reason(error)
            raise self.end("preserve_failed", DEADLOCK, fatal=True) from error
        self._is_up = True
        self.clock.machines_run()
        self._note_gigantic(booted)

    def _reach_init(self, booted: BootedMemory) -> Process:
        """Bring up the second CPU to init: what the kernel and its nodes do side by side."""
        machine = self.setup.limits.running(booted.early.machine)
        pools = {size: len(free) for size, free in self.memory.pools.items()}
        of_buddy = {
            n: count for n, count in pools.items() if not booted.early.geometry.is_gigantic(n)
        }
        stages = late_stages(
            machine, self.setup, booted, self._struct_pages, of_buddy, self._steps, self.plan.timing
        )
        yield from self.clock.run_stages(stages, cpus_by_node(machine))

    def _bring_machines_back(self) -> Process:
        """Start user space, which gives virtual machines their files."""
        shift = self.memory.pages.geometry.page_shift
        cpus = self.setup.limits.running(self.plan.machine).present_cpus
        for phase in user_phases(self.memory.retrieved, shift, cpus, self.plan.timing):
            yield from self.clock.spend(phase)

    def _read_luo_state(self, booted: BootedMemory) -> None:
        """LUO's early initcall: what it can not read of its state is a panic, unless KHO is off."""
        if self.handover and booted.incoming is not None and self.setup.kho:
            said = luo_messages(self.handover.versions, self.setup.release)
            for message in said[:-1]:
                self.say(message)
            if said:
                raise self.end("boot_failed", said[-1], self.faults.foreign("luo"), fatal=True)

    def _retrieve(self, handover: Handover) -> None:
        """Give user space and the kernel what was handed over; what they can not read is lost."""
        memory, before = self.memory, len(self.memory.messages)
        memory.retrieve(handover)
        check_running(memory, handover)
        for message in memory.messages[before:]:
            self.say(message)
        for failure, handed in refusals(memory, self.faults):
            number = self.journal.note_incident(self.index, self.now_ns, failure, GOES_ON)
            lost = list(map(PersistentObject.of, handed))
            self.journal.note_file_outcomes(number, lost, kept=False)
            self._handed_objects = [one for one in self._handed_objects if one not in lost]

    def serve(self) -> Process:
        """Run the workloads beside each other until the next update is due."""
        begin = self.now_ns
        panics = self.faults.panic[0] == "serve"
        uptime_ns = self.plan.uptime_ns // 2 if panics else self.plan.uptime_ns
        self.window = (self.window[1], self.window[1] + uptime_ns)
        self.clock.machines_run()
        running = [self.env.process(workload.serve(self)) for workload in self.workloads]
        yield self.env.all_of([self.env.timeout(uptime_ns), *running])
        self.rest(uptime_ns)
        self.journal.note_event(self.index, begin, self.now_ns, "serve")
        self._maybe_panic("serve", "panicked")

    # Helpers

    def setup_of(self, index: int) -> KernelSetup:
        """Return a kernel's setup; gigantic pages handed to it count towards ``hugepages=``."""
        setup = self.plan.kernels[index]
        if index != self.index or self.handover is None:
            return setup
        kept = tuple(sorted(Counter(self._kept_gigantic_pages().values()).items()))
        return replace(setup, options=replace(setup.options, gigantic_kept=kept))

    def _try_what_ifs(self) -> None:
        """Boot again, beside the chain, with other ways to extend and retrieve."""
        if self.booted.incoming is None or self.handover is None:
            return
        setups = (
            replace(
                self.setup,
                strategy=what_if.strategy,
                extend=what_if.extend,
                retrieval=what_if.retrieval or self.setup.retrieval,
            )
            for what_if in self.plan.what_ifs_at(self.index)
        )
        for setup, tried in boot_alternatives(self.plan.machine, setups, self.handover):
            self.journal.note_alternative(self.index, setup, tried, self._steps)

    def _note_boot(self, booted: BootedMemory) -> None:
        names = (self.setup.release.name, self.plan.command_lines[self.index])
        self.journal.note_boot(self.index, self.setup, names, booted)
        early = booted.early
        said = (self.setup.messages, early.messages, booted.messages, early.memblock.messages)
        for message in chain.from_iterable(said):
            self.say(message)

    def _note_gigantic(self, booted: BootedMemory) -> None:
        self.journal.note_gigantic(self.index, booted, set(self._kept_gigantic_pages()))

    def _kept_gigantic_pages(self) -> dict[int, int]:
        """Return the gigantic pages that this kernel was handed, if it can find them, with their
        sizes."""
        release = self.plan.kernels[self.index].release
        if self.handover is None or not data_found(self.handover, release):
            return {}
        return self.handover.gigantic_pages()

    def end(self, kind: str, message: str, fault: str = "", fatal: bool = False) -> ChainEnds:
        """Return the end of this kernel's part; ``fault``: the kind of fault that brought it."""
        self.say(message)
        failure = Failure(fault or kind, message, bool(fault), fatal)
        return ChainEnds(Outcome(kind=kind, boot=self.index, message=message), failure)

    def give_reason(self, error: BaseException) -> None:
        reason = shortage_behind(error, self.setup.platform.geometry.page_bytes)
        if reason:
            self.journal.note_event(self.index, self.now_ns, self.now_ns, REASON, reason)

    # Faults, and what they cost

    def note_end(self, end: ChainEnds, then: str) -> None:
        """Write down a failure, what comes of it, and what becomes of the files at risk."""
        number = self.journal.note_incident(self.index, self.now_ns, end.failure, then)
        kept = not end.failure.fatal and then != COLD_BOOT
        self.journal.note_file_outcomes(number, self._objects_at_risk(), kept)

    def _note_victim(self, victim: UserProcess, pages: int, short: OutOfMemory) -> None:
        """The OOM killer ends a process, whose file is lost with it, and the kernel goes on."""
        failure = killed(victim, pages, short, self.setup.platform.geometry.page_bytes)
        number = self.journal.note_incident(self.index, self.now_ns, failure, GOES_ON)
        lost = [self.memory.files[name] for name in (victim.file,) if name in self.memory.files]
        self.journal.note_file_outcomes(number, map(PersistentObject.of, lost), kept=False)

    def _maybe_panic(self, phase: str, outcome: str) -> None:
        if self.faults.panic[0] == phase:
            raise self.end(outcome, self.faults.panic[1], "panic", fatal=True)

    def _note_early_faults(self, booted: BootedMemory) -> None:
        """Write down the faults that early boot lived through; what they cost is seen later, but
        for a handover that is not found: all of it is lost at once."""
        journal, now = self.journal, self.now_ns
        if self.handover and not data_found(self.handover, self.setup.release):
            lost = lost_handover(booted, self.faults)
            number = journal.note_incident(self.index, now, lost, GOES_ON)
            journal.note_file_outcomes(number, self._handed_objects, kept=False)
            self._handed_objects = []
        for failure in tolerated(booted, self.setup):
            self._survived.append(journal.note_incident(self.index, now, failure, GOES_ON))

    def _note_survivors(self, booted: BootedMemory) -> None:
        """Record which files survived the faults of early boot, after the retrieval."""
        if self.handover and (self._survived or self.begins_anew):
            check_survivors(booted, self.handover, self.memory.retrieved, self.memory.refused)
        for number in self._survived:
            self.journal.note_file_outcomes(number, self._handed_objects, kept=True)

    def note_left_behind(self) -> None:
        """Record what ends with this kernel: all files in a release without live update, and what
        KHO refused."""
        self._note_unpreserved()
        files = [one for one in self._objects_at_risk() if one.session]
        if files and self.setup.release.luo is None:
            failure = Failure("no_live_update", f"{self.setup.release.name} has no live update")
            number = self.journal.note_incident(self.index, self.now_ns, failure, GOES_ON)
            self.journal.note_file_outcomes(number, files, kept=False)

    def _objects_at_risk(self) -> list[PersistentObject]:
        """Return what is lost if this kernel goes now."""
        if not self._is_up:
            return self._handed_objects
        lasting = [name for workload in self.workloads for name in workload.lasting(self)]
        files = [self.memory.files[name] for name in lasting if name in self.memory.files]
        return [PersistentObject.of(one) for one in (*files, *self.memory.own.values())]

    def inherited(self) -> set[str]:
        return {one.name for one in self._handed_objects}
