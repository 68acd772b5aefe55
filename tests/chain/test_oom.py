"""The OOM killer: who is ended, what that gives back, and where nobody is left to end."""

import random

import pytest

import kho_sim as ks
from kho_sim.base.errors import ScenarioError
from kho_sim.kho.preserve import PreserveFailed
from kho_sim.memory.pages import DEADLOCK, UNMOVABLE, OutOfMemory
from kho_sim.report import report_text
from kho_sim.scenario import with_values
from kho_sim.trace.headline import headline, run_headline
from kho_sim.trace.summary import summary
from tests.chain.four_gib import HOST, booted

PAGE = 1 << 12
MIB = 1 << 20
GIB = 1 << 30

KERNEL = {"kind": "unmovable", "size": 2 * GIB}
SPARED = {"oom_score_adj": -1000}


def run(*workload, **values):
    return ks.run(with_values(HOST, {"workload": list(workload), **values}))


def victims(trace):
    return [(row.boot, row.victim) for row in trace["incidents"] if row.kind == "oom_kill"]


def process(memory, name, size_bytes, adjustment=0):
    started = memory.processes.start(name, adjustment)
    memory.processes.touch(started, size_bytes)
    return started


def unused_pages(pages):
    """Free pages, and those that per-CPU lists hold."""
    return pages.free_pages().pages + sum(zone.pcp.pages for zone in pages._zones)


def take_all(memory):
    """Take kernel memory until that is refused; return how much."""
    with pytest.raises(OutOfMemory) as refused:
        memory.pages.alloc(1 << 40, 0, UNMOVABLE)
    return sum(part.blocks for part in refused.value.allocated)


# In chains


def test_kernel_memory_that_is_short_costs_the_process_with_most_memory_and_goes_on() -> None:
    small, large = ({"kind": "anonymous", "size": size} for size in (600 * MIB, 1200 * MIB))
    trace = run(small, large, KERNEL)
    assert trace.outcome.kind == "completed"
    assert victims(trace) == [(0, "anonymous1"), (1, "anonymous1")]
    said = headline(trace)
    assert said.verdict == "completed, 2 processes killed by the OOM killer at boots 0-1"
    assert said.colour == "amber"
    assert summary(trace)["processes_killed"] == 2


def test_one_victim_is_named_in_headline_report_and_explanation() -> None:
    scenario = with_values(
        HOST, {"workload": [{"kind": "anonymous", "size": 2 * GIB}, KERNEL], "chain.boots": 1}
    )
    trace = ks.run(scenario)
    assert "anonymous0 killed by the OOM killer at boot 0" in str(headline(trace))
    report = " ".join(report_text(trace).split())
    assert '"Out of memory: Killed process (anonymous0) of 2 GiB' in report
    assert "1 process killed" in report
    assert "Killed process (anonymous0)" in str(ks.explain(scenario))


def test_who_is_spared_is_not_killed_and_the_kernel_panics() -> None:
    trace = run({"kind": "anonymous", "size": 2 * GIB, **SPARED}, KERNEL)
    assert (trace.outcome.kind, trace.outcome.message) == ("preserve_failed", DEADLOCK)
    assert victims(trace) == []


def test_a_process_that_touches_more_than_there_is_is_killed_itself() -> None:
    trace = run({"kind": "pinned", "size": 5 * GIB}, {"kind": "anonymous", "size": 64 * MIB})
    assert trace.outcome.kind == "completed"
    assert victims(trace) == [(0, "pinned0"), (1, "pinned0")]
    assert not [row for row in trace["events"] if "pinned0" in row.detail]


def test_nobody_is_killed_for_a_pin() -> None:
    trace = run({"kind": "anonymous", "size": 64 * MIB}, {"kind": "pinned", "size": 3 * GIB})
    assert victims(trace) == []
    assert any("failed: -ENOMEM" in row.detail for row in trace["events"])


MACHINES = {"kind": "vms", "count": 3, "size": 512 * MIB, "lifetime": "10000h"}


def test_a_machine_that_is_killed_is_lost_and_is_not_started_again() -> None:
    """Of machines of one size the youngest goes first."""
    grows = {"kind": "unmovable", "size": 256 * MIB, "grow": 1200 * MIB}
    trace = run(MACHINES, grows, **{"chain.boots": 3})
    assert trace.outcome.kind == "completed"
    assert victims(trace)[0] == (1, "vms0/2")
    lost = [(row.boot, row.name) for row in trace["file_outcomes"] if not row.kept]
    assert lost == victims(trace)
    handed = [{row.name for row in trace["files"] if row.boot == boot} for boot in (1, 2)]
    assert handed[0] == {"vms0/0", "vms0/1", "vms0/2"}
    assert handed[1] == handed[0] - {name for boot, name in victims(trace) if boot == 1}
    assert "lost" in headline(trace).verdict


