"""Stopping in order: the meaning of SIGINT and SIGTERM while runs are under way."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any

STANDARD_ERROR = 2
SAID = b"stopping after the runs that are under way; once more stops at once\n"


class SweepInterrupted(KeyboardInterrupt):
    """A sweep that was asked to stop, and did: its store is consistent and can be resumed."""

    def __init__(self, signal_number: int):
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number


class Stop:
    """Hears SIGINT and SIGTERM: the first asks to stop after what is under way, the next stops."""

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def is_asked(self) -> bool:
        """Tell whether a signal came."""
        return self.signal_number is not None

    def obey(self) -> None:
        """Raise SweepInterrupted if a signal came."""
        if self.signal_number is not None:
            raise SweepInterrupted(self.signal_number)

    def _hear(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.signal_number is not None:
            raise SweepInterrupted(number)
        self.signal_number = number
        # Not by print(): the signal may have come in the middle of one.
        with suppress(OSError):
            os.write(STANDARD_ERROR, SAID)
