"""One kernel's part of the chain's clock: phases one after the other or side by side, and the
downtime of virtual machines.

Phases take what central rates give. What low and high rates give is kept beside it, from the same
counts; the memory of a chain does not depend on either.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import simpy

from kho_sim.chain.journal import Journal, KernelTimes
from kho_sim.chain.timing.late import Stage, Task
from kho_sim.chain.timing.phase import NO_TIME, Phase, total
from kho_sim.rates import Hardware, Times
from kho_sim.trace.records import PhaseTime

Process = Generator[simpy.Event, Any, None]
OF_KERNEL = ("early_boot", "extend", "retrieve")
"""Phases of a kernel before its stages, from its entry on."""
LEVELS = range(3)
CENTRAL = 1


class Span(NamedTuple):
    """A phase on a clock."""

    name: str
    start_ns: int
    end_ns: int


@dataclass
class KernelClock:
    """The clock for kernel ``index``.

    ``down``: how long virtual machines have not run when this kernel begins; None before they ran
    for the first time. They are down until ``machines_run``, and again from ``machines_pause``.
    """

    env: simpy.Environment
    index: int
    journal: Journal
    hardware: Hardware
    down: Times | None = None
    _phases: dict[str, PhaseTime] = field(default_factory=dict)
    _boot: Times = NO_TIME
    _blackout: Times | None = None
    _init_reached: bool = False
    _machines_run: bool = False

    @property
    def now_ns(self) -> int:
        """Simulated time since the chain began; SimPy keeps it an int as long as delays are."""
        return int(self.env.now)

    def spend(self, phase: Phase) -> Process:
        """Let a phase pass that nothing runs beside."""
        times = phase.times(self.hardware)
        self._keep(phase.name, times, phase.standing(self.hardware))
        self._add(times)
        if phase.name in OF_KERNEL:
            self._boot = total((self._boot, times))
        begin = self.now_ns
        yield self.env.timeout(times.central)
        self.journal.note_event(self.index, begin, self.now_ns, phase.name)

    def run_stages(self, stages: list[Stage], cpus: Mapping[int, int]) -> Process:
        """Let stages pass, each of tasks side by side on the CPUs of their nodes (``cpus``: how
        many each has); the kernel's init begins when the last one ends."""
        levels = [_spans_alone(stages, cpus, self.hardware, level) for level in LEVELS]
        for name, standing in _standings(stages, self.hardware).items():
            self._keep(name, Times(*(_duration(spans, name) for spans in levels)), standing)
        times = Times(*(max((span.end_ns for span in spans), default=0) for spans in levels))
        self._boot = total((self._boot, times))
        self._init_reached = True
        self._add(times)
        begin = self.now_ns
        yield self.env.process(_process(self.env, stages, cpus, self.hardware, CENTRAL, []))
        for span in levels[CENTRAL]:
            start_ns, end_ns = begin + span.start_ns, begin + span.end_ns
            self.journal.note_event(self.index, start_ns, end_ns, span.name)

    def machines_run(self) -> None:
        """Note that virtual machines run (again): the end of a blackout, if there was one."""
        if not self._machines_run and self.down is not None:
            self._blackout = self.down
        self._machines_run = True

    def machines_pause(self) -> None:
        """Note that they do not run from now on; a second pause changes nothing."""
        if self._machines_run:
            self.down = NO_TIME
        self._machines_run = False

    def write_down(self) -> None:
        """Record the times of this kernel, once it is gone."""
        boot = self._boot if self._init_reached else None
        self.journal.note_times(
            self.index, KernelTimes(tuple(self._phases.values()), boot, self._blackout)
        )

    def _keep(self, name: str, times: Times, standing: str) -> None:
        self._phases[name] = PhaseTime(
            boot=self.index, phase=name, low_ns=times.low, duration_ns=times.central,
            high_ns=times.high, standing=standing,
        )  # fmt: skip

    def _add(self, times: Times) -> None:
        if self.down is not None and not self._machines_run:
            self.down = total((self.down, times))


def _spans_alone(
    stages: list[Stage], cpus: Mapping[int, int], hardware: Hardware, level: int
) -> list[Span]:
    """Return the phases of stages on a clock of their own, in the order in which they end."""
    env = simpy.Environment()
    spans: list[Span] = []
    env.run(env.process(_process(env, stages, cpus, hardware, level, spans)))
    return spans


def _process(
    env: simpy.Environment,
    stages: Iterable[Stage],
    cpus: Mapping[int, int],
    hardware: Hardware,
    level: int,
    spans: list[Span],
) -> Process:
    free = {nid: simpy.Container(env, capacity=count, init=count) for nid, count in cpus.items()}

    def work(task: Task) -> Process:
        of_node = free[task.nid]
        threads = min(task.threads, int(of_node.capacity))
        yield of_node.get(threads)
        name, begin = task.phase.name, int(env.now)
        yield env.timeout(task.phase.times(hardware)[level])
        yield of_node.put(threads)
        others = done[name].start_ns if name in done else begin
        done[name] = Span(name, min(begin, others), int(env.now))

    for stage in stages:
        done: dict[str, Span] = {}
        yield env.all_of([env.process(work(task)) for task in stage])
        spans += sorted(done.values(), key=lambda span: span.end_ns)


def _duration(spans: Iterable[Span], name: str) -> int:
    return max(span.end_ns - span.start_ns for span in spans if span.name == name)


def _standings(stages: list[Stage], hardware: Hardware) -> dict[str, str]:
    """Return the standing of each phase: of the largest of its tasks."""
    tasks: dict[str, list[Phase]] = {}
    for task in (task for stage in stages for task in stage):
        tasks.setdefault(task.phase.name, []).append(task.phase)
    largest = {
        name: max(phases, key=lambda phase: phase.times(hardware).central)
        for name, phases in tasks.items()
    }
    return {name: phase.standing(hardware) for name, phase in largest.items()}
