"""Whole chains: determinism, pairing, outcomes, and what survives."""

import gc
import subprocess
import sys
from types import SimpleNamespace

import pytest

from kho_sim.base import requesters
from kho_sim.base.errors import ModelError
from kho_sim.base.extent import Extent
from kho_sim.chain import run_scenario
from kho_sim.chain.invariants import check_hand_over
from kho_sim.kernel.running import RunningMemory
from kho_sim.kho.preserve import PreserveFailed
from kho_sim.kho.radix import RadixTree
from kho_sim.memory.memblock import Memblock
from kho_sim.memory.pages import OutOfMemory, PageAllocator
from kho_sim.platform.geometry import PAGES_4K
from kho_sim.scenario import loads, with_values
from kho_sim.trace.records import Allocation

MIB = 1 << 20
SMALL = """
machine: {memory: 4GiB, cpus: 2}
kernel: {command_line: "kho_scratch=64M,128M,64M"}
workload:
- {kind: memfd, count: 2, size: 8MiB, grow: 1, drop: 1}
- {kind: anonymous, size: 16MiB}
chain: {boots: 4, seed: 5, uptime: 1h}
"""


def small(**values):
    keys = {key.replace("__", "."): value for key, value in values.items()}
    return with_values(loads(SMALL), keys)


def boots_of(trace, fact):
    return [getattr(boot, fact) for boot in trace["boots"]]


def test_the_same_seed_gives_the_same_digest_in_another_process_and_hash_seed():
    code = (
        "import sys; from kho_sim.chain import run_scenario; from kho_sim.scenario import loads;"
        "print(run_scenario(loads(sys.argv[1])).digest)"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code, SMALL],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert digests == {run_scenario(small()).digest + "\n"}


def test_another_seed_gives_another_digest():
    values = {"machine.memory": "32GiB", "workload.0.size": "256MiB", "chain.twin": False}
    first, second = (with_values(small(chain__seed=seed), values) for seed in (5, 6))
    assert run_scenario(first).digest != run_scenario(second).digest


def test_each_kernel_says_which_one_it_was_started_from():
    trace = run_scenario(small())
    said = [(e.boot, e.detail) for e in trace["events"] if "exec from" in e.detail]
    assert said == [(boot, f"KHO: exec from: 7.3 (count {boot})") for boot in (1, 2, 3)]


def test_memfds_grow_and_drop():
    trace = run_scenario(small())
    per_memfd = 2048 + 1 + 8 + 1
    assert boots_of(trace, "preservations")[1:] == [2 * per_memfd + 6] * 3
    assert trace.outcome.kind == "completed"


def test_the_twin_differs_in_the_extension_only():
    trace = run_scenario(small())
    assert boots_of(trace, "preservations") == boots_of(trace.twin, "preservations")
    assert boots_of(trace, "scratch_areas") == boots_of(trace.twin, "scratch_areas")
    assert all(bytes_ > 0 for bytes_ in boots_of(trace, "extended_bytes")[1:])
    assert boots_of(trace.twin, "extended_bytes")[1:] == [0, 0, 0]


@pytest.mark.parametrize("strategy", ["none", "blocks", "reserve-early"])
@pytest.mark.parametrize("shift", [12, 21, 30, 40])
def test_every_strategy_and_shift_keeps_what_was_promised(strategy, shift):
    scenario = small(kernel__extend__strategy=strategy, kernel__extend__shift=shift)
    trace = run_scenario(with_values(scenario, {"chain.twin": False}))
    assert trace.outcome.kind == "completed"


def test_smaller_blocks_recover_more():
    recovered = [
        run_scenario(small(kernel__extend__shift=shift, chain__twin=False))["boots"][1]
        for shift in (32, 30, 26, 21)
    ]
    sizes = [boot.extended_bytes for boot in recovered]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


def test_scratch_that_cannot_hold_the_kernel_refuses_the_load():
    trace = run_scenario(small(kernel__command_line="kho_scratch=4M,8M,8M"))
    assert (trace.outcome.kind, trace.outcome.boot) == ("load_refused", 0)
    assert trace.outcome.message == "kexec_file_load: Cannot assign requested address"


