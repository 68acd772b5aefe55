"""What KHO costs a host, held to chains that use its memory up, and to published hosts."""

import json
import random

import pytest
from click.testing import CliRunner

import kho_sim as ks
from kho_sim.chain.build import build_plan
from kho_sim.cli.app import kho_sim
from kho_sim.host_cost.page import cost_html
from kho_sim.kernel.boot import boot_memory
from kho_sim.kernel.ceilings import pinnable_bytes, take_all_unmovable
from kho_sim.kernel.running import RunningMemory
from kho_sim.memory.pages import MOVABLE, UNMOVABLE, OutOfMemory
from kho_sim.scenario import with_values
from kho_sim.sweeps.advise.areas import parse_areas, with_scratch
from kho_sim.sweeps.advise.idle import idle_answer
from kho_sim.sweeps.advise.search import Answer

GIB = 1 << 30
MIB = 1 << 20

SMALL = """
description: a small host
machine: {memory: 1600MiB, cpus: 2}
kernel: {command_line: "kho=on quiet"}
chain: {boots: 2, seed: 3}
"""
WORKSTATION = """
machine: {memory: 121GiB, cpus: 20}
kernel: {command_line: "kho=on"}
chain: {boots: 2}
"""


@pytest.fixture(scope="module")
def small():
    return ks.cost(ks.loads(SMALL))


def running(scenario):
    plan = build_plan(scenario)
    booted = boot_memory(plan.machine, plan.kernels[0], None)
    return RunningMemory.start(
        plan.machine, plan.kernels[0], booted, None, plan.interleaving, random.Random(1)
    )


def bytes_pinned(pages):
    """Pin as a user does, table by table, until memory is short."""
    pinned = 0
    try:
        while True:
            pages.alloc(1, 0, UNMOVABLE)
            pages.alloc(512, 0, MOVABLE, cma=False)
            pinned += 512 << 12
    except OutOfMemory:
        return pinned


def outcome_with(scenario, command_line, size_bytes):
    workload = [{"kind": "unmovable", "size": size_bytes}]
    values = {"kernel.command_line": command_line, "workload": workload, "chain.twin": False}
    return ks.run(with_values(scenario, values)).outcome


@pytest.mark.parametrize("way", ["configured", "least_scratch", "off"])
def test_a_chain_dies_just_above_the_ceiling_for_kernel_memory(small, way):
    scenario, found = ks.loads(SMALL), getattr(small, way)
    line, ceiling = found.command_line, found.unmovable_ceiling_bytes
    end = "completed" if found.kho_enabled else "kho_disabled"
    if way != "least_scratch":  # which leaves no room for more than the load
        assert outcome_with(scenario, line, ceiling - 96 * MIB).kind == end
    above = outcome_with(scenario, line, ceiling + MIB)
    assert above.kind == "preserve_failed"
    assert above.boot == 0


def test_the_published_workstation_stops_near_110_gib_and_with_small_areas_near_118():
    """field.md section 1.1: x86 model, one workload of kernel memory, to whole GiB."""
    found = ks.cost(ks.loads(WORKSTATION))
    assert found.configured.unmovable_ceiling_bytes // GIB == 110
    tight = WORKSTATION.replace("kho=on", "kho=on kho_scratch=32M,32M,32M")
    assert ks.cost(ks.loads(tight)).configured.unmovable_ceiling_bytes // GIB == 118
    lost = found.off.unmovable_ceiling_bytes - found.configured.unmovable_ceiling_bytes
    assert lost == pytest.approx(found.configured.scratch_bytes, rel=0.01)


LISTS_BYTES = 16 * MIB
"""More than the lists of a CPU hold when single pages run out; large blocks leave nothing there."""


def test_pins_have_what_kernel_memory_has_less_their_page_tables():
    scenario = ks.loads(SMALL)
    memory = running(scenario)
    said = pinnable_bytes(memory.pages, take_all_unmovable(memory.pages))
    pinned = bytes_pinned(running(scenario).pages)
    assert pinned - 4 * MIB <= said <= pinned + LISTS_BYTES


