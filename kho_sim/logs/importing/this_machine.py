"""The machine that the command runs on, from what its kernel shows of itself.

Read: the kernel's log, /proc (iomem, zoneinfo, cmdline), /sys (possible CPUs, memory blocks, nodes)
and debugfs (memblock, KHO's scratch). Most of it is for root only: what cannot be read is a note.
Left out: everything that a boot log of this machine would not tell either.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from kho_sim.base.errors import TraceError
from kho_sim.logs.importing.from_log import lines_of_log, source_of_trace
from kho_sim.logs.importing.imported import COMMAND_LINE, MEMORY_MAP, ImportedScenario, Source
from kho_sim.logs.importing.lsmem import read_lsmem
from kho_sim.logs.importing.sources import SMALL_FILE_BYTES, scenario_of, source_of_text
from kho_sim.logs.reader import read_boot_log_lines
from kho_sim.releases import nearest_release, release_of

KERNEL_LOG = "dev/kmsg"
FILES = (
    "proc/iomem",
    "proc/zoneinfo",
    "sys/kernel/debug/memblock/memory",
    "sys/kernel/debug/kho/out/scratch_len",
)
COMMAND_LINE_FILE = "proc/cmdline"
RELEASE_FILE = "proc/sys/kernel/osrelease"
POSSIBLE_CPUS = "sys/devices/system/cpu/possible"
MEMORY_BLOCKS = "sys/devices/system/memory"
NODES = "sys/devices/system/node"
RELEASE, CPUS = "kernel.release", "machine.cpus"
LINE_LIMIT_BYTES = 1 << 14
"""Of the files that have one line; some of them are refused where more is asked for."""
LOG_LIMIT_BYTES = 64 << 20
RECORD_BYTES = 1 << 13
"""The longest record of /dev/kmsg."""
RECORD = re.compile(rb"\d+,\d+,(\d+),[^;]*;(.*)")
FOR_ROOT = "; the kernel shows it to root only"


def import_this_machine(root: Path = Path("/")) -> ImportedScenario:
    """Return the scenario of this machine; ``root`` is where /proc, /sys and /dev are.

    Raises: TraceError if nothing that can be read tells the machine's memory.
    """
    found: list[tuple[str, Source]] = []
    about = Source("this machine")
    log = _source_of_log(root, about)
    if log is not None:
        found.append(("log", log))
    for name in FILES:
        text = _read(root, name, about, SMALL_FILE_BYTES)
        if text:
            _keep(found, about, name, partial(source_of_text, f"/{name}", text))
    if not _tells_memory(found):
        _keep(found, about, MEMORY_BLOCKS, partial(_blocks, root))
    in_log = {finding.key for kind, source in found for finding in source.findings if kind == "log"}
    _say_kernel(root, about, in_log)
    found.append(("log", about))
    if not _tells_memory(found):
        reasons = "; ".join(about.notes)
        raise TraceError(
            f"nothing that can be read here tells the memory of this machine: {reasons}"
        )
    return scenario_of(found, "imported from this machine")


def _tells_memory(found: list[tuple[str, Source]]) -> bool:
    return any(finding.key == MEMORY_MAP for _, source in found for finding in source.findings)


def _keep(
    found: list[tuple[str, Source]],
    about: Source,
    name: str,
    read: Callable[[], tuple[str, Source] | None],
) -> None:
    """Add what a file tells; why it tells nothing becomes a note."""
    try:
        source = read()
    except (TraceError, OSError, ValueError) as error:
        about.notes.append(_why_not(name, error))
    else:
        if source is not None:
            found.append(source)


def _why_not(name: str, error: Exception) -> str:
    """Return a note on a file that tells nothing."""
    if isinstance(error, FileNotFoundError):
        return f"/{name} is not there"
    text = getattr(error, "strerror", None) or str(error).removeprefix(f"/{name}: ")
    return f"/{name}: {text}{FOR_ROOT if isinstance(error, PermissionError) else ''}"


def _read(root: Path, name: str, about: Source, limit_bytes: int = LINE_LIMIT_BYTES) -> str:
    """Return the text of a file, '' with a note if it cannot be read."""
    try:
        with (root / name).open("rb") as file:
            return file.read(limit_bytes).decode(errors="replace")
    except OSError as error:
        about.notes.append(_why_not(name, error))
    return ""


def _source_of_log(root: Path, about: Source) -> Source | None:
    """Return what the kernel's log tells; None, with a note, if it is not whole or not there."""
    try:
        lines = list(_log_lines(root / KERNEL_LOG))
        source = source_of_trace(read_boot_log_lines(lines, f"/{KERNEL_LOG}"), lines_of_log(lines))
    except (TraceError, OSError) as error:
        about.notes.append(_why_not(KERNEL_LOG, error))
        return None
    if source.missing or not any(finding.key == MEMORY_MAP for finding in source.findings):
        about.notes.append(
            f"/{KERNEL_LOG} has lost its first lines; a log of the whole boot (journalctl -k) "
            "would tell more"
        )
        return None
    return source


