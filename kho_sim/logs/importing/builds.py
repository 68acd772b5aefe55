"""Which recorded build the kernel of a log is like, and what it has different.

The build with the most in common with the lines of the first boot is taken: per-CPU sizes, node
data, and options that show. What differs is said as keys of the scenario, and a note says what no
line shows and is taken over. Left out: version and compiler lines, which any build can have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from operator import attrgetter
from typing import Any

from kho_sim.base import requesters
from kho_sim.base.extent import round_up
from kho_sim.base.words import PLATFORMS
from kho_sim.builds import BUILDS, DEFAULT_BUILD, Build, load_build
from kho_sim.logs.importing.imported import PAGE_BYTES, Source
from kho_sim.logs.reader import BootLog

MOST_CPUS_ON_STACK = 256
"""Kernels for more CPUs have their masks off the stack (MAXSMP, or DEBUG_PER_CPU_MAPS)."""
PER_CPU_LINE = "percpu: Embedded"
SHOWN = {
    "per_cpu_static_bytes": ("kernel.per_cpu_static", PER_CPU_LINE),
    "per_cpu_reserved_bytes": ("kernel.per_cpu_reserved", PER_CPU_LINE),
    "per_cpu_dynamic_bytes": ("kernel.per_cpu_dynamic", PER_CPU_LINE),
    "node_data_bytes": ("kernel.node_data", "NODE_DATA(0) allocated"),
    "config.hibernation": ("kernel.config.hibernation", "Registered nosave memory"),
    "config.cpumask_offstack": ("kernel.config.cpumask_offstack", "setup_percpu: NR_CPUS"),
    "config.zone_dma": ("kernel.config.zone_dma", "Zone ranges:"),
    "config.firmware_memmap": ("kernel.config.firmware_memmap", "firmware_map_add_early"),
}
"""Values of a build that lines show -> the key of a scenario, and the text of such a line."""


def find_build(source: Source, cold: BootLog) -> Build:
    """Add the build of a chain's first kernel to ``source``, and return it as far as it is known.

    A recorded build in which all that is shown is the same needs no more keys.
    """
    shown = _shown(cold)
    names = sorted(BUILDS, key=lambda name: name != DEFAULT_BUILD)
    builds = [one for one in map(load_build, names) if one.platform == PLATFORMS[0]]
    build = max(builds, key=lambda one: len(_equal(one, shown)))
    equal = _equal(build, shown)
    if build.name != DEFAULT_BUILD:
        what = f"{len(equal)} of {len(shown)} sizes and options are those of a recorded build"
        source.say("kernel.build", build.name, PER_CPU_LINE, what)
    differing = {name: value for name, value in shown.items() if name not in equal}
    for name, value in differing.items():
        key, text = SHOWN[name]
        if name != "per_cpu_static_bytes":
            source.say(key, value, text)
    if cold.percpu:
        source.say("kernel.per_cpu_static", cold.percpu.static_bytes, PER_CPU_LINE)
    recorded = ", ".join(one.name for one in builds)
    if differing:
        source.notes.append(
            f"the kernel is none of the recorded builds ({recorded}); {build.name} stands for it "
            "in what the log does not show"
        )
    elif not shown:
        source.notes.append(
            "the log shows nothing of how its kernel was built, so it is simulated as the build "
            f"'{build.name}'; kernel.build names another one ({recorded})"
        )
    return _with(build, differing)


def _shown(cold: BootLog) -> dict[str, Any]:
    """Return what the lines of a boot show of its build, by the names of a build's values."""
    shown: dict[str, Any] = {}
    if cold.percpu:
        shown["per_cpu_static_bytes"] = cold.percpu.static_bytes
        shown["per_cpu_reserved_bytes"] = cold.percpu.reserved_bytes
        shown["per_cpu_dynamic_bytes"] = cold.percpu.dynamic_bytes
    if (size := _node_data_bytes(cold)) is not None:
        shown["node_data_bytes"] = size
    if cold.max_cpus is not None:
        shown["config.cpumask_offstack"] = cold.max_cpus > MOST_CPUS_ON_STACK
    if cold.percpu and not cold.starts_late:
        shown["config.hibernation"] = cold.nosave_regions > 0
    if cold.node_ranges:
        shown["config.zone_dma"] = cold.has_dma_zone
    if cold.memblock_debug and not cold.starts_late:
        asked = {call.what for call in cold.calls}
        shown["config.firmware_memmap"] = requesters.FIRMWARE_MAP_ENTRY in asked
    return shown


def _node_data_bytes(cold: BootLog) -> int | None:
    """Return the size of a node's data, its own line or its request."""
    if cold.node_data_bytes:
        return next(iter(cold.node_data_bytes.values()))
    return next((call.size for call in cold.calls if call.what == requesters.NODE_DATA), None)


def _equal(build: Build, shown: Mapping[str, Any]) -> list[str]:
    return [name for name, value in shown.items() if _as_shown(build, name) == value]


def _as_shown(build: Build, name: str) -> Any:
    """A kernel prints its dynamic room with what is left of the last page."""
    if name != "per_cpu_dynamic_bytes":
        return attrgetter(name)(build)
    others = build.per_cpu_static_bytes + build.per_cpu_reserved_bytes
    return round_up(others + build.per_cpu_dynamic_bytes, PAGE_BYTES) - others


def _with(build: Build, values: Mapping[str, Any]) -> Build:
    config = {
        name.removeprefix("config."): value
        for name, value in values.items()
        if name.startswith("config.")
    }
    sizes = {name: value for name, value in values.items() if "." not in name}
    return replace(build, config=replace(build.config, **config), **sizes)
