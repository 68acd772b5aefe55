"""Which kind of file a source is, by what is in it, and how several become one scenario.

Where sources tell the same key boot logs come first, then /proc/iomem, debugfs, lsmem and
/proc/zoneinfo.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from kho_sim.base.errors import TraceError, one_line
from kho_sim.logs.importing import debugfs, lsmem, proc_files
from kho_sim.logs.importing.from_log import lines_of_log, source_of_trace
from kho_sim.logs.importing.imported import (
    MEMORY_MAP,
    PAGE_BYTES,
    PAGE_SIZE,
    ImportedScenario,
    Source,
    combine,
)
from kho_sim.logs.reader import read_boot_log
from kho_sim.logs.reader.stream import file_lines

SMALL_FILE_BYTES = 8 << 20
"""More than /proc/iomem or /proc/zoneinfo of the largest machine."""
RANKS = ("log", "iomem", "memblock", "lsmem", "zoneinfo", "scratch")


def import_files(paths: Iterable[str | PathLike[str]]) -> ImportedScenario:
    """Return the scenario of a machine from files of any known kind, alone or together.

    Known, by their content: boot logs (plain, gzip, xz, bzip2), /proc/iomem, ``lsmem`` (text, or
    ``-J -b``), /proc/zoneinfo, and of debugfs memblock/memory and kho/out/scratch_len. Where
    sources disagree, ``disagreements`` says so, and the first value is the one taken.

    Raises: TraceError if a file is of no known kind, cannot be read, or no file has the memory.
    """
    named = list(paths)
    found = [read_source(path) for path in named]
    page_bytes = _page_bytes(source for _, source in found)
    if page_bytes != PAGE_BYTES:
        found = [
            read_source(path, page_bytes) if kind == "zoneinfo" else (kind, source)
            for path, (kind, source) in zip(named, found, strict=True)
        ]
    imported = scenario_of(found, "imported from {}")
    if MEMORY_MAP not in imported.origins:
        names = ", ".join(imported.scenario["sources"])
        raise TraceError(f"{names}: nothing here tells the memory of the machine")
    return imported


def scenario_of(found: Iterable[tuple[str, Source]], description: str) -> ImportedScenario:
    """Return the scenario of sources by their ranks; '{}' in a description stands for names."""
    ranked = sorted(found, key=lambda item: RANKS.index(item[0]))
    sources = [source for _, source in ranked]
    return combine(sources, description.format(", ".join(source.name for source in sources)))


def read_source(path: str | PathLike[str], page_bytes: int = PAGE_BYTES) -> tuple[str, Source]:
    """Return the kind of a file, one of RANKS, and what it tells; ``page_bytes`` is the size of
    pages that it counts. Raises TraceError."""
    file = Path(path)
    name = one_line(file.name)
    found = source_of_text(name, _small_text(file), page_bytes)
    if found is not None:
        return found
    trace = read_boot_log(file)
    return "log", source_of_trace(trace, lines_of_log(file_lines(file, lambda _: None)))


def source_of_text(name: str, text: str, page_bytes: int = PAGE_BYTES) -> tuple[str, Source] | None:
    """Return the kind of a text, one of RANKS, and what it tells; None if it may be a log.

    Raises: TraceError for what is of a known kind, and damaged or in a form that is not read.
    """
    lines = [line.rstrip("\r") for line in text.splitlines()]
    match _kind(text, lines):
        case "lsmem":
            return "lsmem", lsmem.read_lsmem(name, text)
        case "iomem":
            return "iomem", proc_files.read_iomem(name, lines)
        case "zoneinfo":
            return "zoneinfo", proc_files.read_zoneinfo(name, lines, page_bytes)
        case "memblock":
            return "memblock", debugfs.read_memblock(name, lines)
        case "scratch":
            return "scratch", debugfs.read_scratch(name, lines)
        case "lsmem text":
            return "lsmem", lsmem.read_lsmem_text(name, lines)
    return None


def _page_bytes(sources: Iterable[Source]) -> int:
    found = (f.value for source in sources for f in source.findings if f.key == PAGE_SIZE)
    return next(found, PAGE_BYTES)


def _small_text(file: Path) -> str:
    """Return the text of a small file; '' for one that is too large or packed, as only logs are."""
    try:
        with file.open("rb") as stream:
            data = stream.read(SMALL_FILE_BYTES + 1)
    except OSError as error:
        raise TraceError(f"{file}: {error.strerror or error}") from error
    if len(data) > SMALL_FILE_BYTES or b"\0" in data[:4096]:
        return ""
    return data.decode(errors="replace")


def _kind(text: str, lines: list[str]) -> str:
    """Boot logs may quote any of the others, so a file is another kind only from its first line."""
    filled = [line for line in lines if line.strip()]
    if not filled:
        return "log"
    if text.lstrip().startswith("{") and "memory" in _keys_of_json(text):
        return "lsmem"
    if lsmem.HEADING.match(filled[0]):
        return "lsmem text"
    if proc_files.IOMEM_LINE.fullmatch(filled[0]):
        return "iomem"
    if proc_files.ZONE_LINE.match(filled[0]):
        return "zoneinfo"
    if debugfs.MEMBLOCK_LINE.fullmatch(filled[0]):
        return "memblock"
    return "scratch" if all(debugfs.HEX_LINE.fullmatch(line) for line in filled) else "log"


def _keys_of_json(text: str) -> set[str]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return set()
    return set(value) if isinstance(value, dict) else set()
