"""Whether there is a Dask scheduler at an address, found out in seconds and said in one line.

A Dask client tries for minutes where nobody will ever answer. Left out: protocols other than tcp
and tls, and whether the one that answers is of the same version.
"""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

from kho_sim.base.errors import EngineError

ANSWER_SECONDS = 3
PORT_MAX = 65535
_ADDRESS = re.compile(r"(?:(tcp|tls)://)?(\[[0-9A-Fa-f:.%\w]+\]|[\w.-]+):(\d{1,5})")
ACCEPTED = "tcp://HOST:PORT, tls://HOST:PORT, or the file that the scheduler wrote"


def address_of(scheduler: str) -> str:
    """Return the address that is meant by an address or by a scheduler's file, if one answers.

    Raises: EngineError with what is wrong.
    """
    address = scheduler
    if Path(scheduler).is_file():
        address = _address_in(Path(scheduler))
    found = _ADDRESS.fullmatch(address)
    if found is None or not 0 < int(found[3]) <= PORT_MAX:
        what = (
            f"the scheduler file {scheduler} is not there"
            if _is_path(address)
            else (f"the Dask scheduler {scheduler} has no address that can be used")
        )
        raise EngineError(f"{what}; accepted: {ACCEPTED}")
    _ensure_it_answers(scheduler, found[1] or "tcp", found[2].strip("[]"), int(found[3]))
    return address


def _is_path(text: str) -> bool:
    return ":" not in text


def _address_in(file: Path) -> str:
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["address"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(
            f"the scheduler file {file} has no address in it ({type(error).__name__}); "
            f"accepted: {ACCEPTED}"
        ) from error


def _ensure_it_answers(scheduler: str, protocol: str, host: str, port: int) -> None:
    """Connect, and wait for the greeting that a scheduler sends by itself."""
    try:
        with socket.create_connection((host, port), ANSWER_SECONDS) as there:
            there.settimeout(ANSWER_SECONDS)
            if protocol == "tcp" and not there.recv(1):
                raise ConnectionError("it hung up")
    except TimeoutError as error:
        raise EngineError(
            f"the Dask scheduler {scheduler} does not answer within {ANSWER_SECONDS} s; is it one?"
        ) from error
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise EngineError(f"the Dask scheduler {scheduler} cannot be reached: {reason}") from error
