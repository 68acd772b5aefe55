"""The checks notice a log that says something else than the model: each is shown one lie."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kho_sim.chain.build import build_machine
from kho_sim.logs.importing import scenario_from_trace
from kho_sim.logs.reader import BootLog, MemblockCall
from kho_sim.logs.reader.facts import Dump
from kho_sim.memory.memblock import KHO_SCRATCH
from kho_sim.memory.regions import Region
from kho_sim.scenario import from_dict
from kho_sim.trace.records import Boot, Outcome
from kho_sim.trace.trace import Trace
from kho_sim.verification import check_trace
from kho_sim.verification.facts import check_facts, check_outcome
from kho_sim.verification.placements import check_placements
from kho_sim.verification.steps import check_steps
from tests.hand_made import with_records

PAGE = 4096
GIB = 1 << 30


@pytest.fixture
def trace(read_recorded):
    return read_recorded("machine-4G")


@pytest.fixture
def scenario(trace):
    return from_dict(scenario_from_trace(trace).scenario)


def with_boot_log(trace, boot, **changes):
    """The same trace, but for what one boot's log says."""
    logs = list(trace.extra["boots"])
    logs[boot] = replace(logs[boot], **changes)
    return replace(trace, extra={"boots": tuple(logs)})


def with_boot(trace, boot, **changes):
    """The same trace, but for what is known of one boot."""
    records = list(trace["boots"])
    records[boot] = replace(records[boot], **changes)
    return with_records(trace, boots=tuple(records))


def placements(trace, scenario):
    kernels = [scenario.kernel for _ in trace["boots"]]
    return check_placements(trace, build_machine(scenario), kernels)


def inexact(steps):
    return {name for name, value in steps.items() if not value.exact}


@pytest.mark.parametrize("boot", [0, 1])
def test_one_moved_allocation_is_one_miss(trace, scenario, boot):
    calls = list(trace.extra["boots"][boot].calls)
    index = max(i for i, call in enumerate(calls) if call.op == "alloc")
    honest = calls[index]
    calls[index] = honest._replace(result=honest.result - 64 * PAGE)
    checked = placements(with_boot_log(trace, boot, calls=calls), scenario)[boot]
    (miss,) = checked.misses
    assert (miss.predicted, miss.observed) == (honest.result, honest.result - 64 * PAGE)
    assert checked.exact == checked.compared - 1


def test_an_allocation_that_the_log_refuses_is_a_miss(trace, scenario):
    calls = list(trace.extra["boots"][0].calls)
    index = next(i for i, call in enumerate(calls) if call.what == "memmap")
    calls[index] = calls[index]._replace(result=0)
    misses = placements(with_boot_log(trace, 0, calls=calls), scenario)[0].misses
    assert misses[0].observed == 0
    assert misses[0].what == "memmap"


@pytest.mark.parametrize("boot", [0, 1])
def test_a_request_that_is_not_shown_is_left_out_and_its_answer_still_counts(trace, scenario, boot):
    calls = list(trace.extra["boots"][boot].calls)
    index = next(i for i, call in enumerate(calls) if call.what == "section root array")
    calls[index] = calls[index]._replace(function="", what="")
    checked = placements(with_boot_log(trace, boot, calls=calls), scenario)[boot]
    assert sum(checked.left_out.values()) == 1
    assert checked.compared == sum(call.op == "alloc" for call in calls) - 1
    assert not checked.misses


def test_without_instrumentation_the_model_marks_what_the_extension_marked(read_recorded):
    trace = read_recorded("machine-64G")
    calls = [call for call in trace.extra["boots"][1].calls if call.op != "regions"]
    plain = with_boot_log(trace, 1, calls=calls)
    scenario = from_dict(scenario_from_trace(trace).scenario)
    assert not placements(plain, scenario)[1].misses
    without = with_boot_log(plain, 1, calls=[call for call in calls if call.op != "extend"])
    assert placements(without, scenario)[1].misses


def test_scratch_that_is_only_seen_as_flagged_memory_keeps_gigantic_pages_off(scenario):
    """A KHO boot whose log names no areas: the window at 7 GiB holds one, so 6 GiB is taken."""
    memory = [Region(4 * GIB, 4 * GIB, 0, KHO_SCRATCH)]
    page = MemblockCall(
        op="alloc", function="memblock_alloc_hugetlb", size=GIB, nid=0, result=6 * GIB
    )
    calls = [MemblockCall(op="dump"), page]
    log = BootLog(boot=0, dumps=[Dump(memory, [Region(0, 4096, -1, 0)])], calls=calls)
    boot = Boot(boot=0, kind="kho", scratch_areas=((7 * GIB, 16 << 20),))
    outcome = Outcome(kind="unknown", boot=0)
    trace = Trace(provenance={}, outcome=outcome, records={Boot: (boot,)}, extra={"boots": (log,)})
    assert placements(trace, scenario)[0].exact == 1


def test_a_dump_whose_lines_are_lost_is_passed_over(trace, scenario):
    checked = placements(with_boot_log(trace, 0, dumps=[]), scenario)[0]
    assert checked.compared == 0
    assert checked.left_out


def test_without_the_first_dump_nothing_is_compared_but_counted(trace, scenario):
    calls = [call for call in trace.extra["boots"][0].calls if call.op != "dump"]
    checked = placements(with_boot_log(trace, 0, calls=calls), scenario)[0]
    assert checked.compared == 0
    assert sum(checked.left_out.values()) == sum(call.op == "alloc" for call in calls)


