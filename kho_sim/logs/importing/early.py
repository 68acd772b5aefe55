"""Early allocations that the recorded kernel build does not make: the ``kernel.early`` of a
scenario.

Needs ``memblock=debug``. An allocation counts if no modelled build makes it (``base.requesters``),
the log shows its request, and it is not given back before the page allocator starts.
"""

from __future__ import annotations

from typing import Any

from kho_sim.base import requesters
from kho_sim.logs.importing.imported import Source
from kho_sim.logs.reader import BootLog, MemblockCall

PANICS = "or_panic"


def find_early_allocations(source: Source, cold: BootLog) -> None:
    """Add to ``source`` what the first boot of a log asked for beyond the recorded build."""
    freed = {(call.base, call.size) for call in cold.calls if call.op == "free"}
    entries = [
        _entry(call)
        for call in cold.calls
        if call.op == "alloc"
        and not requesters.is_modelled(call.what)
        and call.caller
        and call.size
        and (call.result, call.size) not in freed
    ]
    if entries:
        what = "memblock=debug, requests that no recorded build has"
        source.say("kernel.early", entries, f" {entries[0]['what']}+", what)


def _entry(call: MemblockCall) -> dict[str, Any]:
    entry: dict[str, Any] = {"what": call.what[:100], "size": call.size, "phase": call.phase}
    if call.align & (call.align - 1) == 0 and call.align:
        entry["align"] = call.align
    if call.nid >= 0:
        entry["node"] = call.nid
    entry["required"] = PANICS in call.function or PANICS in call.caller
    return entry
