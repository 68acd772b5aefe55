"""The keys of a scenario that decide time alone: the hardware's rates, and the steps of kernels.

Left out: what a rate is worth (``rates/``), and what each step takes (``chain/timing/``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field
from pydantic.json_schema import JsonSchemaValue

from kho_sim.base.units import parse_time
from kho_sim.rates import DEFAULT_HARDWARE, HARDWARE, Hardware, load_hardware
from kho_sim.scenario.fields import Choice, FieldRule, found, one_of
from kho_sim.scenario.section import BrokenRule, Section, refuse_if

BASE = "base"
LARGEST_NS = 10**15
_ACCEPTED = "accepted: nanoseconds for one, as in 42.4, 1.35us or 300ms, or [low, central, high]"

BRING_UPS = ("serial", "parallel", "full")
PRESERVE_WHEN = ("running", "paused")
Given = str | dict[str, object]
Levels = tuple[float, float, float]


class HardwareRule(FieldRule):
    """The name of a set of rates, or ``{base: NAME, RATE: TIME, ...}``, kept as it is written."""

    def check(self, value: object) -> Given:
        if isinstance(value, str):
            if value in HARDWARE:
                return value
            raise ValueError(f"{found(value)} is no set of rates; {one_of(HARDWARE, value)}")
        if not isinstance(value, Mapping):
            known = (
                f"accepted: {', '.join(HARDWARE)}, or a mapping, as in {{base: epyc, acpi: 65ms}}"
            )
            raise ValueError(f"found {found(value)}; {known}")
        refuse_if(list(_broken(value)))
        return dict(value)

    def schema(self) -> JsonSchemaValue:
        time = {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string"}]}
        rate = {"anyOf": [*time["anyOf"], {"type": "array", "items": time}]}
        names = {BASE: {"enum": list(HARDWARE)}, **dict.fromkeys(load_hardware().rates, rate)}
        mapping = {"type": "object", "properties": names, "additionalProperties": False}
        return {"anyOf": [{"enum": list(HARDWARE)}, mapping]}


class VersionRule(FieldRule):
    """A version of the kernel by its two first numbers, as '5.7'."""

    def check(self, value: object) -> str:
        # YAML makes a number of an unquoted 5.7; 5.10 has to be in quotes, as it would be 5.1.
        text = str(value) if isinstance(value, float) else value
        if isinstance(text, str) and re.fullmatch(r"[0-9]{1,3}\.[0-9]{1,3}", text, re.ASCII):
            return text
        raise ValueError(f"{found(value)} is no version; accepted: two numbers, as in '5.7'")

    def schema(self) -> JsonSchemaValue:
        return {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^[0-9]+\.[0-9]+$"}]}


Threads = Annotated[int, Field(ge=1, le=8192)]


class TimedSteps(Section):
    """How a kernel does what takes time; results but for times are the same."""

    timed_as: Annotated[str, VersionRule()] | None = None
    """A version whose steps decide times, as in '5.7'; the release's own if left out."""
    deferred_threads: Threads | None = None
    """The most threads for each node that initialise struct pages late; if left out, all CPUs of
    the node, before 5.8 one."""
    hugetlb_parallel: bool | None = None
    """True if threads prepare huge pages side by side; if left out, as since 6.9."""
    cpu_bring_up: Annotated[str, Choice(BRING_UPS, "a way to bring CPUs up")] | None = None
    """serial, parallel (their first steps) or full (later steps too); if left out, full since 6.5,
    before that serial."""


class TimedUpdate(Section):
    """How user space updates a kernel, as far as it takes time."""

    preserve_when: Annotated[str, Choice(PRESERVE_WHEN, "a time to preserve")] = PRESERVE_WHEN[0]
    """running: virtual machines run while memory is preserved, and pause for the jump; paused: they
    pause before it. In either case they run while the next kernel is loaded."""
    file_threads: Threads | None = None
    """Threads of user space that preserve and retrieve files; one if left out."""
    vfio: bool | None = None
    """True if all preserved memory of user space is mapped for devices anew (VFIO) before virtual
    machines run again; false if left out."""


def hardware_of(given: Given) -> Hardware:
    """Return the rates that a scenario names or gives."""
    if isinstance(given, str):
        return load_hardware(given)
    base = load_hardware(str(given.get(BASE, DEFAULT_HARDWARE)))
    rates = {name: _levels(rate) for name, rate in given.items() if name != BASE}
    return base.with_rates(rates, "machine.hardware of the scenario")


def _broken(value: Mapping[object, object]) -> list[BrokenRule]:
    broken: list[BrokenRule] = []
    known = load_hardware().rates
    for name, given in value.items():
        try:
            if name == BASE:
                if given not in HARDWARE:
                    raise ValueError(
                        f"{found(given)} is no set of rates; {one_of(HARDWARE, given)}"
                    )
            elif name not in known:
                raise ValueError(f"no rate has this name; {one_of(tuple(known), name)}")
            else:
                _levels(given)
        except ValueError as error:
            broken.append(((str(name),), str(error)))
    return broken


def _levels(given: object) -> Levels:
    """Return (low, central, high); all the same where one number is given."""
    if not isinstance(given, (list, tuple)):
        return (_time_ns(given),) * 3
    levels = tuple(map(_time_ns, given))
    if len(levels) != 3 or sorted(levels) != list(levels):
        raise ValueError(f"a list here is low, central and high, ascending; {_ACCEPTED}")
    return levels


def _time_ns(given: object) -> float:
    if isinstance(given, str):
        time_ns = parse_time(given)
    elif isinstance(given, (int, float)) and not isinstance(given, bool):
        time_ns = float(given)
    else:
        raise ValueError(f"{found(given)} is no time; {_ACCEPTED}")
    if not 0 <= time_ns <= LARGEST_NS:
        raise ValueError(f"{found(given)} is out of bounds; accepted: 0 to {LARGEST_NS} ns")
    return time_ns
