"""The memory of a recorded machine: its firmware's map, and whether the log has all of it.

The kernel lists the memory that it took over ("Early memory node ranges") and its sum ("Memory:
x/yK"). Where both agree and the firmware's map has more, the kernel left memory out (``mem=``,
``memmap=``, MTRR trimming), and so does the scenario. Where the map has less, the log was cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kho_sim.base.command_line import parse_command_line
from kho_sim.base.extent import Extent, intersected, merged, subtracted, total_size
from kho_sim.base.words import MEMORY_KINDS, USABLE_MEMORY
from kho_sim.logs.importing.efi import (
    EFI_MAP_LINE,
    EfiTraces,
    say_efi,
    with_types,
    without_registers,
)
from kho_sim.logs.importing.imported import (
    MEMORY_MAP,
    NODE_RANGES,
    PAGE_BYTES,
    Source,
    usable,
)
from kho_sim.logs.reader import BootLog
from kho_sim.machine.limits import MachineLimits, edited
from kho_sim.machine.machine import RESERVED, USABLE, FirmwareRange

USABLE_KINDS = ("usable", "System RAM")
RESERVED_KINDS = (
    "reserved",
    "device reserved",
    "ACPI data",
    "ACPI NVS",
    "unusable",
    "unusable memory",
    "soft reserved",
    "persistent RAM",
    "persistent",
    "type",
)
"""How kernels of several releases call entries that are no memory; a number may follow."""
EFI_RESERVED_KINDS = {"ACPI data": "acpi reclaim", "ACPI NVS": "acpi nvs"}
"""Entries of an e820 map that was made of EFI's, by the types that they had."""

UNKNOWN_KIND = "'{}' in the memory map is not known; taken to be reserved"
EARLY_NODES = "Early memory node ranges"
MEMORY_LINE = "Memory: "
REPEATED_LINES = "lines of the memory map stand there more than once; each is taken once"
NOTHING_COUNTS = (
    f"neither '{EARLY_NODES}' nor '{MEMORY_LINE}x/yK' is there to hold the memory map to, so a "
    "lost line of it does not show"
)
PAGE_ZERO_BYTES = PAGE_BYTES
"""Some logs count page 0 in "Memory:", which no kernel here has as memory."""
MAP_BEGINS = "BIOS-provided physical RAM map:"
E820_LINE = "BIOS-e820: "


def find_memory(source: Source, chain: Sequence[BootLog]) -> None:
    """Add the map and the nodes of a chain's machine to ``source``, and what else its log says of
    them. The first boot is the one that firmware started."""
    cold = chain[0]
    if cold.e820:
        kinds = EFI_RESERVED_KINDS if cold.efi.present else {}
        printed = list(dict.fromkeys(cold.e820))
        if len(printed) < len(cold.e820):
            source.notes.append(REPEATED_LINES)
        ranges = [r._replace(kind=_kind(r.kind, kinds)) for r in printed]
        _note_unknown_kinds(source, cold.e820)
        _say_map(source, chain, ranges, E820_LINE)
    elif cold.efi.descriptors:
        types = {part.kind for part in cold.efi.descriptors}
        kinds = {kind: kind if kind in MEMORY_KINDS else RESERVED for kind in types}
        parts = sorted(cold.efi.descriptors)
        ranges = [FirmwareRange(start, end, kinds[kind]) for start, end, kind, _ in parts]
        for kind in sorted(types - set(MEMORY_KINDS)):
            source.notes.append(UNKNOWN_KIND.format(kind))
        _say_map(source, chain, ranges, EFI_MAP_LINE)
    if cold.acpi_tables:
        tables = [table._asdict() for table in merged(cold.acpi_tables)]
        source.say("machine.firmware_tables", tables, "ACPI: Reserving ")
    if cold.hotplug:
        places = [place._asdict() for place in cold.hotplug]
        hotplug = [{"start": p["start"], "end": p["end"], "node": p["nid"]} for p in places]
        source.say("machine.hotplug", hotplug, "SRAT: Node ", "SRAT, hotplug ranges")
    if cold.srat:
        source.say(NODE_RANGES, cold.srat, "SRAT: Node ")
    elif cold.node_ranges:
        source.say(NODE_RANGES, cold.node_ranges, EARLY_NODES)


