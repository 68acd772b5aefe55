"""A scenario in a few words, as a prompt and a notebook show it; ``to_yaml`` has all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kho_sim.base.units import counted, format_ns, format_size
from kho_sim.releases import strategy_in

if TYPE_CHECKING:
    from kho_sim.scenario.spec import Scenario

DESCRIPTION_MAX = 70
"""Characters of a description that stand in one line."""


def scenario_line(scenario: Scenario) -> str:
    """Return one line: the description, then machine, kernel, workload and chain."""
    head, *parts = (value for _, value in scenario_values(scenario) if value)
    if scenario.description:
        if len(head) > DESCRIPTION_MAX:
            head = head[: DESCRIPTION_MAX - 3] + "..."
        return f"<Scenario '{head}': {'; '.join(parts)}>"
    return f"<Scenario: {'; '.join([head, *parts])}>"


def scenario_values(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """Yield names and short texts of the values of a scenario; a text may be empty."""
    machine, kernel, chain = scenario.machine, scenario.kernel, scenario.chain
    yield "description", " ".join(scenario.description.split())
    size = format_size(machine.total_bytes)
    yield "machine", f"{size}, {counted(machine.cpus, 'CPU')}, {counted(machine.nodes, 'node')}"
    strategy, shift = strategy_in(kernel.release, kernel.extend.strategy), kernel.extend.shift
    yield "kernel", f"release {kernel.release}, extension {strategy}, shift {shift}"
    yield "command line", kernel.command_line
    kinds = Counter(entry.kind for entry in scenario.workload)
    yield "workload", ", ".join(kind if n == 1 else f"{kind} ({n})" for kind, n in kinds.items())
    yield "chain", f"{counted(chain.boots, 'boot')} of {format_ns(chain.uptime)}, seed {chain.seed}"
    yield "faults", ", ".join(f"{fault.kind} at boot {fault.boot}" for fault in scenario.faults)