def test_a_busy_block_that_the_tree_does_not_have_differs(trace, scenario):
    lying = with_boot(trace, 1, busy_blocks=(*trace["boots"][1].busy_blocks, 1 << 40))
    assert inexact(check_steps(lying, scenario)[1]) == {"busy_blocks"}


def test_a_key_in_a_free_block_changes_what_is_extended(trace, scenario):
    extra = trace["preserved"][0]
    moved = replace(extra, start=0x40000000, end=0x40000000 + extra.end - extra.start)
    keys = tuple(sorted([*trace["preserved"], moved], key=lambda run: (run.boot, run.start)))
    lying = with_records(trace, preserved=keys, tree_pages=())
    steps = check_steps(lying, scenario)[1]
    assert {"busy_blocks", "extended_bytes", "preservations"} <= inexact(steps)


def test_a_retrieval_that_ends_with_another_count_differs(trace, scenario):
    lying = with_boot(trace, 1, reserved_regions_after=1)
    assert inexact(check_steps(lying, scenario)[1]) == {"reserved_regions_after"}


def test_a_kernel_that_landed_elsewhere_differs(trace, scenario):
    log = trace.extra["boots"][1]
    moved = [
        resource._replace(start=resource.start - (2 << 20))
        if resource.name == "Kernel code"
        else resource
        for resource in log.iomem
    ]
    lying = with_boot_log(trace, 1, iomem=moved)
    assert inexact(check_steps(lying, scenario)[1]) == {"kernel_address"}


def test_scratch_of_another_size_differs(trace, scenario):
    areas = ((0xB2400000, 4 << 20), *trace["boots"][0].scratch_areas[1:])
    lying = with_boot(trace, 0, scratch_areas=areas)
    assert "scratch_areas" in inexact(check_steps(lying, scenario)[0])


def test_blind_facts_are_held_to_the_log(trace, scenario):
    honest = check_facts(trace, trace, scenario)
    assert not any(inexact(facts) for facts in honest)
    k = trace["boots"][0].kernel_reserved_bytes
    lying = with_boot(trace, 0, kernel_reserved_bytes=k + 1)
    assert inexact(check_facts(lying, trace, scenario)[0]) == {"kernel_reserved_bytes"}


def test_a_boot_that_the_simulation_does_not_reach_differs_in_all_facts(trace, scenario):
    short = with_records(trace, boots=trace["boots"][:2])
    facts = check_facts(trace, short, scenario)[2]
    assert facts
    assert inexact(facts) == set(facts)
    assert not any(value.close for value in facts.values())


def test_only_facts_that_follow_placement_have_a_tolerance(trace, scenario):
    nodes = trace["boots"][1].radix_nodes
    model = with_boot(trace, 1, radix_nodes=nodes + 1, preservations=1)
    facts = check_facts(trace, model, scenario)[1]
    assert (facts["radix_nodes"].exact, facts["radix_nodes"].close) == (False, True)
    assert (facts["preservations"].exact, facts["preservations"].close) == (False, None)
    far = with_boot(trace, 1, radix_nodes=nodes + 100)
    assert check_facts(trace, far, scenario)[1]["radix_nodes"].close is False


def test_with_large_folios_the_number_of_keys_has_a_tolerance_as_well(read_recorded):
    trace = read_recorded("b-thp-2x256M-16G")
    scenario = from_dict(scenario_from_trace(trace).scenario)
    model = with_boot(trace, 1, preservations=trace["boots"][1].preservations + 1)
    found = check_facts(trace, model, scenario)[1]["preservations"]
    assert (found.exact, found.close) == (False, True)


def test_a_log_that_begins_with_a_later_kernel_has_its_allocations_and_steps(read_recorded):
    trace = read_recorded("b-numa2-16G")
    for boot in range(4):
        trace = with_boot_log(trace, boot, scratch={})
    later = with_records(trace, boots=trace["boots"][1:])
    later = replace(later, extra={"boots": trace.extra["boots"][1:]})
    check = check_trace(later)
    assert check.outcome is None
    assert not list(check.differences())
    for boot in check.boots:
        assert boot.placements.compared > 100
        assert boot.steps["busy_blocks"].exact
        assert not boot.facts


def test_without_a_workload_only_the_first_kernel_is_compared_blindly(read_recorded):
    trace = read_recorded("machine-4G")
    for boot in range(3):
        line = trace["boots"][boot].command_line.partition(" obs.")[0]
        trace = with_boot_log(trace, boot, command_line=line)
    check = check_trace(trace)
    assert check.outcome is None
    assert check.boots[0].facts
    assert not check.boots[1].facts
    assert check.boots[1].steps


def test_outcomes_compare_kind_boot_and_the_kernels_words():
    died = Outcome(kind="preserve_failed", boot=1, message="System is deadlocked on memory")
    prefixed = replace(died, message=f"Kernel panic - not syncing: {died.message}")
    assert check_outcome(died, prefixed).exact
    assert not check_outcome(died, replace(died, boot=2)).exact
    assert not check_outcome(died, replace(died, kind="boot_failed")).exact
    assert not check_outcome(died, replace(died, message="")).exact
    assert check_outcome(Outcome(kind="unknown", boot=1), died) is None
