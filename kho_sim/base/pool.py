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
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, wait

from kho_sim.base.errors import EngineError
from kho_sim.base.shortage import ensure_limit

LOOK_SECONDS = 0.5


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
        first = pool.submit(int)
        while not wait([first], LOOK_SECONDS).done:
            ensure_pool_works(pool)
        first.result()
    except BrokenExecutor as error:
        pool.shutdown()
        raise EngineError(
            "worker processes do not start; a script that uses them must do so under "
            'if __name__ == "__main__":, as each of them imports it'
        ) from error
    except (MemoryError, RuntimeError):
        close_pool(pool, kill=True)
        raise
    return pool


def ensure_pool_works(pool: ProcessPoolExecutor) -> None:
    """Raise MemoryError if the pool's own thread is dead, which it says to nobody.

    Futures of such a pool never end. What ends the thread is memory that it does not get.
    """
    manager: threading.Thread | None = getattr(pool, "_executor_manager_thread", None)
    if manager is not None and not manager.is_alive() and not pool._broken:
        raise MemoryError


def close_pool(pool: ProcessPoolExecutor, *, kill: bool = False) -> None:
    """End the workers of a pool; ``kill``: also those that are busy."""
    if kill:
        for process in list((pool._processes or {}).values()):
            process.terminate()
    pool.shutdown(wait=True, cancel_futures=True)


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
