"""Faults: each does what the kernel's rules say, nothing is lost without need, and the report
agrees with the memory."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kho_sim.base import requesters
from kho_sim.base.errors import ModelError
from kho_sim.base.words import OUTCOMES
from kho_sim.chain import kernel as kernel_module
from kho_sim.chain import run_scenario
from kho_sim.chain.build import build_plan
from kho_sim.chain.chain import run_plan
from kho_sim.chain.kernel import Kernel
from kho_sim.chain.update import Update
from kho_sim.kernel.running import RunningMemory
from kho_sim.kho.preserve import PreserveFailed
from kho_sim.kho.preserve.outgoing import Outgoing
from kho_sim.memory.memblock import KHO_SCRATCH
from kho_sim.rates import load_hardware
from kho_sim.scenario import Scenario, from_dict, loads
from kho_sim.scenario.faults import OF_A_HANDOVER
from kho_sim.trace.records import CHAIN_ENDS, COLD_BOOT, OVERWRITTEN
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
    outcomes = [file for row, outcomes in incidents(trace) if row.boot == boot for file in outcomes]
    lost, kept = ({f.name for f in outcomes if f.kept == kept} for kept in (False, True))
    return lost, kept


def handed_to(trace: Trace, boot: int) -> set[str]:
    return {row.name for row in trace["files"] if row.boot == boot}


BOOT = st.integers(0, 3)
LATER = st.integers(1, 3)
REQUESTERS = st.sampled_from(requesters.REQUESTERS)
FAULTS = st.one_of(
    st.fixed_dictionaries(
        {
            "kind": st.just("allocation"),
            "boot": BOOT,
            "what": st.sampled_from(requesters.REQUESTERS),
        },
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
        """Kernel -> the objects that it was handed, and where they lie."""
        self.found: dict[int, dict[str, tuple]] = {}
        """Kernel -> the objects that it has before its user space makes any."""

    def watch(self, scenario: Scenario) -> Trace:
        jump, survivors = Update._jump, Kernel._note_survivors

        def jumps(update, placed):
            kernel = update._kernel
            data = {file.name: file.data for file in kernel.memory.handed}
            self.handed[kernel.index + 1] = data
            return jump(update, placed)

        def sees(kernel, booted):
            memory = kernel.memory
            own = [memory.own[one.name] for one in memory.retrieved if not one.session]
            objects = (*memory.files.values(), *own)
            self.found[kernel.index] = {one.name: tuple(one.data) for one in objects}
            return survivors(kernel, booted)

        with patch.object(Update, "_jump", jumps), patch.object(Kernel, "_note_survivors", sees):
            return run_scenario(scenario)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    faults=st.lists(FAULTS, min_size=1, max_size=5, unique_by=of_one_place),
    on_failure=st.sampled_from(["stop", "retry", "cold_boot", "previous"]),
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
    ended = [row for row in trace["incidents"] if row.then == CHAIN_ENDS]
    assert bool(ended) == (trace.outcome.kind != "completed")
    for boot in trace["boots"]:
        check_the_losses(trace, boot.boot, witness)


def check_the_losses(trace: Trace, boot: int, witness: Witness) -> None:
    """What is said to be lost on the way to user space is what memory no longer has."""
    handed, found = witness.handed.get(boot, {}), witness.found.get(boot, {})
    assert found.items() <= handed.items()
    assert handed.keys() == handed_to(trace, boot)
    recorded: dict[bool, set[str]] = {True: set(), False: set()}
    for row, outcomes in incidents(trace):
        late = (*OF_A_HANDOVER, "allocation", OVERWRITTEN)
        on_the_way = boot not in witness.found or row.kind in late
        if row.boot == boot and on_the_way:
            for file in outcomes:
                assert file.name not in recorded[False], "lost twice"
                recorded[file.kept].add(file.name)
        if row.boot == boot and row.then == COLD_BOOT:
            assert not any(file.kept for file in outcomes)
            assert not witness.found.get(boot + 1)
    assert recorded[False] == handed.keys() - found.keys()
    assert recorded[True] <= found.keys()


def test_a_corrupt_fdt_makes_a_first_kernel_and_loses_all() -> None:
    trace = run_scenario(faulty({"kind": "fdt", "boot": 2}, boots=4))
    assert [boot.kind for boot in trace["boots"]] == ["cold", "kho", "cold", "kho"]
    (incident,) = trace["incidents"]
    assert "KHO: setup: handover FDT (0x" in incident.message
    assert incident.message.endswith("is invalid; KHO: disabling KHO revival")
    assert lost_and_kept(trace, 2) == (handed_to(trace, 2), set())
    assert {row.source for row in trace["allocations"] if row.boot == 2} == {"memory"}
    first, third = trace["boots"][0], trace["boots"][2]
    assert third.kernel_reserved_bytes is not None
    assert third.scratch_areas != first.scratch_areas
    assert not any(row.what == "firmware" for row in trace["events"])
    remade = {row.made_in for row in trace["files"] if row.boot == 3}
    assert remade == {2}


def booted_after(*faults: dict, boot: int = 1):
    """Return the early memory of a kernel that is handed what the faults left of it."""
    plan = build_plan(faulty(*faults, boots=boot + 2))
    seen = {}
    chain = kernel_module.boot_memory

    def boots(machine, setup, handover):
        seen[len(seen)] = chain(machine, setup, handover)
        return seen[len(seen) - 1]

    with patch.object(kernel_module, "boot_memory", boots):
        run_plan(plan, {})
    return seen[boot]


@pytest.mark.parametrize("sound", [0, 1, 2])
def test_areas_marked_before_the_revival_is_given_up_stay_marked(sound: int) -> None:
    whole = booted_after()
    booted = booted_after({"kind": "descriptors", "boot": 1, "after": sound})
    areas = whole.scratch_areas[:sound]
    marked = [r for r in booted.early.memblock.memory if r.flags & KHO_SCRATCH]
    assert sum(r.end - r.base for r in marked) == sum(size for _, size in areas)
    assert not booted.early.revived
    assert not booted.early.memblock.scratch_only
    assert booted.reservation is not None
    assert {row.source for row in booted.early.requests.rows} == {"memory"}


def test_descriptors_that_are_all_sound_are_no_fault() -> None:
    trace = run_scenario(faulty({"kind": "descriptors", "boot": 1, "after": 3}))
    assert not trace["incidents"]


def test_a_lost_tree_root_keeps_the_scratch_and_all_of_early_boot_in_it() -> None:
    trace = run_scenario(faulty({"kind": "tree_root", "boot": 2}))
    sound, lost = trace["boots"][1:3]
    assert (lost.kind, lost.scratch_areas) == ("kho", sound.scratch_areas)
    assert (lost.preservations, lost.extended_bytes) == (None, None)
    served = [row for row in trace["allocations"] if row.boot == 2 and not row.failed]
    outside = {row.what for row in served if row.source != "scratch"}
    assert outside == {"real-mode trampoline"}
    assert lost_and_kept(trace, 2) == (handed_to(trace, 2), set())
    assert trace["boots"][3].preservations


def test_an_extension_that_fails_half_way_keeps_its_marks() -> None:
    scenario = faulty({"kind": "extend", "boot": 1, "after": 1})
    trace, whole = run_scenario(scenario), run_scenario(faulty())
    part, full = (t["boots"][1].extended_bytes for t in (trace, whole))
    assert 0 < part < full
    (incident,) = trace["incidents"]
    assert incident.message == "KHO: Failed to extend scratch: -ENOMEM"
    assert lost_and_kept(trace, 1) == (set(), handed_to(trace, 1))
    assert trace["boots"][2].extended_bytes == whole["boots"][2].extended_bytes


def test_a_refused_load_is_tried_again_and_takes_nothing() -> None:
    trace = run_scenario(faulty({"kind": "load", "boot": 1, "times": 2}, on_failure="retry"))
    assert trace.outcome.kind == "completed"
    assert [row.then for row in trace["incidents"]] == ["retry", "retry"]
    assert all(file.kept for file in trace["file_outcomes"])
    windows = [row for row in trace["events"] if (row.boot, row.what) == (1, "serve")]
    assert len(windows) == 3
    assert {row.message for row in trace["incidents"]} == {
        "kexec_file_load: Cannot allocate memory"
    }


@pytest.mark.parametrize(
    ("on_failure", "outcome", "boots", "resets"),
    [
        ("stop", "load_refused", 2, 0),
        ("retry", "load_refused", 2, 0),
        ("cold_boot", "completed", 4, 1),
    ],
)
def test_what_follows_a_load_that_stays_refused(on_failure, outcome, boots, resets) -> None:
    fault = {"kind": "load", "boot": 1, "times": 9, "error": "EINVAL"}
    trace = run_scenario(faulty(fault, on_failure=on_failure, retries=2))
    assert (trace.outcome.kind, len(trace["boots"])) == (outcome, boots)
    assert summary(trace)["firmware_resets"] == resets
    assert summary(trace)["updates_retried"] == (0 if on_failure == "stop" else 2)
    lost, _ = lost_and_kept(trace, 1)
    assert bool(lost) == (on_failure == "cold_boot")
    assert trace["incidents"][-1].message == "kexec_file_load: Invalid argument"


def test_an_update_that_is_taken_back_leaves_the_memory_as_it_was() -> None:
    seen = []
    unpreserve = RunningMemory.unpreserve
    preserve = Update._preserve

    def look(memory):
        pages = memory.pages.free_pages()[0]
        tables = memory.outgoing.tree.nodes
        return set(memory.outgoing.tree.walk()), pages + tables

    def preserves(update):
        seen.append(look(update._kernel.memory))
        return preserve(update)

    def takes_back(memory, kept):
        unpreserve(memory, kept)
        memory.pages.settle()
        seen.append(look(memory))
        memory.pages.check()

    scenario = faulty({"kind": "load", "boot": 0}, boots=2, uptime="1h")
    resolved = scenario.to_dict()
    resolved["workload"] = [resolved["workload"][0] | {"session": name} for name in ("a", "b")]
    with (
        patch.object(RunningMemory, "unpreserve", takes_back),
        patch.object(Update, "_preserve", preserves),
    ):
        trace = run_scenario(from_dict(resolved))
    (keys, pages), (keys_after, pages_after) = seen[:2]
    assert keys == keys_after
    assert pages == pages_after
    assert trace.outcome.kind == "completed"


@pytest.mark.parametrize(
    ("phase", "outcome", "restored"),
    [
        ("early_boot", "boot_failed", False),
        ("initcalls", "boot_failed", False),
        ("serve", "panicked", True),
    ],
)
def test_a_panic_ends_the_chain_or_costs_everything(phase, outcome, restored) -> None:
    fault = {"kind": "panic", "boot": 2, "phase": phase, "message": "Kernel panic - no reason"}
    ended = run_scenario(faulty(fault, on_failure="retry"))
    assert (ended.outcome.kind, ended.outcome.boot) == (outcome, 2)
    assert ended.outcome.message == "Kernel panic - no reason"
    trace = run_scenario(faulty(fault))
    assert [boot.kind for boot in trace["boots"]] == ["cold", "kho", "kho", "cold"]
    lost, kept = lost_and_kept(trace, 2)
    assert (lost, kept) == (lost_and_kept(ended, 2)[0], set())
    # A guest that had left by then is not lost; one that came since is.
    assert lost == handed_to(trace, 2) or restored
    last = trace["boots"][3]
    assert last.scratch_areas == trace["boots"][0].scratch_areas
    (reset,) = [row for row in trace["events"] if row.what == "firmware"]
    assert reset.boot == 3
    assert reset.end_ns - reset.start_ns == load_hardware().rates["firmware_reset"].central


def test_guests_begin_anew_by_their_names_and_leave_when_they_would_have() -> None:
    trace, whole = (
        run_scenario(faulty(*faults, boots=6))
        for faults in ([{"kind": "panic", "boot": 2, "phase": "initcalls"}], [])
    )
    # The dead kernel served no window, so the users' side of the chain is one kernel behind.
    assert handed_to(trace, 4) == handed_to(whole, 3)
    assert {r.made_in for r in trace["files"] if r.boot == 4} == {3}


def test_a_refused_memmap_kills_where_the_kernel_has_no_other_way() -> None:
    once = {"kind": "allocation", "boot": 1, "what": "memmap"}
    trace = run_scenario(faulty(once, boots=2))
    pages = [r for r in trace["allocations"] if (r.boot, r.what) == (1, "memmap page")]
    assert (trace.outcome.kind, len(pages)) == ("completed", 512)
    both = [once, {"kind": "allocation", "boot": 1, "what": "memmap page", "occurrence": 7}]
    dead = run_scenario(faulty(*both, boots=2, on_failure="stop"))
    assert (dead.outcome.kind, dead.outcome.boot) == ("boot_failed", 1)
    assert dead.outcome.message.startswith("Failed to allocate memmap for section")
    assert [(row.kind, row.then) for row in dead["incidents"]] == [
        ("allocation", "goes on"),
        ("allocation", "chain ends"),
    ]
    assert lost_and_kept(dead, 1) == (handed_to(dead, 1), set())


def test_the_twin_has_the_same_faults_but_for_the_extension() -> None:
    faults = [{"kind": "extend", "boot": 1}, {"kind": "fdt", "boot": 2}]
    trace = run_scenario(faulty(*faults, twin=True))
    assert [row.kind for row in trace["incidents"]] == ["extend", "fdt"]
    assert [row.kind for row in trace.twin["incidents"]] == ["fdt"]
    assert summary(trace)["files_lost_without_extension"] == summary(trace)["files_lost"] > 0


def test_without_kho_every_update_is_a_cold_boot() -> None:
    resolved = faulty(boots=3).to_dict()
    resolved["kernel"]["command_line"] = "kho=off"
    trace = run_scenario(from_dict(resolved))
    assert (trace.outcome.kind, trace.outcome.boot) == ("kho_disabled", 2)
    assert [row.then for row in trace["incidents"]] == ["cold boot", "cold boot", "chain ends"]
    served = [row.boot for row in trace["events"] if row.what == "serve"]
    assert served == [0, 1, 2]
    assert lost_and_kept(trace, 0)[0] >= {"memfd0/0", "memfd0/1"}


def test_without_failures_it_does_not_matter_what_is_done_about_them() -> None:
    digests = {
        run_scenario(faulty(on_failure=on_failure)).digest
        for on_failure in ("stop", "retry", "cold_boot")
    }
    assert len(digests) == 1


def test_faults_are_in_the_digest_and_the_document() -> None:
    fault = {"kind": "allocation", "boot": 1, "what": "command line", "occurrence": 9}
    missed = run_scenario(faulty(fault))
    assert missed.digest == run_scenario(faulty()).digest
    late = run_scenario(faulty({"kind": "extend", "boot": 1, "after": 9}))
    assert not late["incidents"]
    trace = run_scenario(faulty({"kind": "fdt", "boot": 1}))
    (incident,) = run_document(trace)["incidents"]
    assert set(incident["files_lost"]) == handed_to(trace, 1)
    assert incident["bytes_lost"] == summary(trace)["bytes_lost"]
    assert (incident["files_kept"], incident["bytes_kept"]) == ([], 0)


def test_a_file_that_is_not_in_preserved_memory_is_caught(monkeypatch) -> None:
    """The invariants look at memory, not at faults: a file that is kept by mistake is noticed."""

    def finds_a_ghost(kernel, booted):
        if kernel.memory.retrieved:
            (first, *_) = kernel.memory.retrieved
            kernel.memory.retrieved.append(replace(first, name="ghost"))
        return survivors(kernel, booted)

    survivors = Kernel._note_survivors
    monkeypatch.setattr(Kernel, "_note_survivors", finds_a_ghost)
    with pytest.raises(ModelError, match="are kept"):
        run_scenario(faulty({"kind": "extend", "boot": 1}))


COMPLETE = """
machine: {memory: 16GiB, cpus: 2}
kernel:
  build: BUILD
  command_line: "log_buf_len=8M hugepagesz=1G hugepages=1 crashkernel=64M,high nokaslr LINE"
