"""Worker processes of this machine, for sweeps and for the verification of many logs.

They are forked from a server that has imported what they need, so that a worker starts in
milliseconds and inherits no thread, lock or open file of the caller.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from kho_sim.base.errors import EngineError
from kho_sim.base.shortage import ensure_limit

LOOK_SECONDS = 0.5

T = TypeVar("T")


def open_pool(workers: int, preloaded: Sequence[str], worker_bytes: int) -> ProcessPoolExecutor:
    """Return a pool whose workers have the modules ``preloaded``, and end with their parent.

    ``worker_bytes`` is the address space that a worker needs to begin. Raises: EngineError if no
    worker starts, MemoryError if a limit leaves too little.
    """
    ensure_limit(worker_bytes)
    context = multiprocessing.get_context("forkserver")
    # Without effect if this process has the server already: then a worker imports them itself.
    context.set_forkserver_preload(list(preloaded))
    pool = ProcessPoolExecutor(workers, context, initializer=_begin_worker)
    try:
        # All of them, before there is work: where one dies while another is being started, the pool
        # of Python 3.11 ends all but the new one, and waits for it for ever.
        pool._launch_processes()  # type: ignore[attr-defined]  # no public one is there
        result_of(pool, pool.submit(int))
    except BrokenExecutor as error:
        close_pool(pool, kill=True)
        raise EngineError(
            "worker processes do not start; a script that uses them must do so under "
            'if __name__ == "__main__":, as each of them imports it'
        ) from error
    except (MemoryError, RuntimeError):
        close_pool(pool, kill=True)
        raise
    return pool


def result_of(pool: ProcessPoolExecutor, future: Future[T]) -> T:
    """Return what a call returned. Raises: what it raised, and as ``ensure_pool_works``."""
    while not wait([future], LOOK_SECONDS).done:
        ensure_pool_works(pool)
    return future.result()


def ensure_pool_works(pool: ProcessPoolExecutor) -> None:
    """End the calls that a broken pool forgot.

    Raises: MemoryError if the pool's own thread is dead, which it says to nobody, and nothing else
    broke: what ends the thread is memory that it does not get.
    """
    manager: threading.Thread | None = getattr(pool, "_executor_manager_thread", None)
    if manager is None or manager.is_alive():
        return
    if not pool._broken:
        raise MemoryError
    _end_forgotten_calls(pool)


def close_pool(pool: ProcessPoolExecutor, *, kill: bool = False) -> None:
    """End the workers of a pool; ``kill``: also those that are busy. Each of its calls has ended
    then."""
    if kill:
        for process in list((pool._processes or {}).values()):
            process.terminate()
    pool.shutdown(wait=True, cancel_futures=True)
    _end_forgotten_calls(pool)


def _end_forgotten_calls(pool: ProcessPoolExecutor) -> None:
    # The thread of a pool that breaks ends all calls; in Python 3.11 it may miss one that is handed
    # in at that moment.
    for call in list(pool._pending_work_items.values()):
        if not call.future.done():
            call.future.set_exception(BrokenProcessPool("its worker died"))


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
