"""Preserved objects and sessions: what they take, what closing gives back, and memory that runs
out."""

import random
from dataclasses import replace
from types import SimpleNamespace

import pytest

from kho_sim.base.command_line import HugepageRequest, ReserveMem, ScratchRequest
from kho_sim.base.errors import ModelError
from kho_sim.base.extent import Extent
from kho_sim.builds import PageDemand, load_build
from kho_sim.kernel.boot import KernelSetup, boot_memory
from kho_sim.kernel.bring_up import initialise_deferred, node_of_user_space
from kho_sim.kernel.running import RunningMemory
from kho_sim.kho.preserve import LiveUpdate, Outgoing, PreserveFailed
from kho_sim.kho.preserve.reserve_mem import natural_pieces
from kho_sim.memory.early import BootOptions
from kho_sim.memory.pages import (
    DEADLOCK,
    INTERLEAVINGS,
    MOVABLE,
    UNMOVABLE,
    OutOfMemory,
    Run,
)
from kho_sim.memory.pages.kinds import run_of
from kho_sim.platform.firmware.e820 import qemu_machine
from kho_sim.platform.geometry import Geometry
from kho_sim.platform.loader import Placement
from kho_sim.platform.x86_64 import X86_64
from kho_sim.releases import load_release
from tests.kho.machines import allocator

MIB = 1 << 20
PAGE = 4096


def exhaust(pages, leave=0):
    """Take single unmovable pages until there are none, and give some back."""
    with pytest.raises(OutOfMemory) as short:
        pages.alloc(10**6, 0, UNMOVABLE)
    taken = [pfn for run in short.value.allocated for pfn in run.pfns()]
    pages.free([Run(pfn, 1) for pfn in taken[:leave]])
    return taken


def held(pages):
    """Pages on free lists and in front of them."""
    return pages.free_pages().pages + sum(zone.pcp.pages for zone in pages._zones)


def running(kho=True, hugepages=(), reserve_mem=()):
    machine = qemu_machine(128 * MIB, cpus=1)
    build = replace(
        load_build(),
        image_bytes=2 * MIB,
        swiotlb_bytes=0,
        demand=PageDemand(50, 20, 5, 50, 20, 20, 0, 0, 0),
    )
    setup = KernelSetup(
        X86_64(),
        build,
        BootOptions(hugepages=hugepages, reserve_mem=reserve_mem),
        kho=kho,
        scratch=ScratchRequest(0, 16 * MIB, 4 * MIB, 4 * MIB),
    )
    booted = boot_memory(machine, setup, None)
    interleaving = INTERLEAVINGS["parallel"]
    return RunningMemory.start(machine, setup, booted, None, interleaving, random.Random(0))


# Sessions