def test_the_least_scratch_is_enough_and_one_step_less_in_any_area_is_not(small):
    scenario = with_values(ks.loads(SMALL), {"workload": []})
    option = small.least_scratch.command_line.split()[0].removeprefix("kho_scratch=")
    areas = parse_areas(option)
    assert (
        idle_answer(build_plan(with_values(scenario, with_scratch(scenario, areas)))) is Answer.FINE
    )
    for index in range(3):
        if areas[index] > 1:
            fewer = areas.with_area(index, areas[index] - 1)
            plan = build_plan(with_values(scenario, with_scratch(scenario, fewer)))
            assert idle_answer(plan) is Answer.SMALL, fewer


def test_free_cma_is_scratch_and_no_total_counts_it(small):
    said = small.configured.meminfo
    assert said.cma_total_bytes == 0
    assert 0 < said.cma_free_bytes <= small.configured.scratch_bytes
    assert small.off.meminfo.cma_free_bytes == 0
    assert said.mem_total_bytes < small.memory_bytes


def test_the_document_has_what_the_contract_names(small):
    document = json.loads(json.dumps(small.document))
    assert (document["schema"], document["schema_version"]) == ("kho-sim/cost", 1)
    for way in ("configured", "least_scratch", "off"):
        assert document[way].keys() >= {
            "command_line", "kho_enabled", "scratch_areas", "scratch_bytes",
            "kernel_reserved_bytes", "free_bytes_after_boot", "unmovable_ceiling_bytes",
            "pinned_ceiling_bytes",
        }  # fmt: skip
    assert document["off"]["command_line"] == "kho=off quiet"
    assert document["off"]["scratch_areas"] == []
    assert not document["off"]["kho_enabled"]


def test_a_host_whose_kho_is_off_says_so():
    found = ks.cost(ks.loads(SMALL.replace("kho=on", "kho=off")))
    assert not found.configured.kho_enabled
    assert str(found).startswith("KHO is off on this host")


def test_a_host_without_room_for_scratch_says_what_the_kernel_says():
    line = "kho=on kho_scratch=4M,4G,4M"
    found = ks.cost(ks.loads(SMALL.replace("kho=on", line)))
    assert "KHO: Failed to reserve global scratch buffer" in str(found)


def test_the_verb_prints_text_a_document_and_a_page(tmp_path):
    (tmp_path / "host.yaml").write_text(SMALL)
    page = tmp_path / "cost.html"
    shown = CliRunner().invoke(kho_sim, ["cost", str(tmp_path / "host.yaml"), "--html", str(page)])
    assert shown.exit_code == 0
    assert "kernel memory it can still hand out" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 100
    html = page.read_text()
    assert "<svg" not in html
    assert "data:image/svg+xml" in html
    assert "kho_scratch=" in html
    document = CliRunner().invoke(kho_sim, ["cost", str(tmp_path / "host.yaml"), "--json"])
    assert json.loads(document.stdout)["memory_bytes"] == pytest.approx(1600 * MIB, rel=0.01)


def test_a_page_escapes_what_a_scenario_says():
    evil = SMALL.replace("a small host", "'<script>alert(1)</script>'")
    assert "<script>alert" not in cost_html(ks.cost(ks.loads(evil)))


def test_a_kernel_that_finds_no_memory_says_what_is_free_and_why_it_is_no_use():
    from kho_sim.report import report_text

    workload = [{"kind": "unmovable", "size": 1400 * MIB}]
    trace = ks.run(with_values(ks.loads(SMALL), {"workload": workload, "chain.twin": False}))
    (said,) = trace["events"].where(what="reason")
    assert said.detail.startswith("1.37 GiB of kernel memory or pins were asked for, ")
    assert "in scratch or other CMA, which only user memory may have" in said.detail
    text = " ".join(report_text(trace).split())
    assert "in scratch or other CMA, which only user memory may have" in text
