"""Frames that go bad while kernels serve: what is known, who is handed it, what telling saves."""

from __future__ import annotations

import pytest

from kho_sim.base.extent import Extent, intersected, merged
from kho_sim.chain import run_scenario
from kho_sim.chain.build import build_machine
from kho_sim.kernel.own_memory import LOADED
from kho_sim.machine.bad_memory import NANOSECONDS_PER_DAY, BadMemory
from kho_sim.scenario import loads

TEXT = """
machine: {memory: 16GiB, cpus: 4, bad_memory: {frames_per_day: 40, told: late}}
kernel: {command_line: "hugepagesz=1G hugepages=4", extend: {strategy: blocks, shift: 21}}
workload: [{kind: hugetlb, size: 1GiB, preserve: 1}]
chain: {boots: 4, twin: false, uptime: 24h}
"""
STRATEGIES = ("blocks", "scaled-blocks", "largest-gaps", "reserve-early", "leave-scratch-only")
PAGE = 4096


def chain(told="late", strategy="blocks"):
    text = TEXT.replace("told: late", f"told: {told}").replace("blocks,", f"{strategy},")
    return run_scenario(loads(text))


@pytest.fixture(scope="module")
def late():
    return chain()


def frames(trace, boot):
    return [row.address for row in trace["bad_frames"] if row.boot == boot]


def test_arrivals_are_a_poisson_process_over_all_of_memory():
    machine, memory = build_machine(loads(TEXT)), BadMemory(50.0)
    day = NANOSECONDS_PER_DAY
    all_days = memory.arrived(machine, 3, 0, 100 * day)
    assert len(all_days) == pytest.approx(5000, rel=0.05)
    parts = [memory.arrived(machine, 3, number * day, (number + 1) * day) for number in range(100)]
    assert [frame for part in parts for frame in part] == all_days
    assert not any(frame % PAGE for frame in all_days)
    inside = intersected(merged((f, f + PAGE) for f in all_days), machine.memory)
    assert inside == merged((f, f + PAGE) for f in all_days)
    upper_half = sum(frame >= 8 << 30 for frame in all_days) / len(all_days)
    assert upper_half == pytest.approx(9 / 16, abs=0.03), "of 16 GiB 1 GiB lies above the hole"


def test_each_kernel_knows_what_those_before_it_met(late):
    first, second, third = (frames(late, boot) for boot in (1, 2, 3))
    assert not frames(late, 0)
    assert third[: len(second)] == second
    assert second[: len(first)] == first


def test_who_is_handed_a_frame_is_whose_memory_holds_it(late):
    """A naive look-up: of all early requests of a boot, the last that covers the frame."""
    for row in late["bad_frames"]:
        holders = [
            taken.what
            for taken in late["allocations"].where(boot=row.boot)
            if taken.address and taken.address < row.address + PAGE
            if row.address < taken.address + taken.size_bytes
        ]
        loaded = [
            piece
            for piece in late["segments"].where(boot=row.boot - 1)
            if piece.start <= row.address < piece.start + piece.size_bytes
        ]
        assert row.taken_by in (holders[-1:] or ([LOADED] if loaded else [""]))
    assert "gigantic page" in {row.taken_by for row in late["bad_frames"]}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_told_before_early_boot_only_original_scratch_hands_bad_frames_out(strategy, late):
    trace = chain("busy", strategy)
    assert trace.outcome.kind == "completed"
    assert [frames(trace, boot) for boot in range(4)] == [frames(late, boot) for boot in range(4)]
    for row in trace["bad_frames"]:
        areas = [Extent(start, start + size) for start, size in trace["boots"][1].scratch_areas]
        assert row.in_scratch == any(area.start <= row.address < area.end for area in areas)
        assert row.in_scratch or not row.taken_by


def test_each_told_frame_costs_its_block(late):
    told = chain("busy")
    for boot in (1, 2, 3):
        before, after = (set(trace["boots"][boot].busy_blocks) for trace in (late, told))
        scratch = [row.address for row in told["bad_frames"] if row.boot == boot and row.in_scratch]
        blocks = {frame >> 21 << 21 for frame in frames(told, boot) if frame not in scratch}
        assert blocks <= after
        assert len(after - before) <= len(blocks)


def test_a_cold_boot_forgets():
    panic = "faults: [{kind: panic, boot: 1, phase: serve}]\n"
    text = TEXT.replace("uptime: 24h", "uptime: 24h, on_failure: cold_boot")
    trace = run_scenario(loads(text + panic))
    assert [boot.kind for boot in trace["boots"]] == ["cold", "kho", "cold", "kho"]
    old, new = set(frames(trace, 1)), set(frames(trace, 3))
    assert old
    assert new
    assert not old & new


def test_without_bad_memory_there_are_no_rows():
    trace = run_scenario(loads(TEXT.replace(", bad_memory: {frames_per_day: 40, told: late}", "")))
    assert not trace["bad_frames"]
