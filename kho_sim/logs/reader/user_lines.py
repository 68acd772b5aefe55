"""Lines that start with `OBS`: what the init program of a recorded chain says, also of /proc."""

from __future__ import annotations

import re

from kho_sim.logs.reader.facts import BootLog, FreeList, Resource
from kho_sim.logs.reader.words import decimal, half_open, hexadecimal, known

_MEMINFO = re.compile(r"([^:]+): +(\d+)( kB)?")
_BUDDY = re.compile(r"Node (\d+), zone +(\S+)((?: +\d+)+)")
_IOMEM = re.compile(r"( *)([0-9a-f]+)-([0-9a-f]+) : (.*)")
KIB = 1024

PHASES = (
    ("INIT stage", "init"),
    ("retrieved ok", "retrieve"),
    ("noise ok", "workload"),
    ("preserved", "preserve"),
    ("kexec loaded", "load"),
    ("CHAIN DONE", "done"),
    ("FAIL", "failure"),
)
"""Words of the init program, and the name of the event that they report."""


def user(log: BootLog, text: str) -> str:
    """Read what follows `OBS `; return the name of the event it reports, or ''."""
    word, _, rest = text.partition(" ")
    match word:
        case "meminfo":
            name, number, unit = known(_MEMINFO.match(rest)).groups()
            log.meminfo[name] = decimal(number) * (KIB if unit else 1)
        case "buddy":
            found = known(_BUDDY.match(rest))
            blocks = tuple(decimal(count) for count in found[3].split())
            log.buddy.append(FreeList(decimal(found[1]), found[2], blocks))
        case "iomem":
            found = known(_IOMEM.match(rest))
            extent = half_open(found[2], found[3])
            log.iomem.append(Resource(len(found[1]) // 2, *extent, found[4]))
        case "out_phys":
            log.out_starts.append(hexadecimal(rest.strip()))
        case "out_len":
            log.out_sizes.append(hexadecimal(rest.strip()))
        case _:
            return _phase(log, text)
    return ""


def _phase(log: BootLog, text: str) -> str:
    name = next((name for words, name in PHASES if text.startswith(words)), "")
    if name:
        log.reached_init = True
    if name == "done":
        log.chain_done = True
    elif name == "failure" and log.user_failure is None:
        what, _, errno_text = text.removeprefix("FAIL").strip().partition(": ")
        log.user_failure = (what, errno_text)
    return name
