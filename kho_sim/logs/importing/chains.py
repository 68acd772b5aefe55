"""The chains of a log: a journal holds many boots, and only those that kexec joined are a chain.

Left out: later chains of the same log; one scenario is one chain.
"""

from __future__ import annotations

from collections.abc import Sequence

from kho_sim.logs.importing.imported import Source
from kho_sim.logs.reader import BootLog
from kho_sim.logs.reader.assemble import is_kho

ASSUMED_BOOTS = 3
"""Boots of a scenario whose log shows no KHO boot: the fewest with an update of an updated
kernel."""

NO_BOOTS = "nothing says how many there are"


def chain_of(source: Source, logs: Sequence[BootLog]) -> list[BootLog]:
    """Return the boots of the chain that a log is imported for, with a note on the others.

    It is the first chain with a KHO boot, else the first whose first lines are there.
    """
    chains: list[list[BootLog]] = []
    for log in logs:
        follows = is_kho(log) or log.starts_late or (chains and chains[-1][-1].jumped)
        if chains and follows:
            chains[-1].append(log)
        else:
            chains.append([log])
    whole = [chain for chain in chains if not chain[0].starts_late] or chains
    chosen = next((chain for chain in whole if has_update(chain)), whole[0])
    if len(chains) > 1:
        source.notes.append(
            f"{len(chains)} cold boots, which are no updates; "
            f"number {chains.index(chosen) + 1} is imported"
        )
    return chosen


def has_update(chain: Sequence[BootLog]) -> bool:
    """Tell whether memory was handed over to one of these kernels."""
    return any(map(is_kho, chain))


def boots_of(source: Source, chain: Sequence[BootLog]) -> int:
    """Return how many boots the scenario gets; where no update is shown, a note says so."""
    if has_update(chain):
        return len(chain)
    source.notes.append(f"the log shows no KHO boot, so {NO_BOOTS}; {ASSUMED_BOOTS} boots")
    return ASSUMED_BOOTS
