"""Where batches run: in this process, in a pool, on a Dask cluster, in an executor of yours.

All speak ``concurrent.futures``. An engine adds what that leaves open: how many batches to have
under way, which exception of a future means that the worker died, and what to do when the pool
broke.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from kho_sim.base.errors import EngineError

CONNECT_SECONDS = 15
PRELOADED = ["kho_sim.sweeps.worker", "pyarrow.parquet"]


class Engine(Protocol):
    """What the driver asks of an engine."""

    def slots(self) -> int:
        """How many batches can run at once."""

    def submit(self, function: Any, *arguments: Any) -> Future[Any]:
        """Start a call."""

    def is_death(self, error: BaseException) -> bool:
        """Whether a future's exception says that its worker died."""

    def rebuild(self) -> None:
        """After a death, make the engine able to work again. Raises EngineError."""

    def close(self, *, kill: bool = False) -> None:
        """Let go of all workers; ``kill``: also of those that are busy."""


class Serial:
    """One batch after the other in this process."""

    def slots(self) -> int:
        return 1

    def submit(self, function: Any, *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def is_death(self, error: BaseException) -> bool:  # noqa: ARG002 (a protocol)
        return False

    def rebuild(self) -> None:
        pass

    def close(self, *, kill: bool = False) -> None:
        pass


class Pool:
    """Worker processes of this machine, forked from a server that has everything imported."""

    def __init__(self, workers: int):
        self.workers = workers
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOADED)
        self._pool = self._new()
        try:
            self._pool.submit(int).result()
        except BrokenExecutor as error:
            self._pool.shutdown()
            raise EngineError(
                "worker processes do not start; a script that sweeps must do so under "
                'if __name__ == "__main__":, as each of them imports it'
            ) from error

    def _new(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self.workers, self._context, initializer=_begin_worker)

    def slots(self) -> int:
        return self.workers

    def submit(self, function: Any, *arguments: Any) -> Future[Any]:
        return self._pool.submit(function, *arguments)

    def is_death(self, error: BaseException) -> bool:
        return isinstance(error, BrokenExecutor)

    def rebuild(self) -> None:
        self._pool.shutdown(wait=True)
        self._pool = self._new()

    def close(self, *, kill: bool = False) -> None:
        if kill:
            for process in list((self._pool._processes or {}).values()):
                process.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)


def _begin_worker() -> None:
    """Leave Ctrl-C to the parent, and do not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A pool's worker waits for work on a pipe that it could write to itself, so the death of the
    # parent does not end that wait.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class Dask:
    """The workers of a Dask scheduler, by its address or by its scheduler file.

    The workers must see the sweep's directory and have the same kho_sim.
    """

    def __init__(self, scheduler: str):
        try:
            from distributed import Client, KilledWorker
        except ImportError as error:
            raise EngineError("for a Dask scheduler, install kho-sim[cluster]") from error
        where: dict[str, str] = {"address": scheduler}
        if ("://" not in scheduler and ":" not in scheduler) or Path(scheduler).exists():
            if not Path(scheduler).exists():
                raise EngineError(f"{scheduler}: there is no such scheduler file")
            where = {"scheduler_file": scheduler}
        try:
            self._client = Client(**where, timeout=CONNECT_SECONDS, set_as_default=False)
            self._client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except (OSError, ValueError, TimeoutError) as error:
            raise EngineError(f"the Dask scheduler {scheduler} can not be used: {error}") from error
        # How often to try again is decided here, run by run, not there, batch by batch.
        self._executor = self._client.get_executor(pure=False, retries=0)
        self._killed = KilledWorker

    def slots(self) -> int:
        try:
            threads: dict[str, int] = self._client.nthreads()
        except OSError as error:
            raise EngineError("the Dask scheduler is gone; sweep again to go on") from error
        return max(1, sum(threads.values()))

    def submit(self, function: Any, *arguments: Any) -> Future[Any]:
        future: Future[Any] = self._executor.submit(function, *arguments)
        return future

    def is_death(self, error: BaseException) -> bool:
        return isinstance(error, self._killed)

    def rebuild(self) -> None:
        """Nothing to do: the scheduler goes on with the workers that it has."""

    def close(self, *, kill: bool = False) -> None:
        # A scheduler that is gone can not be told that we go, too.
        with suppress(OSError, TimeoutError):
            self._executor.shutdown(wait=not kill)
        self._client.close(timeout=CONNECT_SECONDS)


class ExternalExecutor:
    """An executor of the caller's, who also closes it."""

    def __init__(self, executor: Executor, workers: int | None):
        self._executor = executor
        self._slots = workers or getattr(executor, "_max_workers", None) or processors()

    def slots(self) -> int:
        return self._slots

    def submit(self, function: Any, *arguments: Any) -> Future[Any]:
        return self._executor.submit(function, *arguments)

    def is_death(self, error: BaseException) -> bool:
        return isinstance(error, BrokenExecutor)

    def rebuild(self) -> None:
        raise EngineError("the executor broke, and it is not ours to rebuild; sweep again to go on")

    def close(self, *, kill: bool = False) -> None:
        pass


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def open_engine(executor: Executor | None, workers: int | None, scheduler: str | None) -> Engine:
    """Return the engine that was asked for: by default a pool with a process a processor."""
    if executor is not None:
        return ExternalExecutor(executor, workers)
    if scheduler is not None:
        return Dask(scheduler)
    count = processors() if workers is None else workers
    return Pool(count) if count > 1 else Serial()
