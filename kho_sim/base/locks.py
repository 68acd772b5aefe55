"""Locks on folders that results are stored in: one writer, or several that share the work.

The lock is the kernel's, on the folder itself: it leaves no file, and ends with its process however
that ends. Left out: writers on other machines that share the folder by a network file system.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from kho_sim.base.errors import EngineError

HELD_BY_ANOTHER = (errno.EAGAIN, errno.EACCES)


class FolderLock:
    """A folder that is there, and locked until ``close``; a context manager."""

    def __init__(self, folder: Path, *, shared: bool = False):
        """Make the folder if it is not there, and lock it; ``shared``: beside other such writers.

        Raises: EngineError if another writer has it, OSError if it cannot be made.
        """
        self.folder = folder
        self._is_new = not folder.exists()
        self._descriptor = _locked(folder, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)

    def close(self) -> None:
        """Let the next writer have the folder; a new one in which nothing was written goes."""
        if self._is_new:
            with suppress(OSError):  # it holds something, or has gone
                self.folder.rmdir()
        os.close(self._descriptor)

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _locked(folder: Path, kind: int) -> int:
    """Return a descriptor of the folder that holds its lock."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue  # the writer before made it, wrote nothing, and took it away
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            if _is_at(descriptor, folder):
                return descriptor
        except OSError as error:
            os.close(descriptor)
            if error.errno in HELD_BY_ANOTHER:
                raise EngineError(
                    f"{folder} is in use: another run or sweep is writing there; wait for its end, "
                    "or take another folder"
                ) from error
            raise
        os.close(descriptor)


def _is_at(descriptor: int, folder: Path) -> bool:
    """Return whether an open folder is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(folder))
    except FileNotFoundError:
        return False
