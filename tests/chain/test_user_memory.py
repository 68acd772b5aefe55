"""Pins, page cache and guest memory in whole chains."""

import pytest

import kho_sim as ks
from kho_sim.kernel.user_memory import pin, take
from kho_sim.memory.pages import OutOfMemory, Run, Runs
from kho_sim.scenario import with_values
from tests.chain.four_gib import HOST, booted

MIB = 1 << 20
GIB = 1 << 30


SMALL = with_values(
    HOST, {"machine.memory": GIB, "kernel.command_line": "kho=on kho_scratch=16M,128M,128M"}
)


def run(*workload, host=HOST):
    return ks.run(with_values(host, {"workload": list(workload)}))


def said(trace):
    return [row.detail for row in trace["events"] if row.what == "message"]


def unused_pages(pages):
    """Free pages, and those that per-CPU lists hold."""
    return pages.free_pages().pages + sum(zone.pcp.pages for zone in pages._zones)


def test_a_pin_moves_what_lies_in_scratch_and_holds() -> None:
    trace = run({"kind": "pinned", "size": 2 * GIB, "after": "10m"})
    assert trace.outcome.kind == "completed"
    (first, *_) = [line for line in said(trace) if "pinned0" in line]
    assert first.startswith("pinned0: 2 GiB pinned, ")
    assert not first.endswith(" 0 B of it moved out of scratch")


def test_a_pin_without_room_outside_of_scratch_fails_and_the_chain_goes_on() -> None:
    trace = run({"kind": "pinned", "size": 3 * GIB})
    assert trace.outcome.kind == "completed"
    failed = [line for line in said(trace) if "long-term pin of 3 GiB failed: -ENOMEM" in line]
    assert len(failed) == 2
    assert "in scratch or other CMA, which only user memory may have" in failed[0]


@pytest.mark.parametrize(("spare", "holds"), [(64 * MIB, True), (-8 * MIB, False)])
def test_the_ceiling_for_pins_is_where_pins_begin_to_fail(spare: int, holds: bool) -> None:
    ceiling = ks.cost(with_values(HOST, {"workload": []})).configured.pinned_ceiling_bytes
    trace = run({"kind": "pinned", "size": (ceiling - spare) // MIB * MIB})
    failed = [line for line in said(trace) if "failed: -ENOMEM" in line]
    assert bool(failed) != holds


def test_a_pin_that_fails_loses_no_memory() -> None:
    memory = booted()
    runs = take(memory.pages, 3 * GIB, movable=True)
    before = unused_pages(memory.pages)
    with pytest.raises(OutOfMemory):
        pin(memory.pages, runs)
    assert unused_pages(memory.pages) == before
    memory.pages.check()


def test_how_the_pages_of_a_pin_are_cut_into_runs_decides_nothing() -> None:
    places = []
    for in_pieces in (False, True):
        pages = booted().pages
        runs = take(pages, 64 * MIB, movable=True)
        if in_pieces:
            runs = [Run(pfn, 1) for run in runs for pfn in run.pfns()]
        assert pin(pages, runs)
        places.append((Runs.of(runs).joined(0), pages.free_pages()))
    assert places[0] == places[1]


def test_page_cache_is_given_back_where_other_user_memory_stays() -> None:
    kernel = {"kind": "unmovable", "size": 512 * MIB}
    cache = {"kind": "page_cache", "size": 512 * MIB}
    assert run(cache, kernel, host=SMALL).outcome.kind == "completed"
    spared = {"kind": "anonymous", "size": 512 * MIB, "oom_score_adj": -1000}
    died = run(spared, kernel, host=SMALL).outcome
    assert (died.kind, died.boot) == ("preserve_failed", 0)


def test_available_memory_counts_page_cache() -> None:
    memory = booted()
    before = memory.pages.available_pages()
    for part in take(memory.pages, GIB, movable=True):
        memory.pages.cached.add(part)
    after = memory.pages.available_pages()
    assert before - after < 0.02 * before
    given_back = memory.pages.cached.oldest(1000)
    assert sum(part.blocks for part in given_back) == 1000
    assert memory.pages.cached.pages == (GIB >> 12) - 1000


def test_guest_memory_is_handed_on_in_single_pages_that_no_pin_has_to_move() -> None:
    trace = run({"kind": "guest_memfd", "count": 2, "size": 512 * MIB})
    assert trace.outcome.kind == "completed"
    boot = trace["boots"][1]
    assert dict(boot.preservations_by_order)[0] >= 2 * (512 * MIB >> 12)
    assert {row.kind for row in trace["files"]} == {"guest_memfd"}
    scratch = [(start, start + size) for start, size in trace["boots"][0].scratch_areas]
    for row in trace["preserved"]:
        assert not any(row.start < end and start < row.end for start, end in scratch)


def test_guest_memory_is_named_as_assumed() -> None:
    scenario = with_values(HOST, {"workload": [{"kind": "guest_memfd", "size": 64 * MIB}]})
    assert "guest_memfd" in str(ks.explain(scenario)).split("Notes: ")[1]


def test_preserving_fills_the_hole_of_a_sparse_file() -> None:
    sparse = {"kind": "memfd", "size": 64 * MIB, "written": 16 * MIB}
    full = {"kind": "memfd", "size": 64 * MIB}
    traces = [run(one) for one in (sparse, full)]
    keys = [dict(trace["boots"][1].preservations_by_order) for trace in traces]
    assert keys[0][0] == keys[1][0] >= 64 * MIB >> 12
    (handed,) = traces[0]["files"]
    assert handed.size_bytes == 64 * MIB


def test_a_sparse_file_can_be_too_large_to_preserve_though_it_was_made() -> None:
    """3 GiB of 4: with scratch of 1.1 GiB outside of which pins have to be."""
    sparse = {"kind": "memfd", "size": 3 * GIB, "written": MIB}
    trace = run(sparse)
    assert (trace.outcome.kind, trace.outcome.boot) == ("preserve_failed", 0)
    alone = run({**sparse, "preserve": False})
    assert alone.outcome.kind == "completed"


def test_a_file_cannot_have_more_written_than_it_is_large() -> None:
    with pytest.raises(ks.ScenarioError, match="no room for so much"):
        run({"kind": "memfd", "size": MIB, "written": 2 * MIB})


POOL = ks.loads("""
machine: {memory: 16GiB, cpus: 2}
kernel:
  command_line: kho_scratch=64M,64M,64M hugepagesz=1G hugepages=8
workload:
- {kind: hugetlb, preserve: 3}
chain: {boots: 3, twin: false}
""")


def gigantic_keys(trace):
    return [dict(boot.preservations_by_order).get(18, 0) for boot in trace["boots"][1:]]


def test_a_pool_is_handed_on_as_far_as_it_is_used_or_whole() -> None:
    used = ks.run(POOL)
    whole = ks.run(with_values(POOL, {"workload[0].pool": "whole"}))
    assert (used.outcome.kind, whole.outcome.kind) == ("completed", "completed")
    assert gigantic_keys(used) == [3, 3]
    assert gigantic_keys(whole) == [8, 8]
    for trace in (used, whole):
        assert [boot.gigantic_pages_allocated for boot in trace["boots"]] == [8, 8, 8]
    # What is handed on is busy: nothing of it can be early memory.
    recovered = [trace["boots"][2].extended_bytes for trace in (used, whole)]
    assert recovered[0] > recovered[1]
