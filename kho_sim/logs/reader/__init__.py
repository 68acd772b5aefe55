"""Real console logs of kexec chains, read into the same Trace that a simulation leaves.

``read_boot_log`` reads a file, ``read_boot_log_lines`` any lines. ``Trace.extra["boots"]`` holds
one ``BootLog`` a boot: what verification and import need beyond the records.
"""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from kho_sim.base.errors import TraceError, one_line
from kho_sim.logs.reader.assemble import allocation_records, boot_record, gigantic_records
from kho_sim.logs.reader.facts import BootLog, MemblockCall
from kho_sim.logs.reader.mail import unfolded
from kho_sim.logs.reader.outcome import recorded_outcome
from kho_sim.logs.reader.reader import ChainReader
from kho_sim.logs.reader.stream import file_lines, split_lines
from kho_sim.trace.records import (
    Allocation,
    Boot,
    Event,
    GiganticPage,
    PreservedRun,
    RegionRow,
    TablePage,
)
from kho_sim.trace.trace import Trace

__all__ = ["BootLog", "MemblockCall", "read_boot_log", "read_boot_log_lines"]


def read_boot_log(path: str | PathLike[str]) -> Trace:
    """Return the trace of the chain that a console log recorded: plain, gzip or xz.

    A log that stops early gives what it holds; ``provenance["incomplete"]`` says what is missing.
    Raises: TraceError if the file cannot be read, is corrupted, or holds no kernel message.
    """
    path = Path(path)
    notes: list[str] = []
    return _trace(file_lines(path, notes.append), one_line(path.name), notes)


def read_boot_log_lines(lines: Iterable[bytes], name: str) -> Trace:
    """Return the trace of console lines, with or without their line ends; ``name`` goes to
    provenance.

    Raises: TraceError if no line is a kernel's.
    """
    return _trace(split_lines((line.rstrip(b"\n") + b"\n" for line in lines), name), name, [])


def _trace(lines: Iterable[bytes], name: str, notes: list[str]) -> Trace:
    reader = ChainReader(name)
    reader.read(unfolded(lines))
    boots = reader.boots
    if not boots:
        raise TraceError(
            f"{name}: no kernel message in {reader.lines} lines: not a boot log"
            + "".join(f"; unknown: '{one_line(line)}'" for line in reader.first_unknown)
        )
    outcome = recorded_outcome(boots)
    if outcome.kind == "unknown" and not outcome.message:
        notes.append(f"the log stops in boot {outcome.boot} without saying why")
    notes += [f"the first lines of boot {log.boot} are missing" for log in boots if log.starts_late]
    return Trace(
        provenance={
            "source": "log",
            "log": name,
            "header": reader.header,
            "lines": reader.lines,
            "unknown_lines": reader.unknown_lines,
            "malformed_lines": reader.malformed_lines,
            "incomplete": notes,
        },
        outcome=outcome,
        records={
            Boot: map(boot_record, boots),
            Allocation: (row for log in boots for row in allocation_records(log)),
            RegionRow: (row for log in boots for row in log.regions),
            PreservedRun: (
                PreservedRun(boot=log.boot, order=run.order, start=run.start, end=run.end)
                for log in boots
                for run in log.keys or ([] if log.starts_late else log.retrieved_runs)
            ),
            TablePage: (
                TablePage(boot=log.boot, address=address) for log in boots for address in log.nodes
            ),
            GiganticPage: (row for log in boots for row in gigantic_records(log)),
            Event: (event for log in boots for event in log.events),
        },
        extra={"boots": tuple(boots)},
    )
