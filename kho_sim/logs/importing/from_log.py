"""A boot log becomes a scenario: machine, kernel build, command lines, and a workload if it says
one.

What is read is what a chain starts from, never what came out of it: no scratch area, no tree, no
outcome. So a simulation of the scenario can be held against the same log (``verify``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from kho_sim.base.command_line import CommandLine, parse_command_line
from kho_sim.base.errors import TraceError
from kho_sim.base.words import ARM64
from kho_sim.logs.importing import arm64
from kho_sim.logs.importing.build_sizes import Load, find_build_sizes
from kho_sim.logs.importing.chains import chain_of
from kho_sim.logs.importing.early import find_early_allocations
from kho_sim.logs.importing.foreign import EMITTED, find_foreign_versions
from kho_sim.logs.importing.imported import (
    MEMORY_MAP,
    ImportedScenario,
    Source,
    combine,
)
from kho_sim.logs.importing.landing import names_its_areas
from kho_sim.logs.importing.memory import find_memory
from kho_sim.logs.importing.places import find_places
from kho_sim.logs.importing.workload import COMMAND_LINE_TEXT, find_workload
from kho_sim.logs.reader import BootLog
from kho_sim.releases import RELEASES, nearest_release, release_of
from kho_sim.trace.records import Boot
from kho_sim.trace.trace import Trace


def scenario_from_trace(trace: Trace) -> ImportedScenario:
    """Return the scenario of the chain that a log recorded.

    Raises: TraceError if the log shows no memory map.
    """
    name = str(trace.provenance["log"])
    imported = combine([source_of_trace(trace)], f"imported from {name}")
    if MEMORY_MAP not in imported.origins:
        raise TraceError(
            f"{name}: no memory map (BIOS-e820, efi, node ranges), so no machine to simulate"
        )
    return imported


def source_of_trace(trace: Trace, lines: Mapping[str, int] | None = None) -> Source:
    """Return all that a boot log tells about machine, kernel and workload.

    ``lines`` (of ``lines_of_log``) puts line numbers into the origins, if the first boot is meant.
    Raises: TraceError if its kernels are for an architecture that is not modelled.
    """
    source = Source(str(trace.provenance["log"]))
    logs = chain_of(source, trace.extra["boots"])
    cold = next((log for log in logs if not log.starts_late), logs[0])
    if cold.boot == trace.extra["boots"][0].boot:
        source.lines = lines or {}
    if cold.foreign_architecture:
        found = f"{source.name}: a log of a kernel for {cold.foreign_architecture}"
        raise TraceError(f"{found}; accepted: x86_64, arm64")
    chain = logs[logs.index(cold) :]
    if cold.architecture == ARM64:
        arm64.find_machine(source, chain)
        arm64.find_build(source, chain)
    else:
        _find_x86(source, trace, logs, chain)
    _find_cpus(source, cold)
    _find_kernels(source, logs)
    find_early_allocations(source, cold)
    find_foreign_versions(source, logs)
    find_workload(source, cold.command_line, logs)
    return source


def _find_x86(
    source: Source, trace: Trace, logs: Sequence[BootLog], chain: Sequence[BootLog]
) -> None:
    find_memory(source, chain)
    _find_hardware(source, chain[0])
    build = find_build_sizes(source, chain[0], _loads(trace, logs))
    find_places(source, logs, build)


LOCATED = (
    "BIOS-e820: ",
    "efi: mem",
    "efi: ",
    "ACPI: Reserving ",
    "ACPI: SLIT ",
    "max_arch_pfn",
    "Zone ranges:",
    "NODE_DATA(0) allocated",
    "Registered nosave memory",
    "setup_percpu: NR_CPUS",
    "SRAT: Node ",
    "Early memory node ranges",
    "Memory: ",
    "CPU topo: Allowing",
    "smpboot: CPU0",
    "nr_cpu_ids:",
    "smp: Bringing up",
    "smpboot: CPU0",
    COMMAND_LINE_TEXT,
    "RAMDISK: ",
    "reserved[",
    "Kernel code",
    "percpu: Embedded",
    "arch_timer: ",
    "initrd",
    "Linux version",
    "kexec handover data",
    EMITTED,
)
"""Texts of a log that findings are read at."""


def lines_of_log(lines: Iterable[bytes]) -> dict[str, int]:
    """Return for each of LOCATED the number of the first line that has it."""
    missing = {text.encode(): text for text in LOCATED}
    found: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        for text in [text for text in missing if text in line]:
            found[missing.pop(text)] = number
        if not missing:
            break
    return found


FOUR_LEVEL_PAGES = 1 << 34
"""Pages that page tables of four levels reach on x86_64 (max_arch_pfn)."""


def _find_hardware(source: Source, cold: BootLog) -> None:
    """Find what a kernel says of its machine, where it is not as in the recorded ones."""
    if cold.highest_page == FOUR_LEVEL_PAGES:
        source.say("machine.page_table_levels", 4, "max_arch_pfn", "max_arch_pfn = 0x400000000")
    if cold.has_distances:
        source.say("machine.node_distances", True, "ACPI: SLIT ")


EMULATED_CPU = "TCG"
"""QEMU's own name for a CPU that it emulates: threads there do not run as on hardware."""


