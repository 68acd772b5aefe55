"""/proc/iomem and /proc/zoneinfo of a running machine.

/proc/iomem has the firmware's map with devices between; /proc/zoneinfo the nodes, the CPUs (a
pageset each) and how many pages there are.
"""

from __future__ import annotations

import re
from itertools import pairwise

from kho_sim.base.errors import TraceError
from kho_sim.base.extent import subtracted, total_size
from kho_sim.logs.importing.build_sizes import image_of
from kho_sim.logs.importing.files_of_arm64 import is_of_arm64, say_iomem
from kho_sim.logs.importing.imported import (
    MEMORY_MAP,
    NODE_RANGES,
    PAGE_BYTES,
    PRESENT_PAGES,
    Source,
)
from kho_sim.logs.reader.facts import Resource
from kho_sim.machine.machine import USABLE, FirmwareRange, NodeRange

IOMEM_LINE = re.compile(r"( *)([0-9a-f]{1,16})-([0-9a-f]{1,16}) : (.*)")
FIRMWARE_KINDS = {
    "System RAM": USABLE,
    "Reserved": "reserved",
    "reserved": "reserved",
    "ACPI Tables": "reserved",
    "ACPI Non-volatile Storage": "reserved",
    "Unusable memory": "reserved",
    "Persistent Memory": "reserved",
    "Persistent Memory (legacy)": "reserved",
    "Soft Reserved": "reserved",
    "Unknown E820 type": "reserved",
}
"""Resources that are entries of the firmware's map; all others are devices."""

ZONE_LINE = re.compile(r"Node (\d{1,4}), zone +(\S+)")
ZONE_NUMBER = re.compile(r" +(spanned|present|start_pfn:) +(\d{1,16})")
PAGESET_CPU = re.compile(r" +cpu: (\d{1,5})")


def read_iomem(name: str, lines: list[str]) -> Source:
    """Return what /proc/iomem tells. Raises TraceError if the addresses are hidden."""
    resources = []
    for line in lines:
        if match := IOMEM_LINE.fullmatch(line):
            start, last = int(match[2], 16), int(match[3], 16)
            resources.append(Resource(len(match[1]) // 2, start, last + 1, match[4]))
    if not any(resource.end > 1 for resource in resources):
        raise TraceError(f"{name}: all addresses are zero; the kernel shows them to root only")
    source = Source(name, lines=_first_lines(lines, ("System RAM", "Kernel code")))
    if is_of_arm64(resources):
        say_iomem(source, resources)
        return source
    ranges = [
        FirmwareRange(resource.start, resource.end, FIRMWARE_KINDS[resource.name])
        for resource in resources
        if resource.name in FIRMWARE_KINDS
        and (resource.depth == 0 or resource.name != "System RAM")
    ]
    reserved = [part for part in ranges if part.kind != USABLE]
    memory = [FirmwareRange(*part[:2]) for part in ranges if part.kind == USABLE]
    kept = [FirmwareRange(*part) for part in subtracted(_extents(memory), _extents(reserved))]
    cut_bytes = total_size(_extents(memory)) - total_size(_extents(kept))
    if cut_bytes:
        source.notes.append(f"{cut_bytes} bytes reserved inside of System RAM are cut out of it")
    source.say(
        MEMORY_MAP, _with_page_zero(kept + reserved), "System RAM", "System RAM and Reserved"
    )
    image = image_of(resources)
    if image is not None:
        source.say("kernel.image", image.size, "Kernel code", "Kernel code to Kernel bss")
    return source


def read_zoneinfo(name: str, lines: list[str], page_bytes: int = PAGE_BYTES) -> Source:
    """Return what /proc/zoneinfo tells, which counts pages and does not say of which size."""
    zones: list[tuple[int, dict[str, int]]] = []
    cpus: set[int] = set()
    for line in lines:
        if match := ZONE_LINE.match(line):
            zones.append((int(match[1]), {}))
        elif zones and (match := ZONE_NUMBER.fullmatch(line)):
            zones[-1][1].setdefault(match[1], int(match[2]))
        elif match := PAGESET_CPU.fullmatch(line):
            cpus.add(int(match[1]))
    source = Source(name, lines=_first_lines(lines, ("Node ", "present", "cpu: ")))
    spans = [
        NodeRange(start * page_bytes, (start + pages) * page_bytes, nid)
        for nid, start, pages in (
            (nid, zone["start_pfn:"], zone["spanned"])
            for nid, zone in zones
            if "start_pfn:" in zone and "spanned" in zone
        )
    ]
    if spans:
        source.say(NODE_RANGES, spans, "Node ", "zones of each node")
        present = sum(zone.get("present", 0) for _, zone in zones)
        source.say(PRESENT_PAGES, present, "present", "pages present")
    if cpus:
        source.say("machine.cpus", len(cpus), "cpu: ", "pagesets")
    return source


def _extents(ranges: list[FirmwareRange]) -> list[tuple[int, int]]:
    return [(part.start, part.end) for part in ranges]


def _with_page_zero(ranges: list[FirmwareRange]) -> list[FirmwareRange]:
    """The kernel itself reserves page 0 of the first memory; the firmware's entry has it."""
    ranges = sorted(ranges)
    for index, (left, right) in enumerate(pairwise(ranges)):
        if left[:2] == (0, PAGE_BYTES) and right.start == PAGE_BYTES and right.kind == USABLE:
            return [*ranges[:index], FirmwareRange(0, right.end), *ranges[index + 2 :]]
    return ranges


def _first_lines(lines: list[str], texts: tuple[str, ...]) -> dict[str, int]:
    return {
        text: next((number for number, line in enumerate(lines, 1) if text in line), 1)
        for text in texts
    }
