"""``lsmem``, as text or with ``-J -b``: memory blocks that are online.

They have their nodes if those were asked for (``-o +NODE``).

Blocks are 128 MiB or more and may hold holes, so a map made of them is only as fine as that.
"""

from __future__ import annotations

import json
import re
from functools import reduce
from math import gcd
from typing import Any

from kho_sim.base.errors import TraceError
from kho_sim.base.units import parse_size
from kho_sim.logs.importing.files_of_arm64 import is_pc, say_platform
from kho_sim.logs.importing.imported import MEMORY_MAP, NODE_RANGES, Source
from kho_sim.machine.machine import FirmwareRange, NodeRange

HEADING = re.compile(r"RANGE +(?=.*\bSIZE\b)(?=.*\bSTATE\b)")
"""The first line of its text: names of columns."""
BETTER = "use lsmem -J -b -o RANGE,SIZE,STATE,NODE"


def read_lsmem_text(name: str, lines: list[str]) -> Source:
    """Return what lsmem's text tells: rows of words under their columns, up to an empty line.

    Raises: TraceError if a row does not have a word for each column.
    """
    columns = lines[0].split()
    rows = []
    for line in lines[1:]:
        words = line.split()
        if not words:
            break
        if len(words) != len(columns) or words[0].count("-") != 1:
            found = f"'{line.strip()[:60]}' does not fit the columns {' '.join(columns)}"
            raise TraceError(f"{name}: {found}; {BETTER}")
        row = dict(zip((column.lower() for column in columns), words, strict=True))
        rows.append({key: row[key] for key in ("range", "state", "node") if key in row})
    return read_lsmem(name, json.dumps({"memory": rows}))


def read_lsmem(name: str, text: str) -> Source:
    """Return what lsmem's JSON tells. Raises TraceError if it is not lsmem's."""
    try:
        rows = [row for row in json.loads(text)["memory"] if row.get("state", "online") == "online"]
        ranges = [_range(row) for row in rows]
        nodes = [int(row["node"]) for row in rows if "node" in row]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TraceError(f"{name}: this is no output of lsmem -J -b ({error})") from error
    if not ranges:
        raise TraceError(f"{name}: lsmem shows no memory that is online")
    source = Source(name)
    grain = reduce(gcd, (edge for part in ranges for edge in part[:2] if edge), 0)
    source.say(MEMORY_MAP, ranges, "memory", "ranges", grain)
    if not is_pc(ranges) and ranges[0].start:
        say_platform(source, "memory")
    source.notes.append("memory in whole blocks; holes in them are not shown")
    if len(nodes) == len(ranges):
        spans = [NodeRange(r.start, r.end, nid) for r, nid in zip(ranges, nodes, strict=True)]
        source.say(NODE_RANGES, spans, "node", "node of each range")
    return source


def _range(row: dict[str, Any]) -> FirmwareRange:
    start, last = (int(word, 16) for word in row["range"].split("-"))
    if "size" in row and parse_size(row["size"]) != last + 1 - start:
        raise ValueError(f"{row['range']} is not of size {row['size']}; use lsmem -b")
    return FirmwareRange(start, last + 1)