@pytest.mark.parametrize("sessions", [1, 51, 52, 103])
@pytest.mark.parametrize("files", [1, 63, 64])
def test_lists_of_sessions_and_files_take_the_blocks_of_kernel_facts_10_1(sessions, files):
    outgoing = Outgoing(allocator())
    luo = LiveUpdate(outgoing, load_release("7.3"))
    for session in range(sessions):
        for _ in range(files if session == 0 else 1):
            luo.add_file(f"s{session}")
    blocks = -(-sessions // 51) + -(-files // 63) + (sessions - 1)
    assert len(outgoing.tree) == len(luo.state_pages()) == blocks
    for session in reversed(range(1, sessions)):
        luo.remove_file(f"s{session}")
        luo.remove_session(f"s{session}")
    assert len(outgoing.tree) == 1 + -(-files // 63)
    for left in reversed(range(files)):
        luo.remove_file("s0")
        assert len(outgoing.tree) == 1 + -(-left // 63)
    luo.remove_session("s0")
    assert (len(outgoing.tree), luo.state_pages()) == (0, ())


def test_the_kernel_of_the_patch_keeps_its_array_of_sessions():
    outgoing = Outgoing(allocator())
    luo = LiveUpdate(outgoing, load_release("7.3-patch-v2"))
    luo.start_luo()
    before = outgoing.tree.counts_by_order()
    assert before == {0: 2, 4: 1}
    luo.add_file("s")
    assert outgoing.tree.counts_by_order() == {0: 2, 1: 1, 4: 1}
    luo.remove_file("s")
    luo.remove_session("s")
    assert outgoing.tree.counts_by_order() == before


@pytest.mark.parametrize(
    ("release", "objects"),
    [("7.0", {0: 3, 4: 1, 1: 1}), ("7.1", {0: 4, 4: 1, 1: 1}), ("7.2", {0: 6}), ("7.3", {0: 6})],
)
def test_objects_of_a_session_with_a_file_by_release(release, objects):
    """Kernel-facts-releases 6: FDT, LUO, FLB; metadata from 7.1 on; lists in arrays up to 7.1."""
    outgoing = Outgoing(allocator())
    luo = LiveUpdate(outgoing, load_release(release))
    luo.start_kho()
    luo.start_luo()
    luo.add_file("s")
    assert outgoing.tree.counts_by_order() == objects


def test_what_is_undone_goes_back_whole_whatever_its_order():
    pages = allocator()
    outgoing = Outgoing(pages)
    outgoing.allocate_preserved(2, 3)
    outgoing.begin()
    outgoing.allocate_preserved(3, 2)
    outgoing.allocate_preserved()
    outgoing.undo()
    assert outgoing.tree.counts_by_order() == {3: 2}
    tables = outgoing.tree.nodes
    assert held(pages) == held(allocator()) - 16 - tables
    pages.check()


def test_a_closed_file_of_huge_pages_gives_them_back_to_the_pool_of_their_size():
    memory = running(hugepages=(HugepageRequest(2 * MIB, 3),))
    before = sorted(memory.pool_of(2 * MIB))
    memory.create("hugetlb", "f", 4 * MIB, 2 * MIB)
    assert len(memory.pool_of(2 * MIB)) == 1
    memory.close("f")
    assert (sorted(memory.pool_of(2 * MIB)), memory.pool_of(1024 * MIB)) == (before, [])


def test_closing_one_session_leaves_the_others():
    memory = running()
    for number, session in enumerate("abab"):
        memory.create("memfd", f"f{number}", 3 * PAGE, session=session)
    keys = len(memory.outgoing.tree)
    memory.preserve(["f0", "f1"])
    only_two = len(memory.outgoing.tree)
    memory.preserve(["f2"])
    memory.close_session("b")
    assert [file.name for file in memory.handed] == ["f0", "f2"]
    memory.close_session("a")
    assert memory.handed == []
    assert len(memory.outgoing.tree) == keys < only_two
    memory.preserve(["f1", "f0"])
    assert len(memory.outgoing.tree) == only_two
    with pytest.raises(PreserveFailed, match=r"^-ENOENT$"):
        memory.close_session("c")


@pytest.mark.parametrize("step", [1, -1])
def test_keys_are_added_in_the_order_of_their_run(step):
    """Whose leaf is made first shows it."""
    outgoing = Outgoing(allocator())
    border = 1 << 15
    outgoing.preserve([run_of((border - 2, border + 2), 0, step)], 0)
    *_, low, high = outgoing.tree.freeze().table_pages()
    assert (low < high) == (step > 0)


def test_areas_are_preserved_once_and_with_a_page_that_lists_them():
    memory = running(reserve_mem=(ReserveMem(MIB, MIB, "oops"),))
    keys = len(memory.outgoing.tree)
    memory.preserve_own()
    assert len(memory.outgoing.tree) == keys + 1 + 1
    memory.preserve_own()
    assert len(memory.outgoing.tree) == keys + 1 + 1


def test_without_kho_nothing_is_preserved():
    memory = running(kho=False)
    memory.create("memfd", "f", PAGE)
    with pytest.raises(PreserveFailed, match=r"^KHO is disabled$"):
        memory.preserve(["f"])
    with pytest.raises(PreserveFailed, match=r"^-ENOENT$"):
        memory.close_session("s")
    with pytest.raises(ModelError, match=r"^nothing is preserved without KHO$"):
        memory.unpreserve(0)
    with pytest.raises(ModelError, match=r"^a hand-over needs KHO$"):
        memory.hand_over((), memory.setup)
    assert memory.work().keys_added == 0
    memory.preserve_own()


def test_a_kernel_is_handed_an_initrd_only_if_one_was_loaded():
    memory = running()
    kernel, parameters, descriptors, initrd = (
        Placement(name, start, PAGE)
        for name, start in (("kernel", MIB), ("boot_params", 0), ("descriptors", 5), ("initrd", 7))
    )
    for placed, loaded in (((), None), ((initrd,), Extent(7, 7 + PAGE))):
        handover = memory.hand_over((kernel, parameters, descriptors, *placed), memory.setup)
        assert handover.loaded.initrd == loaded


# Memory that runs out


def test_a_tree_needs_a_page_for_its_root():
    pages = allocator()
    exhaust(pages)
    with pytest.raises(
        PreserveFailed, match=r"^KHO: no memory for the preserved memory tree: -ENOMEM$"
    ):
        Outgoing(pages)


@pytest.mark.parametrize(
    "take",
    [
        lambda outgoing: outgoing.allocate(5000, 0),
        lambda outgoing: outgoing.allocate(5000, 2),
        lambda outgoing: outgoing.vmalloc(5000),
    ],
)
def test_what_can_not_be_had_whole_is_given_back(take):
    pages = allocator()
    outgoing = Outgoing(pages)
    exhaust(pages, leave=200)
    before, work = held(pages), outgoing.work
    with pytest.raises(PreserveFailed, match=f"^{DEADLOCK}$"):
        take(outgoing)
    assert (held(pages), outgoing.work) == (before, work)


def test_a_kernel_without_room_to_pin_is_deadlocked():
    memory = running()
    memory.create("memfd", "f", 98 * MIB)
    with pytest.raises(PreserveFailed, match=r"^System is deadlocked on memory$"):
        memory.preserve(["f"])


def test_a_tree_that_gets_no_table_preserves_nothing():
    pages = allocator()
    outgoing = Outgoing(pages)
    run = pages.alloc(1, 0, UNMOVABLE)
    exhaust(pages)
    with pytest.raises(PreserveFailed, match=f"^{DEADLOCK}$"):
        outgoing.preserve(run, 0)
    assert (len(outgoing.tree), outgoing.tree.nodes) == (0, 1)


def test_a_failed_addition_gives_its_tables_back():
    pages = allocator()
    outgoing = Outgoing(pages)
    run = pages.alloc(1, 0, UNMOVABLE)
    taken = exhaust(pages)
    minimum = 0
    while True:  # as many pages as the watermark keeps, and some for tables
        pages.free([Run(taken.pop(), 1)])
        minimum += 1
        before = held(pages)
        try:
            outgoing.preserve(run, 0)
            break
        except PreserveFailed:
            assert held(pages) == before
    assert minimum >= 5, "five tables below the root"
    assert outgoing.tree.nodes == 6


def test_a_load_without_pages_gives_back_what_it_got():
    memory = running()
    exhaust(memory.pages, leave=900)
    before = held(memory.pages)
    with pytest.raises(PreserveFailed, match=rf"^{DEADLOCK}$"):
        memory.load(memory.setup)
    assert held(memory.pages) == before


def test_a_huge_page_pool_gets_what_there_is():
    memory = running(hugepages=(HugepageRequest(2 * MIB, 100),))
    got = len(memory.pool_of(2 * MIB))
    assert 10 < got < 100
    assert memory.messages == [
        f"HugeTLB: allocating 100 of page size 2.00 MiB failed.  Only allocated {got} hugepages."
    ]
    assert len(set(memory.pool_of(2 * MIB))) == got
    assert all(address % (2 * MIB) == 0 for address in memory.pool_of(2 * MIB))


# Pieces


def test_an_array_of_addresses_grows_by_chunks_of_511():
    outgoing = Outgoing(allocator())
    assert sum(run.blocks for run in outgoing.preserve_vmalloc(outgoing.vmalloc(510))) == 1
    assert sum(run.blocks for run in outgoing.preserve_vmalloc(outgoing.vmalloc(511))) == 2
    assert sum(run.blocks for run in outgoing.preserve_vmalloc(outgoing.vmalloc(1100))) == 3
    assert len(outgoing.tree) == 510 + 511 + 1100 + 6


def test_vmalloc_falls_back_to_smaller_pieces():
    pages = allocator()
    runs = pages.alloc(2000, 0, MOVABLE)
    taken = [pfn for run in runs for pfn in run.pfns()]
    exhaust(pages)
    pages.free([Run(pfn, 1) for pfn in taken if pfn % 8 < 4], user=True)
    pages.settle()
    got = pages.alloc_largest(300)
    assert sum(run.blocks for run in got) == 300
    assert max(run.blocks for run in got) >= 4, "pieces of four where there are some"
    held = {pfn for run in got for pfn in run.pfns()} & set(taken)
    assert all(pfn % 8 < 4 for pfn in held)


@pytest.mark.parametrize(
    ("cpus", "node"), [([1, 1], 1), ([0, 4], 0), ([2, 1], 0), ([2, 1, 2], 2), ([4], 0)]
)
def test_user_space_runs_on_the_next_node_with_as_many_cpus(cpus, node):
    nodes = tuple(range(len(cpus)))
    machine = SimpleNamespace(nodes=nodes, present_cpus_of=cpus.__getitem__)
    assert node_of_user_space(machine, init_moves=True) == node
    assert node_of_user_space(machine, init_moves=False) == 0


def test_mount_tables_above_the_largest_block_come_from_vmalloc():
    pages = allocator(64)
    before = held(pages)
    booted = SimpleNamespace(
        early=SimpleNamespace(cma_areas=[], free_pages=1 << 30, geometry=Geometry())
    )  # 4 TiB: 8 MiB a table
    build = replace(load_build(), demand=PageDemand(*[0] * 9))
    setup = KernelSetup(X86_64(), build, BootOptions())
    initialise_deferred(pages, booted, setup, 1)
    assert before - held(pages) == 2 * 2048


@pytest.mark.parametrize(
    ("first_pfn", "pages", "orders"),
    [(0, 6, [2, 1]), (5, 8, [0, 1, 2, 0]), (8, 8, [3]), (3, 0, [])],
)
def test_areas_are_cut_at_natural_borders(first_pfn, pages, orders):
    pieces = natural_pieces(first_pfn, pages)
    assert [order for _, order in pieces] == orders
    ends = [pfn + (1 << order) for pfn, order in pieces]
    assert [pfn for pfn, _ in pieces] == [first_pfn, *ends[:-1]][: len(pieces)]


def test_a_kernel_writes_the_version_of_its_own_release():
    memory = running()
    memory.setup = replace(
        memory.setup, release=replace(memory.setup.release, kho_compatible="kho-v3")
    )
    placed = tuple(
        Placement(name, 0, PAGE) for name in ("kernel", "descriptors", "boot_params", "initrd")
    )
    assert memory.hand_over(placed, memory.setup).kho.compatible == "kho-v3"