def _log_lines(path: Path) -> Iterator[bytes]:
    """Yield the messages of /dev/kmsg as a console shows them, until there are no more."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    left = LOG_LIMIT_BYTES
    try:
        while left > 0:
            try:
                data = os.read(descriptor, RECORD_BYTES)
            except BlockingIOError:
                return
            except BrokenPipeError:
                continue  # What was next has been overwritten; the following record comes next.
            if not data:
                return
            left -= len(data)
            for line in data.split(b"\n"):
                if match := RECORD.match(line):
                    microseconds = int(match[1][:18])
                    stamp = f"[{microseconds // 10**6:5}.{microseconds % 10**6:06}] "
                    yield stamp.encode() + match[2]
    finally:
        os.close(descriptor)


def _say_kernel(root: Path, about: Source, in_log: set[str]) -> None:
    """Add what everybody may read, and the kernel's log did not tell: the command line, the
    release, the possible CPUs."""
    if COMMAND_LINE not in in_log and (line := _read(root, COMMAND_LINE_FILE, about).strip()):
        about.say(COMMAND_LINE, line, f"/{COMMAND_LINE_FILE}")
    if RELEASE not in in_log and (version := _read(root, RELEASE_FILE, about).strip()):
        name = release_of(version)
        if not name:
            name = nearest_release(version)
            about.notes.append(f"kernel {version} is not known here and is simulated as {name}")
        about.say(RELEASE, name, f"/{RELEASE_FILE}", version)
    if CPUS not in in_log and (cpus := _count(_read(root, POSSIBLE_CPUS, about).strip())):
        about.say(CPUS, cpus, f"/{POSSIBLE_CPUS}")


def _count(numbers: str) -> int:
    """Return how many numbers a list such as 0-3,8 has; 0 if it is none."""
    total = 0
    for part in filter(None, numbers.split(",")):
        first, _, last = part.partition("-")
        if not first.isdecimal() or (last and not last.isdecimal()):
            return 0
        total += int(last or first) - int(first) + 1
    return total


def _blocks(root: Path) -> tuple[str, Source]:
    """Return the memory blocks that are online, which everybody may see, as lsmem shows them."""
    folder = root / MEMORY_BLOCKS
    size = int((folder / "block_size_bytes").read_text(), 16)
    nodes = {
        block.name: int(node.name.removeprefix("node"))
        for node in (root / NODES).glob("node[0-9]*")
        for block in node.glob("memory[0-9]*")
    }
    rows: list[dict[str, Any]] = []
    for block in folder.glob("memory[0-9]*"):
        if (block / "state").read_text().strip() == "online":
            start = int((block / "phys_index").read_text(), 16) * size
            row = {"range": f"{start:#x}-{start + size - 1:#x}"}
            rows.append(row | ({"node": nodes[block.name]} if block.name in nodes else {}))
    rows.sort(key=lambda row: int(row["range"].partition("-")[0], 16))
    return "lsmem", read_lsmem(f"/{MEMORY_BLOCKS}", json.dumps({"memory": rows}))
