"""The end of a kernel: it preserves, loads the next one, and jumps.

Whether virtual machines pause before memory is preserved or after is the chain's to say. They run
while the next kernel is loaded in either case: one that pauses them first is loaded before it
preserves, for which memory is taken here in the other order all the same.
"""

from __future__ import annotations

from collections.abc import Generator
from itertools import count
from typing import TYPE_CHECKING, Any

import simpy

from kho_sim.chain.incidents import ChainEnds, persistent_objects
from kho_sim.chain.invariants import check_hand_over
from kho_sim.chain.timing import Phase
from kho_sim.chain.timing.leaving import (
    FILES_OF_FOLIOS,
    SHUTDOWN,
    folios_of,
    jump_phase,
    load_phase,
    preserve_phase,
)
from kho_sim.kho.handover import Handover
from kho_sim.kho.load import LoadRefused
from kho_sim.kho.preserve import PreserveFailed
from kho_sim.platform.loader import Placement
from kho_sim.rates import counts_of
from kho_sim.trace.records import RETRIED

if TYPE_CHECKING:
    from kho_sim.chain.kernel import Kernel

Loaded = tuple[Placement, ...]


class Update:
    """An update of ``kernel`` to the next one."""

    def __init__(self, kernel: Kernel):
        self._kernel = kernel
        self._timing = kernel.plan.timing
        self._loads = 0
        self._counted: dict[str, float] = {}
        self._folios = (0, 0)

    def life(self) -> Generator[simpy.Event, Any, Handover]:
        """Preserve, load and jump; return what is handed over. Raises ChainEnds.

        What is refused is taken back and tried again after another uptime, as often as the plan
        allows; the kernel serves on meanwhile.
        """
        kernel = self._kernel
        kept = len(kernel.memory.handed)
        for retries in count():
            try:
                placed = yield from self._prepare()
                break
            except ChainEnds as end:
                if end.failure.fatal or retries == kernel.plan.retries:
                    raise
                kernel.note_end(end, RETRIED)
            kernel.memory.unpreserve(kept)
            self._folios = self._folios_handed()
            yield from kernel.serve()
        return (yield from self._jump(placed))

    def _prepare(self) -> Generator[simpy.Event, Any, Loaded]:
        """Preserve and load, in the order that the timing says."""
        preserved, paused = self._preserve(), self._timing.preserves_paused
        if not paused:
            yield from self._kernel.clock.spend(preserved)
        placed = yield from self._load()
        if paused:
            self._kernel.clock.machines_pause()
            yield from self._kernel.clock.spend(preserved)
        return placed

    def _preserve(self) -> Phase:
        """Preserve all files and the kernel's own objects; return what that takes, with what was
        preserved while the kernel served."""
        kernel = self._kernel
        kernel.preserve([name for one in kernel.workloads for name in one.to_preserve(kernel)])
        kernel.try_to_preserve(kernel.memory.preserve_own)
        before, self._folios = self._folios, self._folios_handed()
        small, large = (now - then for now, then in zip(self._folios, before, strict=True))
        return preserve_phase(self._new_counts(), (small, large), self._timing)

    def _load(self) -> Generator[simpy.Event, Any, Loaded]:
        """kexec_file_load(): the running kernel is unharmed if it is refused."""
        kernel = self._kernel
        self._loads += 1
        if self._loads <= kernel.faults.loads_refused:
            message = f"kexec_file_load: {kernel.faults.load_error}"
            raise kernel.end("load_refused", message, "load")
        kernel.try_to_preserve(lambda: kernel.memory.finalize("by hand"))
        try:
            placed = kernel.memory.load(kernel.setup_of(kernel.index + 1))
        except PreserveFailed as failure:
            kernel.give_reason(failure)
            raise kernel.end("preserve_failed", str(failure), fatal=True) from failure
        if isinstance(placed, LoadRefused):
            kernel.say(f"kexec_file_load: no scratch area has room for the {placed.segment.name}")
            raise kernel.end("load_refused", f"kexec_file_load: {placed.message}")
        kernel.journal.note_segments(kernel.index, placed)
        yield from kernel.clock.spend(load_phase(kernel.setup.release, placed))
        return placed

    def _jump(self, placed: Loaded) -> Generator[simpy.Event, Any, Handover]:
        kernel = self._kernel
        following = kernel.setup_of(kernel.index + 1)
        kernel.try_to_preserve(lambda: kernel.memory.finalize("at the reboot"))
        handover = kernel.memory.hand_over(placed, following)
        check_hand_over(handover)
        kernel.note_left_behind()
        objects = persistent_objects(handover)
        kernel.journal.note_files(kernel.index, objects, kernel.inherited())
        kernel.clock.machines_pause()
        yield from kernel.clock.spend(SHUTDOWN)
        release = kernel.setup.release
        yield from kernel.clock.spend(jump_phase(release, placed, following, self._new_counts()))
        return handover

    def _folios_handed(self) -> tuple[int, int]:
        return folios_of(self._kernel.memory.handed, FILES_OF_FOLIOS)

    def _new_counts(self) -> dict[str, float]:
        """Return what preserving has counted since this was asked last."""
        before, self._counted = self._counted, counts_of(self._kernel.memory.work())
        return {name: number - before.get(name, 0) for name, number in self._counted.items()}
