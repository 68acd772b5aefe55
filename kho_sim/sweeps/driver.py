"""The loop of a sweep: hand out batches, take receipts, live with workers that die.

Batches are sized by time: a few seconds each, less towards the end so that no worker is left alone
with the last big one. When a worker dies, what was under way is tried again in ever closer
quarters: in batches of one, and then alone; a run that kills its worker when it is alone with it is
lost.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import dataclass, field

from kho_sim.base.errors import EngineError
from kho_sim.base.plugins import packed_plugins
from kho_sim.chain import run_scenario
from kho_sim.sweeps.design import Design, Run
from kho_sim.sweeps.engine import Engine, Serial
from kho_sim.sweeps.ledger import CRASHED, FAILED, LOST, OK, SKIPPED
from kho_sim.sweeps.parts import part_name
from kho_sim.sweeps.store import Store
from kho_sim.sweeps.worker import Batch, Receipt, Simulate, run_batch

BATCH_SECONDS_MIN = 1.0
BATCH_SECONDS_MAX = 15.0
BATCH_RUNS_MAX = 2000
SHARES_LEFT = 4
"""A batch is at most this part of what each worker still has to do."""

LOOK_SECONDS = 0.5
"""The interval at which the loop looks up while nothing happens."""

TOGETHER, SINGLE, ALONE = range(3)
"""Levels of isolation of a run, by the number of its workers that died."""


@dataclass(frozen=True, slots=True)
class Status:
    """Progress of a sweep. ``left_s`` is None until it can be estimated."""

    runs: int
    ok: int
    failed: int
    lost: int
    elapsed_s: float
    left_s: float | None

    @property
    def done(self) -> int:
        return self.ok + self.failed + self.lost


Progress = Callable[[Status], None]


@dataclass
class Driver:
    """One pass over the runs of a sweep that are still to do."""

    store: Store
    design: Design
    engine: Engine
    progress: Progress | None = None
    failures_max: int | None = None
    simulate: Simulate = run_scenario
    should_stop: Callable[[], bool] = lambda: False
    ok: int = 0
    failed: int = 0
    lost: int = 0
    executed: int = 0
    _queues: tuple[deque[Run], ...] = field(default_factory=lambda: (deque(), deque(), deque()))
    _flying: dict[Future[Receipt], tuple[Batch, int]] = field(default_factory=dict)
    _busy_s: float = 0.0
    _runs: int = 0
    _began: float = field(default_factory=time.monotonic)

    def drive(self, pending: Iterable[Run], done: int) -> None:
        """Run everything pending; ``done`` runs are finished already.

        Raises EngineError if the engine or the store cannot go on; all that was reported is kept.
        """
        self._queues[TOGETHER].extend(pending)
        self.ok = done
        self._runs = done + self._left()
        self._tell()
        while self._flying or (self._left() and not self._is_over()):
            slots = self.engine.slots()
            if not self._is_over():
                self._fill(slots)
            finished, _ = wait(self._flying, LOOK_SECONDS, FIRST_COMPLETED)
            for future in finished:
                # One death may have settled the others already.
                if future in self._flying:
                    self._settle(future)
            if finished:
                self._tell()
        if self._has_failed_too_often():
            self._skip_rest()

    # Handing out

    def _fill(self, slots: int) -> None:
        together, single, alone = self._queues
        # A batch more than there are workers, so that none waits for this loop.
        ahead = 0 if slots == 1 else max(1, slots // 4)
        taken = True
        while taken and len(self._flying) < slots + ahead:
            if alone:
                if self._flying:
                    return
                self._submit([alone.popleft()], ALONE)
                return
            if single:
                taken = self._submit([single.popleft()], SINGLE)
            elif together:
                size = min(self._batch_size(slots), len(together))
                taken = self._submit([together.popleft() for _ in range(size)], TOGETHER)
            else:
                return

    def _batch_size(self, slots: int) -> int:
        if not self.executed:
            return 1
        run_s = max(self._busy_s / self.executed, 1e-6)
        share_s = len(self._queues[TOGETHER]) * run_s / (SHARES_LEFT * slots)
        batch_s = min(max(share_s, BATCH_SECONDS_MIN), BATCH_SECONDS_MAX)
        return min(max(round(batch_s / run_s), 1), BATCH_RUNS_MAX)

    def _submit(self, runs: list[Run], watch: int) -> bool:
        """Hand runs out; False if the engine turns out to be broken."""
        batch = Batch(
            part=part_name(),
            directory=str(self.store.directory.resolve()),
            tables=self.store.tables,
            scenario=self.design.scenario,
            runs=tuple((run.run_id, run.overrides) for run in runs),
            seconds_max=BATCH_SECONDS_MAX,
            plugins=b"" if isinstance(self.engine, Serial) else packed_plugins(),
        )
        try:
            future = self.engine.submit(run_batch, batch, self.simulate)
        except Exception as error:
            if not self.engine.is_death(error):
                raise EngineError(f"the engine takes no work: {error}") from error
            # Nobody began these runs; futures under way will report that their worker died.
            self._requeue(batch.run_ids, watch)
            if not self._flying:
                self.engine.rebuild()
            return False
        self._flying[future] = (batch, watch)
        return True

    # Taking back

    def _settle(self, future: Future[Receipt]) -> None:
        try:
            receipt = future.result()
        except EngineError:
            raise
        except CancelledError as error:
            raise EngineError("the engine gave its work up; sweep again to go on") from error
        except Exception as error:
            if not self.engine.is_death(error):
                raise EngineError(f"a worker failed: {type(error).__name__}: {error}") from error
            self._on_worker_death(future)
            return
        batch, watch = self._flying.pop(future)
        self._take(receipt)
        reported = {*receipt.finished, *(failure.run_id for failure in receipt.failures)}
        self._requeue([run_id for run_id in batch.run_ids if run_id not in reported], watch)

    def _take(self, receipt: Receipt) -> None:
        if receipt.finished:
            seconds = round(receipt.elapsed_s, 3)
            self.store.ledger.note(OK, receipt.finished, part=receipt.part, elapsed_s=seconds)
        for failure in receipt.failures:
            self.store.ledger.note(
                FAILED,
                (failure.run_id,),
                seed=self.design.runs[failure.run_id].seed,
                error=failure.error,
                message=failure.message,
                traceback=failure.traceback,
            )
        self.ok += len(receipt.finished)
        self.failed += len(receipt.failures)
        self.executed += receipt.begun
        self._busy_s += receipt.elapsed_s

    def _on_worker_death(self, future: Future[Receipt]) -> None:
        """A worker died: take the batches that went with it, and watch their runs more closely."""
        # First of all: then every future that went with the worker has its exception.
        self.engine.rebuild()
        dead = [future]
        # A broken pool takes all that was under way with it; on a cluster only one batch is hit.
        dead += [
            other
            for other in self._flying
            if other is not future
            and other.done()
            and not other.cancelled()
            and (error := other.exception()) is not None
            and self.engine.is_death(error)
        ]
        for one in dead:
            batch, watch = self._flying.pop(one)
            finished = set(self.store.finished_in(batch.part))
            self.ok += len(finished)
            self._isolate([run_id for run_id in batch.run_ids if run_id not in finished], watch)

    def _isolate(self, run_ids: list[str], watch: int) -> None:
        if watch == ALONE:
            self.lost += len(run_ids)
            seeds = [self.design.runs[run_id].seed for run_id in run_ids]
            message = "its worker died each time, also when it ran alone"
            self.store.ledger.note(
                LOST, tuple(run_ids), seeds=seeds, error="WorkerDied", message=message
            )
        elif run_ids:
            self.store.ledger.note(CRASHED, tuple(run_ids))
            self._requeue(run_ids, watch + 1)

    def _requeue(self, run_ids: Sequence[str], watch: int) -> None:
        runs = (self.design.runs[run_id] for run_id in reversed(run_ids))
        self._queues[watch].extendleft(runs)

    # Coming to an end

    def _left(self) -> int:
        return sum(map(len, self._queues))

    def _is_over(self) -> bool:
        return self.should_stop() or self._has_failed_too_often()

    def _has_failed_too_often(self) -> bool:
        return self.failures_max is not None and self.failed + self.lost >= self.failures_max

    def _skip_rest(self) -> None:
        skipped = tuple(run.run_id for queue in self._queues for run in queue)
        if skipped:
            message = f"left out after {self.failed + self.lost} failures"
            self.store.ledger.note(SKIPPED, skipped, error="", message=message)

    def _tell(self) -> None:
        if self.progress is None:
            return
        elapsed_s = time.monotonic() - self._began
        left_s = None
        if self.executed:
            under_way = sum(len(batch.runs) for batch, _ in self._flying.values())
            runs_left = self._left() + under_way
            left_s = runs_left * self._busy_s / self.executed / self.engine.slots()
        self.progress(Status(self._runs, self.ok, self.failed, self.lost, elapsed_s, left_s))
