"""The clock of a chain as trace events, the JSON that Perfetto and Chrome's tracing page open.

Each kernel is a process, "boot N", and so is each of the twin; phases are slices of it, messages,
incidents and the moments of a log are instants. The form is that of the "Trace Event Format".
Left out: what has no time (allocations, regions, files).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kho_sim.trace.records import Boot, Event, Incident
from kho_sim.trace.trace import Trace

TRACK, BESIDE = 1, 2
"""The threads of each process: phases one after the other, and what runs beside them."""
PHASES_BESIDE = ("initramfs",)
NS_PER_US = 1000
MESSAGES = ("message", "reason")
"""Events that are named by their text."""


def trace_events(trace: Trace) -> dict[str, Any]:
    """Return the document: ``traceEvents``, and in ``otherData`` how the chain ended.

    ``ts`` and ``dur`` are microseconds since the chain began, with three decimals; processes are
    numbered from 1, the chain's before its twin's.
    """
    events: list[dict[str, Any]] = []
    ends: dict[str, str] = {}
    first_process = 1
    for suffix, chain in (("", trace), (" without the extension", trace.twin)):
        if chain is None:
            continue
        boots = _boots(chain)
        processes = {boot: first_process + place for place, boot in enumerate(boots)}
        first_process += len(boots)
        for boot, process in processes.items():
            events += _names(process, f"boot {boot}{suffix}", boots[boot])
        events += (_event(one, processes[one.boot]) for one in chain[Event])
        events += (_incident(one, processes[one.boot]) for one in chain[Incident])
        ends[f"outcome{suffix}"] = f"{chain.outcome.kind} in boot {chain.outcome.boot}"
    return {"traceEvents": events, "displayTimeUnit": "ns", "otherData": ends}


def _boots(chain: Trace) -> dict[int, str]:
    """Return every kernel that the chain has a word of, with what it is, in order."""
    of_records = {
        boot.boot: ", ".join(filter(None, (boot.kind, boot.release))) for boot in chain[Boot]
    }
    timed = [*(one.boot for one in chain[Event]), *(one.boot for one in chain[Incident])]
    return dict(sorted((dict.fromkeys(timed, "") | of_records).items()))


def _names(process: int, name: str, label: str) -> Iterator[dict[str, Any]]:
    """Yield the metadata of a process: its name, what it is, its place in the list."""
    of_process = {"process_name": {"name": name}, "process_sort_index": {"sort_index": process}}
    if label:
        of_process["process_labels"] = {"labels": label}
    for what, values in (*of_process.items(), ("thread_name", {"name": "phases"})):
        yield {"ph": "M", "name": what, "pid": process, "tid": TRACK, "args": values}


def _event(event: Event, process: int) -> dict[str, Any]:
    if event.what in MESSAGES:
        return _instant(event.detail, event.what, process, event.start_ns, {})
    details = {"detail": event.detail} if event.detail else {}
    if event.start_ns == event.end_ns:
        return _instant(event.what, "phase", process, event.start_ns, details)
    duration_us = (event.end_ns - event.start_ns) / NS_PER_US
    return {
        **_at(event.what, "phase", process, event.start_ns, details),
        "tid": BESIDE if event.what in PHASES_BESIDE else TRACK,
        "ph": "X",
        "dur": duration_us,
    }


def _incident(incident: Incident, process: int) -> dict[str, Any]:
    details = {
        "message": incident.message,
        "injected": incident.injected,
        "then": incident.then,
    }
    return _instant(incident.kind, "incident", process, incident.time_ns, details)


def _instant(
    name: str, category: str, process: int, time_ns: int, details: dict[str, Any]
) -> dict[str, Any]:
    """An instant that is drawn over the whole process."""
    return {**_at(name, category, process, time_ns, details), "ph": "i", "s": "p"}


def _at(
    name: str, category: str, process: int, time_ns: int, details: dict[str, Any]
) -> dict[str, Any]:
    return {
        "name": name,
        "cat": category,
        "pid": process,
        "tid": TRACK,
        "ts": time_ns / NS_PER_US,
        "args": details,
    }
