"""Random worlds on each platform, page size and release: what no chain may break, from its records.

Beside ``chain/invariants.py`` nothing of the model has a part in this: addresses of the records are
added up and compared here. Memory is neither lost nor made between two moments of a boot; what is
preserved is never marked as scratch, and lies in busy blocks; larger blocks cover smaller ones and
recover no more; the twin lives in the same world.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import kho_sim as ks
from kho_sim.base.errors import ScenarioError
from kho_sim.base.extent import intersected, merged, subtracted, total_size
from kho_sim.memory.memblock import KHO_SCRATCH
from kho_sim.releases import RELEASES
from kho_sim.scenario import from_dict
from tests.fuzz.scenarios import GIB, MIB, one_of, some
from tests.hand_made import with_records

QUICK = settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
LONG = settings(QUICK, max_examples=60, derandomize=False)
BUDGETS = [QUICK, pytest.param(LONG, marks=pytest.mark.long)]
PLATFORMS = {
    "x86_64": ({"platform": "x86_64"}, {}),
    "arm64": ({"platform": "arm64"}, {}),
    "arm64-uefi": ({"platform": "arm64", "firmware": "qemu-virt-uefi"}, {}),
    "arm64-16KiB": ({"platform": "arm64"}, {"page_size": "16KiB"}),
    "arm64-64KiB": ({"platform": "arm64"}, {"page_size": "64KiB"}),
}
SHIFTS = [25, 26, 27, 28, 29, 30]
FILES = st.lists(
    some(
        {"kind": "memfd", "size": one_of(64 << 10, 5 * MIB, 33 * MIB, 200 * MIB)},
        count=one_of(1, 3, 9),
        grow=st.integers(0, 2),
        drop=st.integers(0, 2),
    ),
    min_size=1,
    max_size=3,
)


def worlds(platform: str, release: str | None = None) -> st.SearchStrategy[dict[str, Any]]:
    machine, kernel = PLATFORMS[platform]
    memory = one_of(3 * GIB, 5 * GIB, 9 * GIB)
    shift = st.sampled_from(SHIFTS)
    extend = st.fixed_dictionaries({"strategy": st.just("blocks"), "shift": shift})
    releases = st.just(release) if release else st.sampled_from(sorted(RELEASES))
    return st.fixed_dictionaries(
        {
            "machine": some({"memory": memory, **machine}, cpus=one_of(1, 4), nodes=one_of(1, 2)),
            "kernel": some({"extend": extend, **kernel}, release=releases),
            "workload": FILES,
            "chain": some({"boots": one_of(3, 4), "seed": st.integers(0, 99)}),
            "what_if": st.just([{"strategy": "blocks", "shifts": SHIFTS}]),
        }
    )


def check_world(words: dict[str, Any]) -> str:
    """Run a scenario, compare what it left behind, and return its outcome ('' if refused)."""
    try:
        trace = ks.run(from_dict(words))
    except ScenarioError:
        return ""
    for one in (trace, trace.twin):
        check_memory(one)
        check_marks(one)
        check_reserved(one)
    check_blocks(trace, words["kernel"]["extend"]["shift"])
    check_larger_blocks(trace)
    check_twin(trace)
    return trace.outcome.kind


def check_memory(trace) -> None:
    """Each byte is in one region of memory at each moment, the same bytes in the whole boot."""
    arrays = defaultdict(list)
    for row in trace["regions"]:
        arrays[row.boot, row.moment, row.array].append((row.start, row.end))
    memory = {}
    for (boot, moment, array), extents in arrays.items():
        assert all(left[1] <= right[0] for left, right in pairwise(extents)), (boot, moment, array)
        if array == "memory":
            whole = merged(extents)
            assert memory.setdefault(boot, whole) == whole, (boot, moment)
            assert total_size(whole) == sum(end - start for start, end in extents)


def preserved_of(trace) -> dict[int, list[tuple[int, int]]]:
    found = defaultdict(list)
    for run in trace["preserved"]:
        found[run.boot].append((run.start, run.end))
    return found


def check_marks(trace) -> None:
    """No preserved byte is ever in a region that allocations may use as scratch."""
    marked = defaultdict(list)
    for row in trace["regions"]:
        if row.array == "memory" and row.flags & KHO_SCRATCH:
            marked[row.boot, row.moment].append((row.start, row.end))
    kept = preserved_of(trace)
    for (boot, moment), extents in marked.items():
        assert intersected(merged(extents), merged(kept[boot])) == [], (boot, moment)


def check_reserved(trace) -> None:
    """All that a kernel found preserved is reserved once it has retrieved it."""
    reserved = defaultdict(list)
    for row in trace["regions"]:
        if (row.array, row.moment) == ("reserved", "after_retrieve"):
            reserved[row.boot].append((row.start, row.end))
    kept = preserved_of(trace)
    for boot, extents in reserved.items():
        assert subtracted(merged(kept[boot]), merged(extents)) == [], boot


def check_blocks(trace, shift: int) -> None:
    """All that is preserved lies in busy blocks."""
    kept = preserved_of(trace)
    for boot in trace["boots"]:
        if boot.extended_bytes:
            blocks = merged((start, start + (1 << shift)) for start in boot.busy_blocks)
            assert subtracted(merged(kept[boot.boot]), blocks) == [], boot.boot


def check_larger_blocks(trace) -> None:
    """Blocks twice as large cover at least as much, and recover no more."""
    rows = defaultdict(list)
    for row in trace["alternatives"]:
        if not row.error and not row.panic:
            rows[row.boot].append((row.shift, row.busy_block_count, row.extended_bytes))
    for found in rows.values():
        for (low, few, more_bytes), (high, count, less_bytes) in pairwise(sorted(found)):
            assert few << low <= count << high
            assert less_bytes <= more_bytes


def check_twin(trace) -> None:
    """The chain without the extension has the same first kernel, and never recovers anything."""
    twin = trace.twin
    assert all(not boot.extended_bytes for boot in twin["boots"])
    if trace["boots"] and twin["boots"]:
        assert trace["boots"][0].scratch_areas == twin["boots"][0].scratch_areas
    ours, theirs = ([row for row in one["allocations"] if row.boot == 0] for one in (trace, twin))
    assert [(row.what, row.address) for row in ours] == [(row.what, row.address) for row in theirs]


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_worlds_of_each_platform(platform, budget):
    outcomes = []

    @budget
    @given(worlds(platform))
    def holds(words):
        outcomes.append(check_world(words))

    holds()
    assert "completed" in outcomes


@pytest.mark.long
@pytest.mark.parametrize("release", sorted(RELEASES))
def test_worlds_of_each_release(release):
    outcomes = []

    @settings(LONG, max_examples=20)
    @given(worlds("x86_64", release))
    def holds(words):
        outcomes.append(check_world(words))

    holds()
    assert any(outcomes)


WORLD = {
    "machine": {"memory": 3 * GIB},
    "kernel": {"extend": {"strategy": "blocks", "shift": 27}},
    "workload": [{"kind": "memfd", "size": 33 * MIB, "count": 3}],
    "chain": {"boots": 3},
    "what_if": [{"strategy": "blocks", "shifts": SHIFTS}],
}


@pytest.fixture(scope="module")
def sound():
    return ks.run(from_dict(WORLD))


def kho_memory(trace):
    """The place of the first region of memory of the second kernel after its extension."""
    return next(
        index
        for index, row in enumerate(trace["regions"])
        if row.boot == 1 and row.array == "memory" and row.moment == "after_extend"
    )


def test_memory_that_is_lost_is_noticed(sound):
    rows = list(sound["regions"])
    place = kho_memory(sound)
    rows[place] = replace(rows[place], start=rows[place].start + 1)
    with pytest.raises(AssertionError):
        check_memory(with_records(sound, regions=tuple(rows)))


def test_a_mark_over_preserved_memory_is_noticed(sound):
    marked = [replace(row, flags=KHO_SCRATCH) for row in sound["regions"]]
    with pytest.raises(AssertionError):
        check_marks(with_records(sound, regions=tuple(marked)))


def test_preserved_memory_that_is_not_reserved_is_noticed(sound):
    rows = [row for row in sound["regions"] if row.array == "memory" or row.start > GIB]
    with pytest.raises(AssertionError):
        check_reserved(with_records(sound, regions=tuple(rows)))


def test_a_busy_block_that_is_missing_is_noticed(sound):
    boots = [
        replace(boot, busy_blocks=tuple(boot.busy_blocks or ())[1:]) for boot in sound["boots"]
    ]
    with pytest.raises(AssertionError):
        check_blocks(with_records(sound, boots=tuple(boots)), 27)


@pytest.mark.parametrize("change", [{"extended_bytes": 1 << 60}, {"busy_block_count": 0}])
def test_a_larger_block_that_recovers_more_or_covers_less_is_noticed(sound, change):
    rows = [replace(row, **change) if row.shift == 28 else row for row in sound["alternatives"]]
    with pytest.raises(AssertionError):
        check_larger_blocks(with_records(sound, alternatives=tuple(rows)))


def test_a_twin_of_another_world_is_noticed(sound):
    other = ks.run(from_dict({**WORLD, "machine": {"memory": 5 * GIB}}))
    with pytest.raises(AssertionError):
        check_twin(replace(sound, twin=other.twin))
