"""The workload of a recorded chain, from the ``obs.`` words of its command line.

The words are those of the recorder's init program (docs/verification.md): memfds that are handed
on, anonymous memory beside them, the length of the chain; ``obs_shift``, ``obs_noext``,
``obs_strategy``, ``obs_one`` and ``obs_runs`` are switches of its kernel. A log without these words
has no workload that could be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kho_sim.base.units import memparse
from kho_sim.base.words import OOM_ADJUSTMENTS
from kho_sim.logs.importing.chains import boots_of, has_update
from kho_sim.logs.importing.imported import Source
from kho_sim.logs.reader import BootLog

COMMAND_LINE_TEXT = "Command line: "
NO_WORKLOAD = "nothing says what is handed on; add a workload"
STRATEGIES = {
    "blocks": "blocks",
    "skip": "blocks-skip",
    "scaled": "scaled-blocks",
    "gaps": "largest-gaps",
    "early": "reserve-early",
}
"""Words of ``obs_strategy=`` -> extension strategies."""
SCATTERED = ("obs.frag", "obs.sparse")


def find_workload(source: Source, command_line: str, chain: Sequence[BootLog]) -> None:
    """Add workload, boots and extension of a recorded chain to ``source``."""
    words = observed_words(command_line)

    def say(key: str, value: object, word: str) -> None:
        source.say(key, value, COMMAND_LINE_TEXT, f"command line, {word}")

    huge_page_bytes = chain[0].geometry.huge_page_bytes
    entries = _memfds(words, huge_page_bytes) + _anonymous(words)
    if entries:
        say("workload", entries, "obs.nmfd= and its like")
        say("chain.uptime", "1s", "obs.nmfd=: the recorder's init hands on at once")
    else:
        source.notes.append(NO_WORKLOAD)
    if _number(words, "obs.boots"):
        say("chain.boots", _number(words, "obs.boots"), "obs.boots=")
    else:
        what = "kernels in the log" if has_update(chain) else "assumed"
        source.say("chain.boots", boots_of(source, chain), "Linux version", what)
    if "obs_noext" in words:
        say("kernel.extend.strategy", "none", "obs_noext")
    if words.get("obs_strategy") in STRATEGIES:
        name = words["obs_strategy"]
        say("kernel.extend.strategy", STRATEGIES[name], f"obs_strategy={name}")
    if retrieval := _retrieval(words):
        say("kernel.retrieval", retrieval, "obs_strategy=, obs_one, obs_runs")
    for word in SCATTERED:
        if word in words:
            source.notes.append(f"{word}= scatters pages over other files: not simulated")
    if _number(words, "obs_shift"):
        say("kernel.extend.shift", _number(words, "obs_shift"), "obs_shift=")


def observed_words(command_line: str) -> dict[str, str]:
    """Return the recorder's own words of a command line: name -> value ('' without one)."""
    pairs = (word.partition("=") for word in command_line.split())
    return {name: value for name, _, value in pairs if name.startswith(("obs.", "obs_"))}


def _retrieval(words: dict[str, str]) -> str:
    """Return the way in which the recorded kernel retrieves; '' for Linux's own."""
    if words.get("obs_strategy") == "early":
        return "two-pass-runs" if "obs_runs" in words else "two-pass"
    if "obs_runs" in words:
        return "collect-runs"
    return "one-call" if "obs_one" in words else ""


def _memfds(words: dict[str, str], huge_page_bytes: int) -> list[dict[str, Any]]:
    if not _number(words, "obs.nmfd") or "obs.mfd" not in words:
        return []
    entry: dict[str, Any] = {
        "kind": "memfd",
        "count": _number(words, "obs.nmfd"),
        "size": memparse(words["obs.mfd"])[0],
    }
    if _number(words, "obs.thp"):
        entry["folio"] = huge_page_bytes
    for key in ("grow", "drop"):
        if _number(words, f"obs.{key}"):
            entry[key] = _number(words, f"obs.{key}")
    return [entry]


def _anonymous(words: dict[str, str]) -> list[dict[str, Any]]:
    size = memparse(words.get("obs.noise", "0"))[0]
    # The recorded programs are init, which the OOM killer spares.
    spared = {"oom_score_adj": OOM_ADJUSTMENTS[0]}
    return [{"kind": "anonymous", "size": size, **spared}] if size else []


def _number(words: dict[str, str], name: str) -> int:
    """Return a whole number as the recorder's init program reads it: 0 if there is none."""
    digits = words.get(name, "")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else 0