def test_to_kill_a_machine_whose_memory_is_preserved_gives_nothing_back() -> None:
    """All three are killed in vain: live update has their files open."""
    memory = booted()
    for name in ("a", "b"):
        memory.processes.start(name, file=name)
        memory.create("memfd", name, 64 * MIB)
    memory.preserve(["a", "b"])
    before = memory.files["a"].pages
    take_all(memory)
    assert all(memory.files[name].pages == before for name in "ab")
    memory.unpreserve(0)
    memory.close("a")
    memory.pages.check()


def test_the_twin_has_victims_of_its_own() -> None:
    values = {"chain.twin": True, "chain.boots": 1}
    trace = run({"kind": "anonymous", "size": 2 * GIB}, KERNEL, **values)
    assert summary(trace)["processes_killed_without_extension"] == 1
    row = {**summary(trace), "outcome": "completed"}
    for twin in (False, True):
        assert "1 process killed by the OOM killer" in str(run_headline(row, twin=twin))


def test_a_score_is_of_a_thousand() -> None:
    with pytest.raises(ScenarioError, match="oom_score_adj"):
        run({"kind": "anonymous", "size": MIB, "oom_score_adj": 1001})


# In one kernel


def test_victims_are_those_that_a_naive_choice_has() -> None:
    """Most pages and thousandths of memory first, of equals the youngest; all that they had is free
    again."""
    draw = random.Random(3)
    memory = booted()
    before = unused_pages(memory.pages)
    sizes = [draw.randrange(1, 6) * 32 * MIB for _ in range(12)]
    adjustments = [draw.choice([-1000, -50, 0, 0, 20]) for _ in sizes]
    total = memory.pages.managed_pages()
    started = [
        process(memory, str(number), size, adjustment)
        for number, (size, adjustment) in enumerate(zip(sizes, adjustments, strict=True))
    ]
    ended = []
    memory.processes.on_kill = lambda victim, *_: ended.append(victim.name)
    take_all(memory)

    def points(one):
        tables = -(-sizes[one] // PAGE // 512)
        return sizes[one] // PAGE + tables + adjustments[one] * total // 1000, one

    able = [one for one in range(len(sizes)) if adjustments[one] > -1000]
    assert ended == [str(one) for one in sorted(able, key=points, reverse=True)]
    assert [one.killed for one in started] == [one in able for one in range(len(sizes))]
    memory.pages.check()
    assert before - unused_pages(memory.pages) <= total


def test_a_killed_process_gives_all_of_its_memory_back() -> None:
    memory = booted()
    before = unused_pages(memory.pages)
    started = memory.processes.start("large")
    memory.processes.touch(started, 8 * GIB)
    assert started.killed
    assert unused_pages(memory.pages) == before
    memory.pages.check()


def test_a_machine_that_grows_counts_with_what_it_has_so_far() -> None:
    """An older machine of the same size has more when the new one runs out of memory."""
    memory = booted()
    ended = []
    memory.processes.on_kill = lambda victim, *_: ended.append(victim.name)
    for name in ("a", "b"):
        started = memory.processes.start(name, file=name)
        with memory.processes.growing(started):
            memory.create("memfd", name, 2 * GIB)
    assert ended == ["a"]
    assert list(memory.files) == ["b"]
    memory.pages.check()


def test_loading_a_kernel_asks_the_oom_killer() -> None:
    """Kernel-facts-distro 10."""
    memory = booted()
    started = process(memory, "victim", 512 * MIB)
    asked, memory.pages.oom_killer = memory.pages.oom_killer, lambda _: False
    take_all(memory)
    with pytest.raises(PreserveFailed, match=f"^{DEADLOCK}$"):
        memory.load(memory.setup)
    memory.pages.oom_killer = asked
    memory.load(memory.setup)
    assert started.killed
    memory.pages.check()


def test_large_requests_kill_nobody() -> None:
    """Costly orders come back with nothing, and vmalloc() goes on with single pages."""
    memory = booted()
    started = process(memory, "bystander", 512 * MIB)
    with pytest.raises(OutOfMemory):
        memory.pages.alloc(1 << 20, 9, UNMOVABLE)
    assert not started.killed
