"""Engines that run batches: in this process, in a pool, on a Dask cluster, in an executor of yours.

All speak ``concurrent.futures``. An engine adds what that leaves open: how many batches to have
under way, which exception of a future means that the worker died, and what to do when the pool
broke.
"""

from __future__ import annotations

from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import suppress
from typing import Any, Protocol

from kho_sim.base.errors import EngineError
from kho_sim.base.pool import close_pool, ensure_pool_works, open_pool, processors
from kho_sim.sweeps.scheduler import address_of

CONNECT_SECONDS = 15
PRELOADED = ("kho_sim.sweeps.worker", "pyarrow.parquet")
WORKER_BYTES = 512 << 20
"""Address space that a worker with these modules takes, most of it by pandas and pyarrow."""


class Engine(Protocol):
    """The engine as the driver uses it."""

    def slots(self) -> int:
        """Return the number of batches that can run at once.

        Raises EngineError if the engine is gone, MemoryError if it ended for want of memory.
        """

    def submit(self, function: Any, *arguments: Any) -> Future[Any]:
        """Start a call."""

    def is_death(self, error: BaseException) -> bool:
        """Tell whether a future's exception means that its worker died."""

    def rebuild(self) -> None:
        """Make the engine able to work again after a death. Raises EngineError."""

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
    """Worker processes of this machine."""

    def __init__(self, workers: int):
        self.workers = workers
        self._pool = open_pool(workers, PRELOADED, WORKER_BYTES)

    def slots(self) -> int:
        ensure_pool_works(self._pool)
        return self.workers

    def submit(self, function: Any, *arguments: Any) -> Future[Any]:
        return self._pool.submit(function, *arguments)

    def is_death(self, error: BaseException) -> bool:
        return isinstance(error, BrokenExecutor)

    def rebuild(self) -> None:
        close_pool(self._pool, kill=True)
        self._pool = open_pool(self.workers, PRELOADED, WORKER_BYTES)

    def close(self, *, kill: bool = False) -> None:
        close_pool(self._pool, kill=kill)


class Dask:
    """The workers of a Dask scheduler, by its address or by its scheduler file.

    The workers must see the sweep's directory and have the same kho_sim.
    """

    def __init__(self, scheduler: str):
        try:
            from distributed import Client, KilledWorker
        except ImportError as error:
            raise EngineError("for a Dask scheduler, install kho-sim[cluster]") from error
        address = address_of(scheduler)
        try:
            self._client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
            self._client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except (OSError, ValueError, TimeoutError) as error:
            raise EngineError(f"the Dask scheduler {scheduler} cannot be used: {error}") from error
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
        """Do nothing: the scheduler goes on with the workers that it has."""

    def close(self, *, kill: bool = False) -> None:
        # A scheduler that is gone cannot be notified.
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


def open_engine(executor: Executor | None, workers: int | None, scheduler: str | None) -> Engine:
    """Return the engine that was asked for: by default a pool with a process a processor."""
    if executor is not None:
        return ExternalExecutor(executor, workers)
    if scheduler is not None:
        return Dask(scheduler)
    count = processors() if workers is None else workers
    return Pool(count) if count > 1 else Serial()
