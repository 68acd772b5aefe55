"""A boot log becomes a scenario: machine, kernel build, command lines, and a workload if it says one.

What is read is what a chain starts from, never what came out of it: no scratch area, no tree, no
outcome. So a simulation of the scenario can be held against the same log (``verify``).
"""

from __future__ import annotations

from collections.abc import Sequence

from kho_sim.importing.build_sizes import Load, find_build_sizes
from kho_sim.importing.early import find_early_allocations
from kho_sim.importing.imported import (
    MEMORY_MAP,
    NODE_RANGES,
    ImportedScenario,
    MapRange,
    NodeSpan,
    Source,
    combine,
)
from kho_sim.importing.workload import find_workload
from kho_sim.machine.machine import USABLE
from kho_sim.trace.boot_log import BootLog
from kho_sim.trace.trace import Trace

USABLE_KINDS = ("usable", "System RAM")
EFI_USABLE_KINDS = (
    "Loader Code",
    "Loader Data",
    "Boot Code",
    "Boot Data",
    "Conventional",
    "Conventional Memory",
)
"""What the kernel may use after it has taken over from EFI."""


def scenario_from_trace(trace: Trace) -> ImportedScenario:
    """Return the scenario of the chain that a log recorded.

    Raises: TraceError if the trace is not a log's, or shows no memory map.
    """
    return combine([source_of_trace(trace)], f"imported from {trace.provenance['log']}")


def source_of_trace(trace: Trace) -> Source:
    """Return all that a boot log tells about machine, kernel and workload."""
    logs: Sequence[BootLog] = trace.extra["boots"]
    source = Source(str(trace.provenance["log"]))
    whole = [log for log in logs if not log.starts_late] or list(logs)
    cold = whole[0]
    _find_memory(source, cold)
    _find_cpus(source, cold)
    _find_command_lines(source, logs)
    find_build_sizes(source, cold, _loads(trace, logs))
    find_early_allocations(source, cold)
    find_workload(source, cold.command_line, len(logs))
    return source


def _find_memory(source: Source, cold: BootLog) -> None:
    if cold.e820:
        ranges = [MapRange(r.start, r.end, _kind(r.kind in USABLE_KINDS)) for r in cold.e820]
        source.say(MEMORY_MAP, ranges, ": BIOS-e820")
    elif cold.efi:
        ranges = [MapRange(r.start, r.end, _kind(r.kind in EFI_USABLE_KINDS)) for r in cold.efi]
        source.say(MEMORY_MAP, joined(ranges), ": efi: mem")
    else:
        source.notes.append(f"{source.name}: no memory map of the firmware")
    if cold.srat:
        spans = [NodeSpan(place.start, place.end, place.nid) for place in cold.srat]
        source.say(NODE_RANGES, spans, ": ACPI: SRAT")
    elif cold.node_ranges:
        spans = [NodeSpan(place.start, place.end, place.nid) for place in cold.node_ranges]
        source.say(NODE_RANGES, spans, ": Early memory node ranges")


def joined(ranges: Sequence[MapRange]) -> list[MapRange]:
    """Join neighbours of one kind, as the kernel does before it lists its map."""
    result: list[MapRange] = []
    for part in sorted(ranges):
        if result and result[-1].end == part.start and result[-1].kind == part.kind:
            result[-1] = result[-1]._replace(end=part.end)
        else:
            result.append(part)
    return result


def _kind(is_usable: bool) -> str:
    return USABLE if is_usable else "reserved"


def _find_cpus(source: Source, cold: BootLog) -> None:
    if cold.present_cpus:
        source.say("machine.cpus", cold.present_cpus, ": Allowing N CPUs")
    elif cold.nr_cpu_ids:
        source.say("machine.cpus", cold.nr_cpu_ids, ": nr_cpu_ids")
    elif cold.node_cpus:
        cpus = 1 + sum(len(cpus) for cpus in cold.node_cpus.values())
        source.say("machine.cpus", cpus, ": CPUs brought up")


def _find_command_lines(source: Source, logs: Sequence[BootLog]) -> None:
    """The command line of each boot: its length decides early places, so none is made up."""
    lines = [log.command_line for log in logs]
    if not lines[0]:
        source.notes.append(f"{source.name}: no command line")
        return
    source.say("kernel.command_line", lines[0], ": Command line")
    known = [lines[0]]
    for line in lines[1:]:
        known.append(line or known[-1])
    if len(set(known)) > 1:
        overrides = [{"command_line": line} for line in known]
        source.say("kernel.releases", overrides, ": Command line of each boot")


def _loads(trace: Trace, logs: Sequence[BootLog]) -> list[Load]:
    loads = []
    for boot, log in zip(trace.boot_records[1:], logs[1:], strict=True):
        areas = trace.boot_records[boot.boot - 1].scratch_areas
        if areas and boot.kind == "kho":
            loads.append(Load(areas, log))
    return loads
