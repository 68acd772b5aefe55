"""Handovers in versions of their own, which a recorder's kernel says that it writes.

Such a kernel stands for one of a vendor. What it writes is a fault of the scenario, at the kernel
that is handed it; what that makes of it is not read here.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from kho_sim.logs.importing.imported import Source
from kho_sim.logs.reader import BootLog

EMITTED = "OBS emit foreign"
PARTS = {
    "luo": "luo",
    "luosize": "luo",
    "memfd": "memfd",
    "memblock": "reserve_mem",
    "meta": "metadata",
}
"""The recorder's word -> the part of the handover."""


def find_foreign_versions(source: Source, chain: Sequence[BootLog]) -> None:
    """Add to ``source`` the faults of handovers that a kernel wrote in a version of its own."""
    faults: list[dict[str, Any]] = []
    for boot, (sender, _) in enumerate(pairwise(chain), start=1):
        parts = sorted({PARTS[part] for part in sender.foreign_parts if part in PARTS})
        if "kho" in sender.foreign_parts:
            faults.append({"kind": "fdt", "boot": boot, "found": "incompatible"})
        if parts:
            faults.append({"kind": "version", "boot": boot, "of": parts})
    if faults:
        source.say("faults", faults, EMITTED)
