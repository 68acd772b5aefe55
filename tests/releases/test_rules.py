"""The rules in which releases differ, each as what a chain or a step of it comes out as."""

from __future__ import annotations

from functools import cache

import pytest

from kho_sim import loads, run
from kho_sim.kho.radix import RadixTree
from kho_sim.kho.retrieve import RetrieveOptions
from kho_sim.kho.retrieve.per_key import retrieve
from kho_sim.kho.versions import file_messages, luo_messages, versions_of
from kho_sim.memory.memblock import Memblock
from kho_sim.rates import load_hardware
from kho_sim.releases import load_release
from kho_sim.scenario.notes import notes_of
from kho_sim.trace.records import Boot, Event, FileOutcome
from kho_sim.trace.trace import Trace

MIB, GIB = 1 << 20, 1 << 30
MEMFDS = "{kind: memfd, count: 2, size: 1MiB}"


@cache
def chain(release: str, line: str = "kho=on", work: str = MEMFDS, machine: str = "") -> Trace:
    machine = machine or "{memory: 2GiB, cpus: 2}"
    return run(
        loads(f"""
machine: {machine}
kernel: {{command_line: '{line}', release: '{release}'}}
workload: [{work}]
chain: {{boots: 3, twin: false}}
""")
    )


@pytest.mark.parametrize(
    ("release", "by_order"),
    [
        ("6.18", {0: 1}),
        ("6.19", {0: 520, 1: 1, 4: 1}),
        ("7.0", {0: 521, 1: 1, 4: 1}),
        ("7.1", {0: 522, 1: 1, 4: 1}),
        ("7.2", {0: 524}),
        ("7.4", {0: 524}),
    ],
)
def test_one_session_of_two_memfds_takes_as_many_keys(release, by_order):
    """Kernel-facts-releases 6."""
    boots = chain(release)[Boot]
    assert [dict(boot.preservations_by_order) for boot in boots[1:]] == [by_order] * 2


@pytest.mark.parametrize(
    ("release", "count", "sessions", "message"),
    [
        ("7.1", 129, False, "-ENOSPC"),
        ("7.1", 820, True, "-ENOMEM"),
        ("7.0", 128, False, ""),
        ("7.2", 129, False, ""),
    ],
)
def test_lists_that_are_one_array_are_full_some_day(release, count, sessions, message):
    """Kernel-facts-releases 6: 819 sessions, 128 files a session before 7.2."""
    one = "{{kind: memfd, size: 4KiB, session: s{}}}"
    work = (
        ", ".join(one.format(number) for number in range(count))
        if sessions
        else f"{{kind: memfd, count: {count}, size: 4KiB}}"
    )
    outcome = chain(release, work=work).outcome
    assert outcome.kind == ("preserve_failed" if message else "completed")
    assert outcome.message == message


def spent(trace: Trace, what: str) -> int:
    return max(row.end_ns - row.start_ns for row in trace[Event] if row.what == what)


def test_a_checksum_is_made_at_the_load_and_after_the_jump():
    for phase in ("load", "jump"):
        assert spent(chain("7.2"), phase) > spent(chain("7.3"), phase) + 1_000_000


def test_struct_pages_that_are_not_deferred_take_their_time_in_early_boot():
    pages = 2 * GIB // 4096
    more_ns = spent(chain("7.1"), "early_boot") - spent(chain("7.2"), "early_boot")
    assert 10 * pages < more_ns < 15 * pages
    of_page = load_hardware().rates["tables_walked"].central
    nodes = [max(boot.radix_nodes or 0 for boot in chain(name)[Boot]) for name in ("7.1", "7.2")]
    more_tables_ns = (nodes[0] - nodes[1]) * of_page
    assert spent(chain("7.1"), "retrieve") - more_tables_ns < spent(chain("7.2"), "retrieve")


def test_without_deferral_all_memory_is_in_the_allocator_at_once(monkeypatch):
    from kho_sim.kernel import bring_up

    free: list[int] = []
    opened = bring_up.open_allocator

    def open_allocator(*arguments):
        pages = opened(*arguments)
        free.append(pages.free_pages())
        return pages

    monkeypatch.setattr("kho_sim.kernel.running.open_allocator", open_allocator)
    for release in ("7.1", "7.2"):
        chain.__wrapped__(release, machine="{memory: 8GiB, cpus: 2}")
    at_once, deferred = free[0], free[3]
    assert at_once > 4 * deferred


@pytest.mark.parametrize(("release", "late"), [("6.18", True), ("6.19", False), ("7.3", False)])
def test_scratch_reaches_the_allocator_before_or_after_drivers(release, late, monkeypatch):
    from kho_sim.kho.preserve import LiveUpdate
    from kho_sim.memory.pages import PageAllocator

    steps: list[str] = []
    for owner, name in ((PageAllocator, "release_scratch"), (LiveUpdate, "start_luo")):
        step = getattr(owner, name)

        def noted(self, step=step, name=name):
            steps.append(name)
            return step(self)

        monkeypatch.setattr(owner, name, noted)
    chain.__wrapped__(release)
    order = ["start_luo", "release_scratch"] if late else ["release_scratch", "start_luo"]
    assert steps == [*order, "start_luo", "start_luo"]


