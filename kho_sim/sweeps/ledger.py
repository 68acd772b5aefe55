"""The ledger of a sweep: one JSON line for each thing that happened, only ever appended.

It records what the parts cannot: which runs failed and why, which were lost with their worker,
which were left out, and how often each was tried. Each line has its checksum; one that a kill cut
short, or that is damaged, is ignored. Each shard has its own ledger and holds a lock on it while it
works: the same shard is not done by two at once.
"""

from __future__ import annotations

import fcntl
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kho_sim.base.checksums import has_its_checksum, with_checksum
from kho_sim.base.errors import EngineError

OK, FAILED, LOST, SKIPPED, CRASHED = "ok", "failed", "lost", "skipped", "crashed"
"""States of a run: it has its part; it raised; its worker died, also when it ran alone;
it was left out because too many others failed; its worker died and it gets another try.
"""


@dataclass
class History:
    """The contents of the ledgers of a sweep, all shards together."""

    last: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Run id -> the newest line that settles its state (failed, lost or skipped)."""
    attempts: Counter[str] = field(default_factory=Counter)
    """Run id -> tries that came to nothing."""
    seconds_ok: float = 0.0
    """Time that workers took for the runs that are ok."""
    runs_ok: int = 0

    def state(self, run_id: str) -> str:
        """Return failed, lost or skipped; '' if nothing is known of a run."""
        return str(self.last[run_id]["state"]) if run_id in self.last else ""


class Ledger:
    """A ledger that is open for writing, by this process alone."""

    def __init__(self, path: Path):
        """Open and lock; raises EngineError if another process has it."""
        self._file = path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise EngineError(f"{path} is in use: another sweep does this part of it") from error
        # What a kill cut short must not swallow the next line.
        if self._file.tell():
            self._file.seek(-1, 2)
            if self._file.read(1) != b"\n":
                self._file.write(b"\n")

    def note(self, state: str, run_ids: tuple[str, ...], **details: Any) -> None:
        """Append a line about some runs."""
        when = datetime.now(UTC).isoformat(timespec="seconds")
        line = {"time": when, "state": state, "runs": list(run_ids), **details}
        self._file.write(json.dumps(with_checksum(line)).encode() + b"\n")
        self._file.flush()

    def close(self) -> None:
        """Let go of the lock."""
        self._file.close()


def read_history(directory: Path) -> History:
    """Return what all ledgers of a sweep say."""
    history = History()
    for line in _lines(directory):
        if line["state"] == OK:
            history.runs_ok += len(line["runs"])
            history.seconds_ok += line.get("elapsed_s", 0.0)
        for run_id in line["runs"]:
            if line["state"] in (FAILED, LOST, CRASHED):
                history.attempts[run_id] += 1
            if line["state"] in (FAILED, LOST, SKIPPED):
                history.last[run_id] = line
    return history


def _lines(directory: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(directory.glob("ledger*.jsonl")):
        for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                line = json.loads(text)
            except (ValueError, RecursionError):
                continue
            if _is_sound(line):
                yield line


def _is_sound(line: Any) -> bool:
    return (
        isinstance(line, dict)
        and has_its_checksum(line)
        and isinstance(line.get("state"), str)
        and isinstance(line.get("runs"), list)
        and all(isinstance(run_id, str) for run_id in line["runs"])
        and isinstance(line.get("elapsed_s", 0.0), (int, float))
        and all(isinstance(line.get(name, ""), str) for name in ("error", "message"))
    )
