"""The steps of a boot for a terminal: ``kho-sim explain --boot N --step NAME``."""

from __future__ import annotations

from kho_sim.base.errors import InputError
from kho_sim.base.units import format_size
from kho_sim.layout import PLAIN, Column, Layout
from kho_sim.steps.requests import Caller
from kho_sim.steps.steps import BootSteps, Step, steps_of
from kho_sim.trace.records import Boot
from kho_sim.trace.trace import Trace

INDENT = 2
CALLERS_SHOWN = 12
LANES = {
    "scratch": "original scratch",
    "extended": "extended scratch",
    "kept_off": "kept off",
    "free": "any early allocation",
}
"""Kind of memory -> its words."""
COLUMNS = (
    Column("caller", left=True, wraps=True),
    Column("requests"),
    Column("refused"),
    Column("bytes"),
    Column("extended", "out of"),
)


def step_text(trace: Trace, boot: int, step: str = "", layout: Layout = PLAIN) -> str:
    """Return the steps of a boot in words, or one of them.

    Raises: InputError if the trace has no such boot, or the boot no such step.
    """
    boot_steps = _boot_of(trace, boot)
    chosen = [one for one in boot_steps.steps if step in ("", one.name)]
    if not chosen:
        names = ", ".join(boot_steps.names)
        raise InputError(
            f"boot {boot} ({boot_steps.boot.kind}) has no step {step}; it has: {names}"
        )
    lines = layout.wrapped(_heading(boot_steps), max_lines=2)
    for one in chosen:
        number = boot_steps.names.index(one.name) + 1
        lines += [
            "",
            f"{number}. {one.heading} ({one.name})",
            *_step_lines(boot_steps, one, layout),
        ]
    return "\n".join(lines)


def _boot_of(trace: Trace, boot: int) -> BootSteps:
    for boot_steps in steps_of(trace):
        if boot_steps.boot.boot == boot:
            return boot_steps
    known = [row.boot for row in trace[Boot]]
    has = f"boots {known[0]} to {known[-1]}" if known else "no boots"
    raise InputError(f"there is no boot {boot}; this chain has {has}")


def _heading(boot_steps: BootSteps) -> str:
    boot = boot_steps.boot
    parts = [f"Boot {boot.boot}, {'cold' if boot.kind == 'cold' else 'KHO'}"]
    parts += [f"release {boot.release}"] if boot.release else []
    parts += (
        [f"extension {boot_steps.strategy}"] if boot_steps.strategy and boot.kind != "cold" else []
    )
    return ", ".join([*parts, *([boot.command_line] if boot.command_line else [])])


def _step_lines(boot_steps: BootSteps, step: Step, layout: Layout) -> list[str]:
    lines = []
    for sentence in step.sentences:
        lines += layout.wrapped(sentence, indent=INDENT, first=INDENT)
    if step.name in ("before", "marks"):
        lines += _memory_lines(boot_steps, step)
    return lines + _caller_lines(boot_steps.callers.get(step.name, []), layout)


def _memory_lines(boot_steps: BootSteps, step: Step) -> list[str]:
    """The ranges of memory by what they are to early boot, in address order."""
    ranges = [
        (extent.start, extent.end, LANES[kind])
        for kind, extents in boot_steps.recorded.memory(step.moment).items()
        for extent in extents
    ]
    lines = [
        f"{' ' * 2 * INDENT}{start:#014x}-{end:#014x}  {format_size(end - start):>12}  {words}"
        for start, end, words in sorted(ranges)
    ]
    if len(lines) > CALLERS_SHOWN:
        left = f"{' ' * 2 * INDENT}and {len(lines) - CALLERS_SHOWN + 1:,} more ranges"
        lines = [*lines[: CALLERS_SHOWN - 1], left]
    return lines


def _caller_lines(callers: list[Caller], layout: Layout) -> list[str]:
    if not callers:
        return []
    largest = sorted(callers, key=lambda one: (-one.failed, -one.served_bytes))[:CALLERS_SHOWN]
    rows = [
        [
            one.what,
            f"{one.requests:,}",
            f"{one.failed:,}" if one.failed else "",
            format_size(one.served_bytes),
            format_size(one.bytes_by_source["extended"])
            if "extended" in one.bytes_by_source
            else "",
        ]
        for one in largest
    ]
    lines = layout.table(COLUMNS, rows, indent=INDENT)
    left = len(callers) - len(largest)
    return [*lines, f"{' ' * INDENT}and {left} more callers"] if left else lines
