"""Many logs at once, in worker processes; results come in the order of the logs."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from kho_sim.base.errors import InputError
from kho_sim.verify.log_check import LogCheck, check_log


class Refused(NamedTuple):
    """A log that can not be checked, and why."""

    path: str
    message: str


def check_logs(paths: Sequence[str], workers: int = 1) -> Iterator[LogCheck | Refused]:
    """Check each log; one that can not be read does not keep the others from it."""
    workers = min(workers, len(paths))
    if workers <= 1:
        yield from map(_check, paths)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield from pool.map(_check, paths)


def _check(path: str) -> LogCheck | Refused:
    try:
        return check_log(path)
    except InputError as error:
        return Refused(path, str(error))
