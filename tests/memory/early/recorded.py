"""A boot that was recorded with ``memblock=debug``, and the same boot in the simulator."""

from __future__ import annotations

import lzma
from functools import cache
from pathlib import Path
from typing import NamedTuple

from kho_sim.base import requesters
from kho_sim.base.command_line import parse_command_line
from kho_sim.logs.importing.landing import landing
from kho_sim.logs.reader import BootLog, read_boot_log_lines
from kho_sim.memory.early import BootOptions, EarlyBoot
from kho_sim.platform.firmware.e820 import qemu_machine
from kho_sim.trace.trace import Trace
from tests.memory.boots import early_boot, handover_at

LOGS = Path(__file__).parents[2] / "recorded"


class Asked(NamedTuple):
    """A request and the address that answered it, 0 if nothing did."""

    phase: str
    what: str
    size: int
    align: int
    nid: int
    low: int
    high: int
    address: int


@cache
def recorded_boots(name: str, boots: int) -> Trace:
    """Read the first ``boots`` boots of a log: up to where the next kernel starts."""
    lines = []
    with lzma.open(LOGS / f"{name}.log.xz") as log:
        for line in log:
            lines.append(line)
            boots -= b"Starting new kernel" in line
            if not boots:
                break
    return read_boot_log_lines(lines, name)


def recorded_log(name: str, boot: int) -> BootLog:
    return recorded_boots(name, boot + 1).extra["boots"][boot]


def recorded_requests(name: str, boot: int) -> list[Asked]:
    """Every request of early boot that the log has, but those of KHO."""
    return [
        Asked(
            call.phase, call.what, call.size, call.align, call.nid,
            call.min_address, call.max_address, call.result,
        )
        for call in recorded_log(name, boot).calls
        if call.op == "alloc" and not _is_of_scratch(call.what)
    ]  # fmt: skip


def modelled_boot(name: str, boot: int, gib: int, cpus: int = 4, nodes: int = 1) -> EarlyBoot:
    """Return the same boot in the simulator, from its command line and what it was handed."""
    record = recorded_boots(name, boot + 1)["boots"][boot]
    line = parse_command_line(record.command_line)
    options = BootOptions(
        command_line_bytes=line.length,
        log_buffer_bytes=line.log_buf_len or 0,
        hugepages=line.hugepages(nodes),
        unknown_words=("nokaslr",),
    )
    handover = None
    if boot:
        areas = record.scratch_areas
        at = landing(recorded_log(name, boot), len(areas))
        handover = handover_at(
            at["kernel"], at["initrd"], at["setup_data"], at["descriptors"], areas
        )
    size = gib << 30
    machine = qemu_machine(size, cpus=cpus, node_bytes=[size // nodes] * nodes)
    early = early_boot(machine, options=options, handover=handover)
    early.before_extension()
    early.after_extension()
    return early


def modelled_requests(early: EarlyBoot) -> list[Asked]:
    """Every request of a simulated boot, as a log shows it: node data by its answer only."""
    return [
        Asked(
            row.phase, row.what, row.size_bytes,
            0 if row.what == requesters.NODE_DATA else row.align_bytes,
            row.nid, row.min_address, row.max_address, row.address,
        )
        for row in early.requests.rows
    ]  # fmt: skip


def _is_of_scratch(what: str) -> bool:
    return what == requesters.SCRATCH_ARRAY or requesters.is_scratch_area(what)
