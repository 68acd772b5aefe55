"""The workload of a recorded chain, from the ``obs.`` words of its command line.

The words are those of the recorder's init program (docs/verification.md): memfds that are handed on,
anonymous memory beside them, the length of the chain; ``obs_shift`` and ``obs_noext`` are switches of
its kernel. A log without them has no workload that could be read.
"""

from __future__ import annotations

from typing import Any

from kho_sim.importing.imported import Source
from kho_sim.units import memparse

STOCK_SHIFT = 30


def find_workload(source: Source, command_line: str, boots: int) -> None:
    """Add workload, chain and extension of a log with ``boots`` kernels to ``source``."""
    words = observed_words(command_line)
    entries = _memfds(words) + _anonymous(words)
    if entries:
        source.say("workload", entries, ": command line, obs.nmfd= and its like")
    else:
        source.notes.append(f"{source.name}: nothing says what is handed on; add a workload")
    if "obs.boots" in words:
        source.say("chain.boots", int(words["obs.boots"]), ": command line, obs.boots=")
    else:
        source.say("chain.boots", max(boots, 1), ": kernels in the log")
    if "obs_noext" in words:
        source.say("kernel.extend.strategy", "none", ": command line, obs_noext")
    if "obs_shift" in words:
        source.say("kernel.extend.shift", int(words["obs_shift"]), ": command line, obs_shift=")


def observed_words(command_line: str) -> dict[str, str]:
    """Return the recorder's own words of a command line: name -> value ('' without one)."""
    pairs = (word.partition("=") for word in command_line.split())
    return {name: value for name, _, value in pairs if name.startswith(("obs.", "obs_"))}


def _memfds(words: dict[str, str]) -> list[dict[str, Any]]:
    if "obs.nmfd" not in words or "obs.mfd" not in words:
        return []
    entry: dict[str, Any] = {
        "kind": "memfd",
        "count": int(words["obs.nmfd"]),
        "size": memparse(words["obs.mfd"])[0],
    }
    if words.get("obs.thp", "0") != "0":
        entry["folio"] = 2 << 20
    for key in ("grow", "drop"):
        if int(words.get(f"obs.{key}", "0")):
            entry[key] = int(words[f"obs.{key}"])
    return [entry]


def _anonymous(words: dict[str, str]) -> list[dict[str, Any]]:
    size = memparse(words.get("obs.noise", "0"))[0]
    return [{"kind": "anonymous", "size": size}] if size else []