chain: {boots: 2, twin: false}
faults: [{kind: allocation, boot: 1, what: memmap}]
"""
CONFIGURED = {requesters.FIRMWARE_MAP_ENTRY, requesters.NOSAVE_REGION, requesters.CPUMASK}
"""What only a build of a distribution asks for."""
OF_ARM64 = {requesters.LINEAR_MAP_TABLE, requesters.DEVICE_TREE, requesters.MEMORY_RESOURCES}


@pytest.mark.parametrize("build", ["lab", "distro"])
def test_requesters_are_those_that_early_boots_have(build: str) -> None:
    asked = {requesters.NODE_DISTANCES, requesters.EFI_MAP_COPY}
    optimised = "hugetlb_free_vmemmap=on kfence.sample_interval=100"
    for line in ("cma=8M crashkernel=8M,cma hugetlb_cma=1G", optimised):
        text = COMPLETE.replace("BUILD", build).replace("LINE", line)
        asked |= {row.what for row in run_scenario(loads(text))["allocations"]}
    configured = CONFIGURED if build == "lab" else set()
    assert asked - {"node 0 scratch"} == set(requesters.REQUESTERS) - configured - OF_ARM64


def test_a_file_that_finds_no_memory_is_taken_back_and_preserved_later() -> None:
    """The second file of the first attempt gets no folio array."""
    vmalloc, calls = Outgoing.vmalloc, []

    def fails_once(outgoing, pages):
        calls.append(pages)
        if len(calls) == 4:
            raise PreserveFailed("-ENOMEM")
        return vmalloc(outgoing, pages)

    with patch.object(Outgoing, "vmalloc", fails_once):
        resolved = faulty(boots=2, on_failure="retry").to_dict()
        trace = run_scenario(from_dict(resolved | {"workload": resolved["workload"][:2]}))
    (incident,) = trace["incidents"]
    assert (incident.kind, incident.injected, incident.then) == ("preserve_failed", False, "retry")
    assert incident.message == "-ENOMEM"
    assert trace.outcome.kind == "completed"
    # Guests have come and gone in the window more, but what is there is counted as ever.
    files = [row for row in trace["files"] if row.kind == "memfd"]
    per_file = 1024 + 4 + 1 + 1
    fixed, sessions = 4, 1
    blocks = len({row.session for row in files})
    kho = trace["boots"][1]
    assert kho.preservations == len(files) * per_file + fixed + sessions + blocks