def _kind(printed: str, kinds: Mapping[str, str]) -> str:
    return USABLE if printed in USABLE_KINDS else kinds.get(printed, RESERVED)


def _note_unknown_kinds(source: Source, ranges: Sequence[FirmwareRange]) -> None:
    for kind in dict.fromkeys(part.kind for part in ranges):
        word = kind.partition(" (")[0].rstrip(" 0123456789")
        if kind not in USABLE_KINDS and word not in RESERVED_KINDS:
            source.notes.append(UNKNOWN_KIND.format(kind))


def _say_map(
    source: Source, chain: Sequence[BootLog], ranges: list[FirmwareRange], text: str
) -> None:
    """Say the map, less what the kernel left out of it; what does not fit becomes a disagreement.

    Source: kernel-facts section 1: node ranges and ``Memory:`` are those of memblock's memory.
    """
    cold = chain[0]
    nodes = usable([FirmwareRange(start, end) for start, end, _ in cold.node_ranges])
    total_bytes = cold.memory.total_bytes if cold.memory else 0
    is_counted = bool(nodes) and _adds_up(nodes, total_bytes)
    left_out = subtracted(usable(ranges), nodes) if is_counted else []
    by_line = is_counted and _seen(cold, ranges) == nodes
    if left_out and (by_line or not subtracted(nodes, usable(ranges))):
        how = "its command line says so" if by_line else "mem=, memmap= or MTRRs"
        source.notes.append(
            f"the kernel left out {total_size(left_out)} bytes of the firmware's memory map "
            f"({how}); so does this scenario"
        )
        if not by_line:
            ranges = [piece for part in ranges for piece in _without(part, left_out)]
    if cold.efi.present:
        ranges = _of_efi(source, chain, ranges)
    source.say(MEMORY_MAP, ranges, text)
    if by_line:
        return
    if not nodes and not total_bytes:
        source.notes.append(NOTHING_COUNTS)
    if nodes:
        taken = [FirmwareRange(*extent) for extent in nodes]
        source.say(MEMORY_MAP, taken, EARLY_NODES)
    is_whole = _adds_up(usable(ranges), total_bytes)
    if total_bytes and not is_whole:
        found = f"{total_size(usable(ranges))} bytes of {total_bytes} in '{MEMORY_LINE}x/yK'"
        source.miss(MEMORY_MAP, text, found)
    if cold.e820 and not cold.map_begins and not is_whole:
        source.miss(MEMORY_MAP, text, f"no line '{MAP_BEGINS}': entries may be lost before it")


def _seen(cold: BootLog, ranges: Sequence[FirmwareRange]) -> list[Extent] | None:
    """Return the memory that ``mem=`` and ``memmap=`` leave of a map; None without them."""
    edits = MachineLimits.of(parse_command_line(cold.command_line)).edits
    if not edits:
        return None
    memory = [r._replace(kind=USABLE) if r.kind in USABLE_MEMORY else r for r in ranges]
    return usable(edited(memory, edits))


def _of_efi(
    source: Source, chain: Sequence[BootLog], ranges: list[FirmwareRange]
) -> list[FirmwareRange]:
    traces = EfiTraces(chain, ranges)
    say_efi(source, chain, traces)
    typed = traces.typed()
    parts = (without_registers(chain[0], part) for part in ranges)
    return [piece for part in parts for piece in with_types(part, typed)]


def _adds_up(memory: Sequence[Extent], total_bytes: int) -> bool:
    return 0 <= total_bytes - total_size(memory) <= PAGE_ZERO_BYTES


def _without(part: FirmwareRange, left_out: Sequence[Extent]) -> Iterator[FirmwareRange]:
    """Cut an entry where the kernel left memory out; that becomes reserved."""
    if part.kind not in USABLE_MEMORY:
        yield part
        return
    whole = [(part.start, part.end)]
    kept = [FirmwareRange(*extent, part.kind) for extent in subtracted(whole, left_out)]
    lost = [FirmwareRange(*extent, RESERVED) for extent in intersected(whole, left_out)]
    yield from sorted(kept + lost)
