"""How much of a log is kept, so that no log takes memory without bound.

Most lines of a log are folded into what is there already, or passed over, so real logs of any
length keep a few thousand facts. Left out: what is made of them afterwards, which takes a few times
as much.
"""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import fields, is_dataclass

from kho_sim.logs.reader.facts import BootLog

KEPT_LIMIT = 500_000
"""Facts of all boots together, of up to 450 bytes each. A host of 12 TiB has 100,000 a boot."""
BOOT_FACTS = 8
"""What an empty boot counts."""
EVENT_FACTS = 2
"""What an event counts, for its text."""
LOOK_LINES = 4096
"""The interval at which it is looked up."""


def kept_facts(log: BootLog) -> int:
    """Return how many facts a boot keeps by now."""
    dumped = sum(len(dump.memory) + len(dump.reserved) for dump in log.dumps)
    return BOOT_FACTS + _held(log) + dumped + (EVENT_FACTS - 1) * len(log.events)


def _held(facts: object) -> int:
    """Return the items of all containers of a class of facts, and of such classes in it."""
    total = 0
    for one in fields(facts):  # type: ignore[arg-type]
        value = getattr(facts, one.name)
        if is_dataclass(value):
            total += _held(value)
        elif isinstance(value, Sized) and not isinstance(value, str):
            total += len(value)
    return total
