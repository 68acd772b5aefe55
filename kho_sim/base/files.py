"""Files that are there whole or not at all.

A file is written under another name, flushed to the disk and moved into place, so that neither a
kill nor a full disk leaves half of it. Left out: a flush of the folder itself; after a power cut
the older file may be back.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

TEMPORARY = ".kho-sim-tmp-"
"""How the names of files begin that are still being written."""


@contextmanager
def atomic_write(path: Path, folder: Path | None = None) -> Iterator[BinaryIO]:
    """Open a file whose content takes the place of ``path`` when the block ends without an error.

    Until then it has a name of its own, in ``folder`` (on the same file system) or beside ``path``.
    What is there and is no regular file, as a pipe or a terminal, is written to directly.
    Raises: OSError.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    temporary = (folder or path.parent) / f"{TEMPORARY}{uuid.uuid4().hex}"
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.filename == str(temporary):
            error.filename = str(path)  # the name that the caller knows
        raise
    finally:
        with suppress(NotADirectoryError):
            temporary.unlink(missing_ok=True)