@pytest.mark.parametrize(("release", "kho"), [("6.19", False), ("7.0", True)])
def test_a_node_without_memory_switches_kho_off_before_7_0(release, kho):
    machine = (
        "{cpus: 4, nodes: 2, memory_map: [{start: 4KiB, end: 636KiB}, {start: 1MiB, end: 2GiB}]}"
    )
    outcome = chain(release, machine=machine).outcome
    assert outcome.kind == ("completed" if kho else "kho_disabled")
    assert outcome.message == ("" if kho else "KHO: Failed to reserve nid 1 scratch buffer")


def reserved_after(release: str, order: int) -> list[tuple[int, int]]:
    memblock = Memblock()
    memblock.add(0, 16 * GIB)
    tree = RadixTree()
    tree.add_pages(4 * GIB >> 12, 1 << order, order)
    whole = load_release(release).sizes_have_64_bits
    retrieve(memblock, tree.freeze(), RetrieveOptions(sizes_have_64_bits=whole))
    return [(region.base, region.end) for region in memblock.reserved]


@pytest.mark.parametrize(
    ("release", "order", "end"),
    [
        ("7.1", 18, 5 * GIB),
        ("7.1", 19, 16 * GIB),
        ("7.1", 20, 4 * GIB + 1),
        ("7.2", 19, 6 * GIB),
        ("7.3", 20, 8 * GIB),
    ],
)
def test_a_block_of_two_gib_has_a_size_of_its_own_before_7_2(release, order, end):
    """Kernel-facts-releases 11: to the end of memory, and then a byte."""
    assert reserved_after(release, order) == [(4 * GIB, end)]


@pytest.mark.parametrize(("release", "lost"), [("7.0", 2), ("7.1", 0)])
def test_gigantic_pages_are_restored_from_7_1_on(release, lost):
    trace = chain(
        release,
        line="kho=on hugepagesz=1G hugepages=1",
        work="{kind: hugetlb, size: 1GiB, preserve: 1}",
        machine="{memory: 16GiB, cpus: 2}",
    )
    assert len([row for row in trace[FileOutcome] if not row.kept]) == min(lost, 1)


SIZES = "64M,96M,32M"


@pytest.mark.parametrize(
    ("release", "option", "known"),
    [
        ("7.3", "kho_scratch", True),
        ("7.3", "kho_bootmem", False),
        ("7.4", "kho_scratch", False),
        ("7.4", "kho_bootmem", True),
    ],
)
def test_each_release_sizes_scratch_by_its_own_option(release, option, known):
    line = f"kho=on {option}={SIZES}"
    areas = chain(release, line=line)[Boot][0].scratch_areas
    assert ([size >> 20 for _, size in areas] == [64, 96, 32]) == known
    scenario = loads(
        f"machine: {{memory: 2GiB}}\nkernel: {{release: '{release}', command_line: '{line}'}}\n"
    )
    notes = [note for note in notes_of(scenario) if note.kind == "no effect"]
    assert len(notes) == (not known)
    assert all(f"instead of {option}=" in note.text for note in notes)


@pytest.mark.parametrize(
    ("release", "line", "noted"),
    [("6.18", "quiet", True), ("6.18", "kho=on", False), ("6.19", "quiet", False)],
)
def test_a_release_that_is_off_by_default_is_noted(release, line, noted):
    scenario = loads(
        f"machine: {{memory: 2GiB}}\nkernel: {{release: '{release}', command_line: {line}}}\n"
    )
    assert any("KHO off without kho=on" in note.text for note in notes_of(scenario)) == noted


@pytest.mark.parametrize(
    ("release", "text"),
    [("7.1", "nothing of it was recorded"), ("7.4", "neither its source nor a log"), ("7.2", "")],
)
def test_a_release_that_was_not_recorded_is_noted(release, text):
    scenario = loads(f"machine: {{memory: 2GiB}}\nkernel: {{release: '{release}'}}\n")
    notes = [note.text for note in notes_of(scenario) if note.kind == "source only"]
    assert len(notes) == bool(text)
    assert all(text in note for note in notes)


def test_a_kernel_without_luo_says_nothing_of_what_a_later_one_left():
    found = versions_of(load_release("7.3"))
    assert found.luo
    assert luo_messages(found, load_release("6.18")) == ()
    assert file_messages(found, load_release("6.18"), ["vms"]) == ()


def test_files_of_another_version_are_said_to_be_of_the_first_session_if_there_is_one():
    release = load_release("7.3")
    found = versions_of(release).foreign("memfd")
    for sessions, name in (["vms", "more"], "vms"), ([], ""):
        assert f"for session [{name}]" in file_messages(found, release, sessions)[1]


def test_what_is_not_there_has_no_version_that_could_be_foreign():
    """Kernel-facts-releases 13 and 14: 6.16 has no live update and no metadata."""
    old = versions_of(load_release("6.16"))
    assert (old.luo, old.memfd, old.metadata) == ("", "", 0)
    assert old.foreign("luo") == old.foreign("memfd") == old


def test_a_kernel_names_the_state_that_it_would_have_read():
    release = load_release("7.3")
    found = versions_of(release).foreign("luo")
    assert found.luo.endswith("-v0")
    (said, panic) = luo_messages(found, release)
    assert said == f"luo: LUO state is incompatible with '{release.luo.compatible}'"
    assert "[-22]" in panic
