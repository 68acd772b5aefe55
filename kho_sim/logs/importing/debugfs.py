"""Files of debugfs: memblock's two arrays, and the scratch areas of a kernel with KHO.

``memblock/memory`` gives memory with its nodes (not the reserved entries of the firmware's map);
``memblock/reserved`` is of one kernel's life and tells nothing that a scenario says.
``kho/out/scratch_phys`` and ``scratch_len`` have one number an area.
"""

from __future__ import annotations

import re

from kho_sim.base.errors import TraceError
from kho_sim.logs.importing.files_of_arm64 import is_pc, say_platform
from kho_sim.logs.importing.imported import (
    MEMORY_MAP,
    NODE_RANGES,
    SCRATCH_SIZES,
    Source,
)
from kho_sim.machine.machine import NOMAP, USABLE, FirmwareRange, NodeRange

MEMBLOCK_LINE = re.compile(
    r" *\d{1,6}: 0x([0-9a-f]{1,16})\.\.0x([0-9a-f]{1,16})(?: +(\d{1,3}|x))?(.*)"
)
HEX_LINE = re.compile(r"(0x)?[0-9a-fA-F]{1,16}")
AREAS_AT_LEAST = 3
"""Lowmem, global, and one a node."""


def read_memblock(name: str, lines: list[str]) -> Source:
    """Return what a memblock array tells."""
    rows = [match for line in lines if (match := MEMBLOCK_LINE.fullmatch(line))]
    ranges = [_range(match) for match in rows]
    source = Source(name)
    if "reserved" in name or (ranges and ranges[0].start == 0):
        size = sum(part.end - part.start for part in ranges)
        source.notes.append(f"{len(ranges)} reserved regions, {size} bytes; not imported")
        return source
    source.say(MEMORY_MAP, ranges, "memory", "memblock memory")
    if is_pc(ranges):
        source.notes.append("has no reserved entries of the firmware's map")
    else:
        say_platform(source, "memory")
    if all(match[3] and match[3] != "x" for match in rows):
        spans = [
            NodeRange(part.start, part.end, int(match[3]))
            for part, match in zip(ranges, rows, strict=True)
        ]
        source.say(NODE_RANGES, spans, "node", "nodes of memblock memory")
    return source


def _range(row: re.Match[str]) -> FirmwareRange:
    kind = NOMAP if "NOMAP" in row[4] else USABLE
    return FirmwareRange(int(row[1], 16), int(row[2], 16) + 1, kind)


def read_scratch(name: str, lines: list[str]) -> Source:
    """Return what a list of scratch addresses or sizes tells; the file's name says which it is."""
    numbers = [int(line, 16) for line in lines if line.strip()]
    source = Source(name)
    if "len" not in name:
        source.notes.append("addresses of scratch areas; sizes are in scratch_len")
        return source
    if len(numbers) < AREAS_AT_LEAST:
        raise TraceError(f"{name}: {len(numbers)} sizes; KHO has {AREAS_AT_LEAST} areas or more")
    source.say(SCRATCH_SIZES, numbers, "sizes", "sizes of the scratch areas")
    if len(set(numbers[2:])) > 1:
        source.notes.append("nodes have areas of several sizes; the largest is taken")
    return source
