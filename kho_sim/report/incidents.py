"""The report's lines about faults and failures: incidents, their consequences, lost files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from kho_sim.base.units import counted, format_size
from kho_sim.layout import Layout, first_of
from kho_sim.trace.records import GOES_ON, OOM_KILL, REASON, Event, FileOutcome, Incident
from kho_sim.trace.summary import incidents
from kho_sim.trace.trace import Trace

MOST_NAMES = 6
INDENT = 4


def incident_lines(trace: Trace, max_lines: int, layout: Layout) -> list[str]:
    """Return a heading with the sums, then the incidents, as many as fit; nothing without any."""
    if not trace[Incident] and not faults_without_effect(trace):
        return []
    lines = layout.wrapped(_sums(trace), max_lines=2)
    candidates = [
        (any(not file.kept for file in outcomes), _lines_of(trace, incident, outcomes, layout))
        for incident, outcomes in _shown(trace)
    ]
    shown = _fitting(candidates, max_lines - len(lines))
    for (_, more), fits in zip(candidates, shown, strict=True):
        lines += more if fits else []
    return lines if all(shown) else [*lines, f"  ... {shown.count(False)} more"]


def _fitting(candidates: list[tuple[bool, list[str]]], room: int) -> list[bool]:
    """Return for each incident whether it is shown; those that lost files come first."""
    if sum(len(lines) for _, lines in candidates) <= room:
        return [True] * len(candidates)
    shown, used = [False] * len(candidates), 1
    for wanted in (True, False):
        for index, (costly, lines) in enumerate(candidates):
            if costly == wanted and used + len(lines) <= room:
                shown[index] = True
                used += len(lines)
    return shown


def faults_without_effect(trace: Trace) -> list[str]:
    """Return the faults of the scenario that did not occur, as 'swiotlb in boot 2'."""
    scenario = trace.provenance.get("scenario") or {}
    occurred = Counter((row.boot, row.kind) for row in trace[Incident] if row.injected)
    missed = []
    for fault in scenario.get("faults", ()):
        place = (fault["boot"], fault["kind"])
        if occurred[place]:
            occurred[place] -= 1
        else:
            what = f" of {fault['what']}" if "what" in fault else ""
            missed.append(f"{fault['kind']}{what} in boot {fault['boot']}")
    return missed


def file_outcomes_text(outcomes: Iterable[FileOutcome]) -> str:
    """Return what was kept and what was lost, with sizes, the lost ones by name."""
    kept = [file for file in outcomes if file.kept]
    lost = [file for file in outcomes if not file.kept]
    if not kept and not lost:
        return "no file was at risk"
    if not lost:
        return f"{_amount(kept)} kept"
    rest = f"; {_amount(kept)} kept" if kept else ", nothing kept"
    return f"{_amount(lost)} lost{rest}: {_names(lost)}"


def _shown(trace: Trace) -> Iterator[tuple[Incident, list[FileOutcome]]]:
    """Yield incidents and files, what the OOM killer did at one time as one: the request that was
    short was the same, and each victim was to help with it."""
    alike: tuple[int, int, str] | None = None
    shown: list[tuple[Incident, list[FileOutcome]]] = []
    for incident, outcomes in incidents(trace):
        place = (incident.boot, incident.time_ns, incident.kind)
        if incident.kind == OOM_KILL and place == alike:
            first, before = shown[-1]
            names = f"{first.victim}, {incident.victim}"
            shown[-1] = (replace(first, victim=names), before + outcomes)
        else:
            shown.append((incident, outcomes))
        alike = place
    yield from shown


def _lines_of(
    trace: Trace, incident: Incident, outcomes: list[FileOutcome], layout: Layout
) -> list[str]:
    kind = f"fault {incident.kind}" if incident.injected else incident.kind
    victims = incident.victim.count(", ") + 1
    kind += f" x {victims}" if victims > 1 else ""
    then = "" if incident.then == GOES_ON else f"{incident.then}; "
    message = f'"{incident.message}"; ' if incident.message else ""
    text = f"  boot {incident.boot}: {kind}, {message}{then}{file_outcomes_text(outcomes)}"
    if incident.kind == OOM_KILL:
        return layout.wrapped(text, indent=INDENT, max_lines=5)
    lines = layout.wrapped(text, indent=INDENT, max_lines=3)
    for event in trace[Event].where(boot=incident.boot, what=REASON, end_ns=incident.time_ns):
        lines += layout.wrapped(event.detail, indent=INDENT, first=INDENT, max_lines=3)
    return lines


def _sums(trace: Trace) -> str:
    injected = sum(row.injected for row in trace[Incident])
    came = len(trace[Incident]) - injected
    lost = [file for file in trace[FileOutcome] if not file.kept]
    parts = [f"{counted(injected, 'fault')} of the scenario occurred"]
    if came:
        parts.append(f"{counted(came, 'failure')} came without")
    if killed := _killed(trace):
        twin = trace.twin and f" ({_killed(trace.twin) or 'none'} in the twin)"
        parts.append(f"{counted(killed, 'process', 'es')} killed{twin or ''}")
    parts.append(f"{_amount(lost)} lost" if lost else "nothing lost")
    text = f"Faults and failures: {', '.join(parts)}"
    if trace.twin is not None:
        twin_lost = [file for file in trace.twin[FileOutcome] if not file.kept]
        if len(twin_lost) != len(lost):
            text += f" ({_amount(twin_lost)} in the twin)" if twin_lost else " (none in the twin)"
    missed = faults_without_effect(trace)
    return f"{text}; did not occur: {', '.join(missed)}" if missed else text


def _killed(trace: Trace) -> int:
    return sum(row.kind == OOM_KILL for row in trace[Incident])


def _amount(outcomes: list[FileOutcome]) -> str:
    """Return the number and size of files; one that is lost twice counts twice."""
    if not outcomes:
        return "no file"
    size = format_size(sum(file.size_bytes for file in outcomes))
    return f"{counted(len(outcomes), 'file')}, {size}"


def _names(outcomes: list[FileOutcome]) -> str:
    names = [file.name for file in outcomes]
    shown, left = first_of(names, MOST_NAMES)
    return ", ".join(shown) + (f", ... {left} more" if left else "")
