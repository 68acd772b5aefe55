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
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor

from kho_sim.base.errors import EngineError


def open_pool(workers: int, preloaded: Sequence[str]) -> ProcessPoolExecutor:
    """Return a pool whose workers have the modules ``preloaded``, and end with their parent.

    Raises: EngineError if no worker starts.
    """
    context = multiprocessing.get_context("forkserver")
    # Without effect if this process has the server already: then a worker imports them itself.
    context.set_forkserver_preload(list(preloaded))
    pool = ProcessPoolExecutor(workers, context, initializer=_begin_worker)
    try:
        pool.submit(int).result()
    except BrokenExecutor as error:
        pool.shutdown()
        raise EngineError(
            "worker processes do not start; a script that uses them must do so under "
            'if __name__ == "__main__":, as each of them imports it'
        ) from error
    return pool


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