def _find_cpus(source: Source, cold: BootLog) -> None:
    if cold.nr_cpu_ids:
        source.say("machine.cpus", cold.nr_cpu_ids, "nr_cpu_ids:")
    elif cold.possible_cpus:
        what = "present and hotplug CPUs"
        source.say("machine.cpus", cold.possible_cpus, "CPU topo: Allowing", what)
    elif cold.node_cpus:
        cpus = 1 + sum(len(cpus) for cpus in cold.node_cpus.values())
        source.say("machine.cpus", cpus, "smp: Bringing up", "CPUs brought up")
    present = cold.present_cpus
    if present and present < (cold.nr_cpu_ids or cold.possible_cpus or 0):
        source.say("machine.present_cpus", present, "CPU topo: Allowing", "present CPUs")
    if EMULATED_CPU in cold.cpu_model:
        source.say("chain.workers", "emulated", "smpboot: CPU0", f"CPU 0: {cold.cpu_model}")
    elif cold.cpu_model:
        source.say("chain.workers", "parallel", "smpboot: CPU0", f"CPU 0: {cold.cpu_model}")


def _find_kernels(source: Source, logs: Sequence[BootLog]) -> None:
    """The first kernel's release and command line, and what later kernels have different."""
    releases, lines = _releases(source, logs), _command_lines(source, logs)
    overrides = [{**line, **release} for line, release in zip(lines, releases, strict=True)]
    if any(overrides):
        what = "releases and command lines that differ from the first"
        source.say("kernel.releases", overrides, COMMAND_LINE_TEXT, what)


def _releases(source: Source, logs: Sequence[BootLog]) -> list[dict[str, str]]:
    """Return what differs from the first kernel's release, for each boot.

    A version that is not known here is simulated as the nearest release that is, and a note says
    so; one that the log lost is taken to be that of the kernel before.
    """
    first = next((log.release for log in logs if log.release), "")
    if not first:
        return [{} for _ in logs]
    names = {log.release: release_of(log.release) for log in logs if log.release}
    for version, name in names.items():
        if not name:
            names[version] = nearest_release(version)
            known = f"which is not known here (accepted: {', '.join(RELEASES)})"
            source.notes.append(f"kernel {version}, {known}, is simulated as {names[version]}")
    source.say("kernel.release", names[first], "Linux version", f"Linux version {first}")
    overrides: list[dict[str, str]] = []
    for log in logs:
        if not log.release:
            overrides.append(overrides[-1] if overrides else {})
        else:
            name = names[log.release]
            overrides.append({} if name == names[first] else {"release": name})
    return overrides


def _command_lines(source: Source, logs: Sequence[BootLog]) -> list[dict[str, str]]:
    """Return what differs from the first kernel's command line, for each boot.

    Its length decides early places as well as its words do, so a line counts as the same only if
    both are; one that the log lost is taken to be like the one before.
    """
    first = next((log.command_line for log in logs if log.command_line), "")
    if not first:
        source.notes.append("no command line")
        return [{} for _ in logs]
    source.say("kernel.command_line", first, COMMAND_LINE_TEXT)
    overrides: list[dict[str, str]] = []
    for log in logs:
        line = log.command_line
        if not line:
            overrides.append(overrides[-1] if overrides else {})
        else:
            overrides.append({} if _meaning(line) == _meaning(first) else {"command_line": line})
    return overrides


def _meaning(line: str) -> tuple[int, CommandLine]:
    parsed = parse_command_line(line)
    return parsed.length, replace(parsed, text="", other=())


def _loads(trace: Trace, logs: Sequence[BootLog]) -> list[Load]:
    """Return the loads between kernels of the chain whose scratch areas are known."""
    loads = []
    areas: tuple[tuple[int, int], ...] | None = None
    records = {boot.boot: boot for boot in trace[Boot]}
    for log in logs:
        boot = records[log.boot]
        if areas and boot.kind == "kho":
            loads.append(Load(areas, log))
        if boot.kind == "cold" or names_its_areas(log):
            areas = boot.scratch_areas
    return loads