def test_a_large_kernel_gets_the_room_in_scratch_that_it_needs():
    """60 MiB in memory, as of a distribution; its init_size was left out."""
    trace = run_scenario(small(kernel__image="60MiB", kernel__brk="1MiB"))
    assert trace.outcome.kind == "completed"
    loaded = {row.boot: row for row in trace["segments"] if row.what == "kernel"}
    assert {row.size_bytes for row in loaded.values()} == {61 << 20}
    for boot, row in loaded.items():
        areas = trace["boots"][boot].scratch_areas
        assert any(s <= row.start and row.start + (61 << 20) <= s + size for s, size in areas)


def test_tiny_scratch_boots_with_the_extension_and_dies_without():
    """tiny-64G-8M_16M_16M boots; tinynoext-64G-8M_16M_16M is dead after the jump."""
    trace = run_scenario(
        small(machine__memory="64GiB", kernel__command_line="kho_scratch=8M,16M,16M")
    )
    assert trace.outcome.kind == "completed"
    assert (trace.twin.outcome.kind, trace.twin.outcome.boot) == ("boot_failed", 1)
    assert "Failed to allocate memmap for section" in trace.twin.outcome.message


def test_kho_off_ends_the_chain_at_its_first_kernel():
    trace = run_scenario(small(kernel__command_line="kho=off"))
    assert (trace.outcome.kind, trace.outcome.boot) == ("kho_disabled", 0)


def test_gigantic_pages_that_leave_no_room_for_scratch_disable_kho():
    """huge58-64G: the node's area does not fit."""
    trace = run_scenario(
        small(
            machine__memory="64GiB",
            machine__cpus=12,
            kernel__command_line="hugepagesz=1G hugepages=58 log_buf_len=8M",
        )
    )
    assert trace.outcome.kind == "kho_disabled"
    assert trace.outcome.message == "KHO: Failed to reserve nid 0 scratch buffer"


def test_preserved_gigantic_pages_count_towards_the_request():
    scenario = loads(
        "machine: {memory: 16GiB}\n"
        "kernel: {command_line: hugepagesz=1G hugepages=8}\n"
        "workload: [{kind: hugetlb, preserve: 5}]\n"
    )
    trace = run_scenario(scenario)
    assert boots_of(trace, "gigantic_pages_requested") == [8, 8, 8]
    assert boots_of(trace, "gigantic_pages_allocated") == [8, 8, 8]
    assert boots_of(trace, "gigantic_pages_kept") == [None, 5, 5]
    assert dict(trace["boots"][1].preservations_by_order)[18] == 5


def test_reserve_mem_areas_stay_where_they_are():
    scenario = loads(
        "machine: {memory: 4GiB}\n"
        "workload: [{kind: reserve_mem, size: 20MiB, align: 2MiB, name: pstore}]\n"
    )
    trace = run_scenario(scenario)
    runs = [
        [(r.start, r.end) for r in trace["preserved"] if r.boot == boot and r.order > 8]
        for boot in (1, 2)
    ]
    assert runs[0] == runs[1]
    assert sum(end - start for start, end in runs[0]) == 20 << 20


def test_vms_come_and_go_and_none_is_lost():
    scenario = loads(
        "machine: {memory: 4GiB, cpus: 2}\n"
        "workload:\n"
        "- {kind: vms, count: 3, size: 32MiB, arrivals_per_hour: 4, lifetime: 2h}\n"
        "chain: {boots: 6, uptime: 1h, seed: 2}\n"
    )
    trace = run_scenario(scenario)
    assert trace.outcome.kind == "completed"
    assert len(set(boots_of(trace, "preservations")[1:])) > 1


def test_a_host_turns_away_machines_that_it_has_no_memory_for():
    """And is left as if they had never come."""
    full, fuller = (
        run_scenario(
            loads(
                "machine: {memory: 4GiB, cpus: 2}\n"
                f"workload: [{{kind: vms, count: {count}, size: 1GiB, lifetime: 100000h}}]\n"
                "chain: {boots: 2}\n"
            )
        )
        for count in (3, 9)
    )
    said = [row.detail for row in fuller["events"] if "no memory for a machine" in row.detail]
    assert said == [f"vms0/{n}: no memory for a machine of 1073741824 bytes" for n in range(3, 9)]
    assert len(full["boots"]) == 2
    assert full["preserved"] == fuller["preserved"]


