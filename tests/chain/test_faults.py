"""Faults: each does what the kernel's rules say, nothing is lost without need, and the report
agrees with the memory."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kho_sim.chain import run_scenario
from kho_sim.chain.build import build_plan
from kho_sim.chain.chain import run_plan
from kho_sim.chain.kernel import Kernel
from kho_sim.cost import PHASE_RATES
from kho_sim.errors import ModelError
from kho_sim.kho.boot import boot_memory
from kho_sim.kho.extend import STRATEGIES
from kho_sim.memory.memblock import KHO_SCRATCH
from kho_sim.scenario import Scenario, from_dict, loads
from kho_sim.scenario.faults import OF_A_HANDOVER, REQUESTERS
from kho_sim.trace.records import CHAIN_ENDS, COLD_BOOT, OUTCOMES
from kho_sim.trace.summary import incidents, run_document, summary
from kho_sim.trace.trace import Trace

SMALL = """
machine: {memory: 4GiB, cpus: 2}
kernel: {command_line: "kho_scratch=64M,128M,64M", extend: {shift: 26}}
workload:
- {kind: memfd, count: 2, size: 4MiB}
- {kind: vms, count: 2, size: 4MiB, arrivals_per_hour: 1, lifetime: 2h, session: guests}
- {kind: reserve_mem, size: 64KiB, name: log}
chain: {boots: 4, seed: 5, uptime: 1h, on_failure: cold_boot}
"""
"""Small enough for a hundred chains in a test."""


def faulty(*faults: dict, boots: int = 4, on_failure: str = "cold_boot", **chain) -> Scenario:
    resolved = loads(SMALL).to_dict()
    resolved["chain"] |= {"boots": boots, "on_failure": on_failure, "twin": False, **chain}
    return from_dict({**resolved, "faults": list(faults)})


def lost_and_kept(trace: Trace, boot: int) -> tuple[set[str], set[str]]:
    fates = [fate for row, fates in incidents(trace) if row.boot == boot for fate in fates]
    lost, kept = ({f.name for f in fates if f.kept == kept} for kept in (False, True))
    return lost, kept


def handed_to(trace: Trace, boot: int) -> set[str]:
    return {row.name for row in trace.file_records if row.boot == boot}


BOOT = st.integers(0, 3)
LATER = st.integers(1, 3)
FAULTS = st.one_of(
    st.fixed_dictionaries(
        {"kind": st.just("allocation"), "boot": BOOT, "what": st.sampled_from(REQUESTERS)},
        optional={"occurrence": st.integers(1, 3), "times": st.sampled_from([1, 2, 600])},
    ),
    st.fixed_dictionaries(
        {"kind": st.just("extend"), "boot": LATER}, optional={"after": st.integers(0, 4)}
    ),
    st.fixed_dictionaries(
        {"kind": st.just("fdt"), "boot": LATER},
        optional={"found": st.sampled_from(["invalid", "incompatible"])},
    ),
    st.fixed_dictionaries(
        {"kind": st.just("descriptors"), "boot": LATER}, optional={"after": st.integers(0, 3)}
    ),
    st.fixed_dictionaries({"kind": st.just("tree_root"), "boot": LATER}),
    st.fixed_dictionaries(
        {"kind": st.just("load"), "boot": st.integers(0, 2)},
        optional={"times": st.integers(1, 4), "error": st.sampled_from(["ENOMEM", "EINVAL"])},
    ),
    st.fixed_dictionaries(
        {
            "kind": st.just("panic"),
            "boot": BOOT,
            "phase": st.sampled_from(["early_boot", "initcalls", "serve"]),
        }
    ),
)


def of_one_place(fault: dict) -> tuple:
    return fault["kind"], fault["boot"], fault.get("what")


class Witness:
    """Looks into the memory of every kernel of a chain, past all that the trace says."""

    def __init__(self) -> None:
        self.handed: dict[int, dict[str, tuple]] = {}
        """Kernel -> the files that it was handed, and where they lie."""
        self.found: dict[int, dict[str, tuple]] = {}
        """Kernel -> the files that its user space has before it makes any."""

    def watch(self, scenario: Scenario) -> Trace:
        jump, survivors = Kernel._jump, Kernel._note_survivors

        def jumps(kernel, placed):
            data = {file.name: file.data for file in kernel.memory.handed}
            self.handed[kernel.index + 1] = data
            return jump(kernel, placed)

        def sees(kernel, booted):
            files = kernel.memory.files.values()
            self.found[kernel.index] = {file.name: tuple(file.data) for file in files}
            return survivors(kernel, booted)

        with patch.object(Kernel, "_jump", jumps), patch.object(Kernel, "_note_survivors", sees):
            return run_scenario(scenario)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    faults=st.lists(FAULTS, min_size=1, max_size=5, unique_by=of_one_place),
    on_failure=st.sampled_from(["stop", "retry", "cold_boot", "cold_boot"]),
    strategy=st.sampled_from(["blocks", "reserve-early"]),
)
def test_any_faults_end_in_an_outcome_and_the_report_says_what_memory_says(
    faults: list[dict], on_failure: str, strategy: str
) -> None:
    resolved = faulty(*faults, on_failure=on_failure, retries=2).to_dict()
    resolved["kernel"]["extend"]["strategy"] = strategy
    witness = Witness()
    trace = witness.watch(from_dict(resolved))
    assert trace.outcome.kind in OUTCOMES
    ended = [row for row in trace.incident_records if row.then == CHAIN_ENDS]
    assert bool(ended) == (trace.outcome.kind != "completed")
    for boot in trace.boot_records:
        check_the_losses(trace, boot.boot, witness)


def check_the_losses(trace: Trace, boot: int, witness: Witness) -> None:
    """What is said to be lost on the way to user space is what memory no longer has."""
    handed, found = witness.handed.get(boot, {}), witness.found.get(boot, {})
    assert found.items() <= handed.items()
    assert handed.keys() == handed_to(trace, boot) - {"log"}
    told: dict[bool, set[str]] = {True: set(), False: set()}
    for row, fates in incidents(trace):
        on_the_way = boot not in witness.found or row.kind in (*OF_A_HANDOVER, "allocation")
        if row.boot == boot and on_the_way:
            for fate in fates:
                assert fate.name not in told[False], "lost twice"
                told[fate.kept].add(fate.name)
        if row.boot == boot and row.then == COLD_BOOT:
            assert not any(fate.kept for fate in fates)
            assert not witness.found.get(boot + 1)
    assert told[False] - {"log"} == handed.keys() - found.keys()
    assert told[True] <= found.keys() | {"log"}
