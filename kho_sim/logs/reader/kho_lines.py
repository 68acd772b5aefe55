"""Lines that start with `KHO:`: what any kernel says, and what the instrumentation adds (`OBS`).

Instrumented lines have half-open ranges and hexadecimal numbers; see the index of the recorded
logs.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from kho_sim.logs.reader.calls import CallReader
from kho_sim.logs.reader.facts import BootLog, CostLine, DryRun, KeyRun, RegionCounts, StrategyLine
from kho_sim.logs.reader.words import decimal, hexadecimal, known, ordered
from kho_sim.trace.records import RegionRow

FOUND = "found kexec handover data"
DISABLED = ("Failed to reserve", "disabled in the kdump kernel")

MOMENTS = {
    "before": "before_extend",
    "after": "after_extend",
    "preretrieve": "before_retrieve",
}
_COUNTS = re.compile(r"memory\.cnt (\d+) reserved\.cnt (\d+)")
_TIME = re.compile(r"extend time: (\d+) ns")
_CYCLES = re.compile(r"\((\d+) cycles\)")
_TOTAL = re.compile(r"extend total mem: (0x[0-9a-f]+)")

_COSTS = re.compile(
    r"extend to retrieve (\d+), retrieve (\d+), memory\.max \d+ reserved\.max (\d+)"
)
DRY_RUN_WORDS = {"skips": "skip", "instructions": "cycles", "recovered": "recovers"}
"""Fields of a dry run that the line calls otherwise."""

Reader = Callable[[BootLog, CallReader, list[str]], None]


def kho(log: BootLog, calls: CallReader, text: str) -> bool:
    """Read what follows `KHO: `; return whether the line is a message worth an event."""
    if text.startswith("OBS "):
        words = text.split()
        reader = _OBSERVED.get(known(words[1] if len(words) > 1 else None).rstrip(":"))
        known(reader)(log, calls, words[2:])
        return False
    if text.startswith(FOUND):
        log.found_handover = True
    elif match := _TIME.search(text):
        log.extend_ns = decimal(match[1])
        cycles = _CYCLES.search(text)
        log.extend_cycles = decimal(cycles[1]) if cycles else None
    elif match := _TOTAL.search(text):
        log.extended_bytes = hexadecimal(match[1])
    elif text.startswith(DISABLED) and not log.disabled:
        log.disabled = "KHO: " + text
    return True


def _node(log: BootLog, _calls: CallReader, words: list[str]) -> None:
    log.nodes.append(hexadecimal(words[0]))


def _key(log: BootLog, _calls: CallReader, words: list[str]) -> None:
    order = decimal(words[0])
    start, end = ordered(hexadecimal(words[1]), hexadecimal(words[2]))
    pages = log.geometry
    if not 0 <= order <= pages.order_0_bit or (end - start) % (pages.page_bytes << order):
        raise ValueError(f"{end - start:#x} bytes are no run of order {order}")
    log.keys.append(KeyRun(order, start, end))


def _totals(log: BootLog, _calls: CallReader, words: list[str]) -> None:
    nodes, preservations, size_bytes = (hexadecimal(word) for word in words[0:5:2])
    log.radix_nodes, log.preservations, log.preserved_bytes = nodes, preservations, size_bytes


def _order(log: BootLog, _calls: CallReader, words: list[str]) -> None:
    log.order_counts[decimal(words[0].rstrip(":"))] = hexadecimal(words[1])


def _moment(name: str) -> Reader:
    def read(log: BootLog, calls: CallReader, words: list[str]) -> None:
        if words[0] in ("memory", "reserved"):
            _region(log, calls, MOMENTS[name], words)
        else:
            _counts(log, calls, f"{name}_{words[0].rstrip(':')}", " ".join(words))

    return read


def _region(log: BootLog, calls: CallReader, moment: str, words: list[str]) -> None:
    start, end = ordered(hexadecimal(words[1]), hexadecimal(words[2]))
    row = RegionRow(
        boot=log.boot,
        moment=moment,
        array=words[0],
        start=start,
        end=end,
        nid=decimal(words[4]),
        flags=hexadecimal(words[6]),
    )
    if not log.regions or log.regions[-1].moment != moment:
        calls.mark("regions", moment)
    log.regions.append(row)


def _counts(log: BootLog, calls: CallReader, moment: str, text: str) -> None:
    match = known(_COUNTS.search(text))
    log.region_counts[moment] = RegionCounts(decimal(match[1]), decimal(match[2]))
    if moment == "before_extend":
        calls.mark("extend")


def _busy(log: BootLog, _calls: CallReader, words: list[str]) -> None:
    log.busy_blocks.append(hexadecimal(words[0]))


def _scratch(log: BootLog, _calls: CallReader, words: list[str]) -> None:
    log.scratch[decimal(words[0])] = (hexadecimal(words[1]), hexadecimal(words[2]))


def _noext(log: BootLog, _calls: CallReader, _words: list[str]) -> None:
    log.extension_off = True


def _emit(log: BootLog, _calls: CallReader, words: list[str]) -> None:
    """`emit foreign PART`, once or more for each part."""
    if words[1] not in log.foreign_parts:
        log.foreign_parts.append(words[1])


def _strategy(log: BootLog, _calls: CallReader, words: list[str]) -> None:
    values = _pairs(words[1:])
    named = [values.get(name) for name in StrategyLine._fields[1:]]
    log.strategy = StrategyLine(words[0], *map(_number, named))


def _dry_run(log: BootLog, _calls: CallReader, words: list[str]) -> None:
    values = _pairs(words)
    named = [values.get(DRY_RUN_WORDS.get(name, name)) for name in DryRun._fields]
    shift, skips, *others = map(_number, named)
    log.dry_runs.append(DryRun(shift, bool(skips), *others))


def _cycles(log: BootLog, _calls: CallReader, words: list[str]) -> None:
    match = known(_COSTS.match(" ".join(words)))
    log.costs = CostLine(*map(decimal, match.groups()))


def _runs(log: BootLog, _calls: CallReader, words: list[str]) -> None:
    log.runs_reserved = decimal(words[0])


def _pairs(words: list[str]) -> dict[str, str]:
    return dict(zip(words[::2], words[1::2], strict=False))


def _number(word: str | None) -> int:
    word = known(word)
    return hexadecimal(word) if word.startswith("0x") else decimal(word)


_OBSERVED: dict[str, Reader] = {
    "node": _node,
    "key": _key,
    "radix_nodes": _totals,
    "order": _order,
    "before": _moment("before"),
    "after": _moment("after"),
    "preretrieve": _moment("preretrieve"),
    "busy": _busy,
    "scratch": _scratch,
    "noext": _noext,
    "strategy": _strategy,
    "whatif": _dry_run,
    "cycles": _cycles,
    "runs": _runs,
    "emit": _emit,
}
