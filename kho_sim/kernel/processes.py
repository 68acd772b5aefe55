"""Processes of user space, and the OOM killer, which ends one of them where memory is short.

Models out_of_memory() as far as it decides who survives: the process with the most memory is
killed, ``oom_score_adj`` counted, of equals the youngest; then the request goes on. Only where
nobody can be killed does the kernel panic. What init holds is in no process here: recorded chains
keep all of their files there, so none of theirs can be freed. Left out: the time until a killed
process is gone, memory cgroups, page tables of mapped files, and that a process killed is started
again before the next kernel.

Source: kernel-facts-distro 10 (one process is killed first, and the request goes on), kernel-facts
10.4; oom_score_adj as in Documentation/filesystems/proc.rst. Assumed: of equals the youngest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol
from weakref import proxy

from kho_sim.base.words import OOM_ADJUSTMENTS
from kho_sim.kernel.user_memory import touch
from kho_sim.kho.preserve import LiveObject
from kho_sim.memory.pages import OutOfMemory, PageAllocator, Run

ADJUSTMENT_UNITS = 1000
"""``oom_score_adj`` counts thousandths of all memory."""


@dataclass(eq=False)
class Process:
    """A process: its anonymous memory, or a file that nobody else has open.

    ``killed``: whether the OOM killer has ended it.
    """

    name: str
    oom_score_adj: int = 0
    file: str = ""
    runs: list[Run] = field(default_factory=list)
    tables: list[Run] = field(default_factory=list)
    killed: bool = False


class Home(Protocol):
    """The kernel that processes run on, as far as they may know it."""

    pages: PageAllocator
    files: dict[str, LiveObject]

    def close(self, name: str) -> None: ...

    def is_preserved(self, name: str) -> bool:
        """Tell whether live update has a file open as well, or is about to."""


class Processes:
    """All that the OOM killer may end in one kernel, the oldest first."""

    def __init__(self, home: Home) -> None:
        self._home: Home = proxy(home)  # which holds this: see base.weak
        self._alive: list[Process] = []
        self._growing: Process | None = None
        self._free_before = 0
        self.on_kill: Callable[[Process, int, OutOfMemory], None] = lambda *_: None
        """Is told of a victim, of its pages, and of the request that could not be served, before
        any of them is freed."""
        home.pages.oom_killer = self._kill

    def start(self, name: str, oom_score_adj: int = 0, file: str = "") -> Process:
        """Start a process without memory, or the one that has a file open."""
        process = Process(name, oom_score_adj, file)
        self._alive.append(process)
        return process

    def touch(self, process: Process, size_bytes: int) -> None:
        """Let a process touch anonymous memory, from front to back.

        It may be killed meanwhile. Raises OutOfMemory where nobody can be.
        """
        pages = self._home.pages
        count = -(-size_bytes >> pages.geometry.page_shift)
        try:
            with self.growing(process):
                touch(pages, count, process.runs, process.tables)
        except OutOfMemory:
            if not process.killed:
                raise
            self._give_back(process)

    @contextmanager
    def growing(self, process: Process) -> Iterator[None]:
        """Count what is taken as the memory of a process, until it has it in a list.

        If it is killed in this time, the request that it makes raises OutOfMemory.
        """
        self._growing, self._free_before = process, self._unused()
        try:
            yield
        finally:
            self._growing = None

    def end(self, process: Process) -> None:
        """Let a process end by itself: all of its memory is free, but a file that is preserved."""
        self._alive.remove(process)
        self._give_back(process)

    def _kill(self, short: OutOfMemory) -> bool:
        """Kill the process with the most memory; return whether asking again may help.

        Source: select_bad_process(), oom_badness().
        """
        able = [one for one in self._alive if one.oom_score_adj > OOM_ADJUSTMENTS[0]]
        if not able:
            return False
        victim = max(reversed(able), key=self._points)
        victim.killed = True
        self._alive.remove(victim)
        self.on_kill(victim, self._resident_pages(victim), short)
        if victim is self._growing:
            return False
        before = self._unused()
        self._give_back(victim)
        self._free_before += self._unused() - before
        return True

    def _points(self, process: Process) -> int:
        total = self._home.pages.managed_pages()
        return self._resident_pages(process) + process.oom_score_adj * total // ADJUSTMENT_UNITS

    def _resident_pages(self, process: Process) -> int:
        if process is self._growing:
            return max(self._free_before - self._unused(), 0)
        held = sum(run.blocks for run in (*process.runs, *process.tables))
        file = self._home.files.get(process.file)
        return held + file.pages if file else held

    def _unused(self) -> int:
        """Pages that are free, or are as soon as somebody needs them."""
        pages = self._home.pages
        return pages.free_pages().pages + pages.cached.pages

    def _give_back(self, process: Process) -> None:
        pages = self._home.pages
        pages.free(process.runs, user=True)
        pages.free(process.tables)
        process.runs, process.tables = [], []
        if process.file in self._home.files and not self._home.is_preserved(process.file):
            self._home.close(process.file)