def test_memory_may_all_be_on_a_node_that_is_not_the_first():
    first, second = (
        run_scenario(
            loads(
                "machine: {cpus: 4, nodes: 2, "
                f"memory_map: [{{start: 1MiB, end: 2GiB, node: {nid}}}]}}\n"
                "workload: [{kind: memfd, size: 8MiB}]\n"
            )
        )
        for nid in (0, 1)
    )
    assert second.outcome.kind == "completed"
    assert boots_of(first, "preserved_bytes") == boots_of(second, "preserved_bytes")
    assert [len(areas) for areas in boots_of(second, "scratch_areas")] == [3, 3, 3]


def test_an_empty_scratch_area_lies_nowhere():
    """150 % of what a small kernel reserved above 4 GiB, which is nothing, is an empty area."""
    handed = SimpleNamespace(
        tree=SimpleNamespace(preserved_extents=lambda: [Extent(MIB, 3 * MIB)], geometry=PAGES_4K),
        objects=(),
        kho=SimpleNamespace(scratch_areas=((2 * MIB, 0), (4 * MIB, MIB))),
    )
    check_hand_over(handed)
    handed.kho.scratch_areas += ((2 * MIB, 1),)
    with pytest.raises(ModelError, match="a scratch area"):
        check_hand_over(handed)


def test_a_kernel_that_loses_a_file_is_caught_by_the_invariants(monkeypatch):
    """Canary: a broken kernel must not pass."""
    retrieve = RunningMemory.retrieve

    def forget_one(memory, handover):
        retrieve(memory, handover)
        memory.files.pop(next(iter(memory.files)))

    monkeypatch.setattr(RunningMemory, "retrieve", forget_one)
    with pytest.raises(ModelError, match="was handed over and is lost"):
        run_scenario(small())


def test_an_extension_that_gives_preserved_memory_away_is_caught(monkeypatch):
    """Canary: marking everything as scratch must be noticed."""
    from kho_sim.kho import extend

    def mark_all(memblock, incoming, options, allocate_page, free_page):
        memblock.mark_kho_scratch(0, memblock.end_of_dram())
        return extend.Extension()

    monkeypatch.setitem(extend.STRATEGIES, "blocks", extend.Strategy(mark_all))
    scenario = with_values(
        small(), {"machine.memory": "1GiB", "workload.0.size": "300MiB", "chain.twin": False}
    )
    with pytest.raises(ModelError, match="touches preserved"):
        run_scenario(scenario)


def test_what_the_kernel_prints_about_its_command_line_is_in_the_trace():
    trace = run_scenario(small(kernel__command_line="kho_scratch=64M,128M", chain__boots=1))
    said = [event.detail for event in trace["events"] if event.what == "message"]
    assert "Malformed early option 'kho_scratch'" in said


def test_swiotlb_sizes_the_bounce_buffers():
    trace = run_scenario(small(kernel__command_line="swiotlb=4096", chain__boots=1))
    sizes = [row.size_bytes for row in trace["allocations"] if row.what == "swiotlb"]
    assert sizes == [4096 * 2048]


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ("preserve_own", PreserveFailed("-ENOMEM")),
        ("retrieve", OutOfMemory([], 1, 0)),
    ],
)
def test_no_memory_at_any_step_is_an_outcome(step, error, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.setattr(RunningMemory, step, fail)
    assert run_scenario(small(chain__twin=False)).outcome.kind == "preserve_failed"


@pytest.mark.parametrize("strategy", ["none", "blocks"])
def test_nothing_is_from_extended_memory_before_the_extension(strategy: str) -> None:
    trace = run_scenario(
        loads(
            "machine: {memory: 1GiB}\nchain: {boots: 2, twin: false}\n"
            f"kernel: {{extend: {{strategy: {strategy}}}}}\n"
        )
    )
    early = [row for row in trace[Allocation] if row.boot and row.phase == "before"]
    low = [row for row in early if row.source == "low memory"]
    assert [row.what for row in low] == [requesters.TRAMPOLINE]
    assert all(row.source in ("low memory", "scratch") for row in early)


def test_a_kernel_goes_with_its_chain_without_the_garbage_collector():
    def parts():
        kinds = (PageAllocator, Memblock, RadixTree)
        return sum(isinstance(one, kinds) for one in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = parts()
        run_scenario(loads("machine: {memory: 1GiB, cpus: 2}\nchain: {boots: 3}"))
        assert parts() == before
    finally:
        gc.enable()
