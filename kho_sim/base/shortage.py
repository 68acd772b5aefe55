"""Too little memory, in each of the forms in which Python and its libraries say so.

Where memory ends by a limit (``ulimit -v``, a container that refuses), an allocation fails, but so
does the start of a thread or the loading of a library, which come as other errors. Left out: the
kernel's out-of-memory killer, which says nothing to the process that it ends.
"""

from __future__ import annotations

import errno
import mmap
import resource
from pathlib import Path

_TEXTS = (
    "can't start new thread",
    "cannot allocate address lookup data",
    "cannot allocate dependency",
    "cannot allocate memory",
    "cannot allocate name record",
    "cannot allocate symbol search list",
    "cannot allocate tls data structures",
    "cannot allocate version reference table",
    "cannot apply additional memory protection",
    "cannot change memory protections",
    "cannot create cache for search path",
    "cannot create capability list",
    "cannot create hwcap priorities",
    "cannot create runpath/rpath copy",
    "cannot create scope list",
    "cannot create search path array",
    "cannot create shared object descriptor",
    "cannot create tls data structures",
    "cannot extend global scope",
    "cannot make segment writable",
    "cannot map zero-fill pages",
    "failed to launch worker thread",
    "failed to map segment",
)
"""Parts of what the dynamic loader (glibc 2.36, all that it says of memory but the bare "out of
memory", which a simulated kernel may say) and those who start threads say, in small letters."""


def is_shortage(error: BaseException | None) -> bool:
    """Return whether an error, or one that it was raised from, says that memory is short."""
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            return True
        # A library that got no memory, and did not say so to the interpreter.
        if isinstance(error, SystemError) and _limit_bytes() is not None:
            return True
        if any(text in str(error).lower() for text in _TEXTS):
            return True
        error = error.__cause__ or error.__context__
    return False


def shortage_text() -> str:
    """Return what to tell of a shortage: with the limit of this process, if it has one."""
    limit_bytes = _limit_bytes()
    allowed = "" if limit_bytes is None else f"; ulimit -v allows {limit_bytes >> 20} MiB"
    return f"there is not enough memory for this{allowed}"


def ensure_limit(size_bytes: int) -> None:
    """Raise MemoryError if this process has a limit below that, and so have those it starts."""
    limit_bytes = _limit_bytes()
    if limit_bytes is not None and limit_bytes < size_bytes:
        raise MemoryError


def ensure_room(size_bytes: int) -> None:
    """Raise MemoryError unless a limit of this process leaves that much address space.

    For what ends the process where it gets no memory, in place of saying so.
    """
    limit_bytes = _limit_bytes()
    if limit_bytes is not None and limit_bytes - _mapped_bytes() < size_bytes:
        raise MemoryError


def _limit_bytes() -> int | None:
    soft_bytes, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft_bytes == resource.RLIM_INFINITY else soft_bytes


def _mapped_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
    except (OSError, ValueError):
        return 0
