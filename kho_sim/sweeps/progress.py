"""Telling how a sweep goes on, on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from kho_sim.base.units import SECOND_NS, format_ns
from kho_sim.sweeps.driver import Progress, Status

LINES = 10
"""A line each time that another tenth is done."""


@contextmanager
def progress_reporter() -> Iterator[Progress]:
    """Give a ``progress`` for ``sweep`` that suits standard error.

    Nothing is shown before the first status: a design that is refused, or that is done already, has
    no bar.
    """
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    bar = RichProgress(*columns, TimeElapsedColumn(), console=Console(stderr=True))
    task = bar.add_task("", total=None)

    def show(status: Status) -> None:
        bar.update(task, total=status.runs, completed=status.done, description=rest(status))
        bar.start()

    try:
        yield show
    finally:
        if bar.live.is_started:
            bar.stop()


class Lines:
    """Prints a line at the beginning, at each tenth, and at the end."""

    def __init__(self) -> None:
        self._last_tenth = -1

    def __call__(self, status: Status) -> None:
        tenth = LINES * status.done // max(status.runs, 1)
        if tenth > self._last_tenth:
            self._last_tenth = tenth
            line = f"{status.done}/{status.runs} runs{rest(status)}"
            print(line, file=sys.stderr, flush=True)  # noqa: T201


def rest(status: Status) -> str:
    """Return what else there is to say: failures, and the time that is left."""
    words = [
        f"{count} {name}"
        for name, count in (("failed", status.failed), ("lost", status.lost))
        if count
    ]
    if status.left_s is not None and status.done < status.runs:
        words.append(f"{duration(status.left_s)} left")
    return "".join(f", {word}" for word in words)


def duration(seconds: float) -> str:
    """Return a time span for people in whole seconds: '8 s', '2m 05s', '3h 20m'."""
    return format_ns(max(round(seconds), 1) * SECOND_NS)
