"""Kinds of preserved objects: each goes from kernel to kernel, and a new one is one class."""

import random
from dataclasses import replace

import pytest

from kho_sim.base.command_line import HugepageRequest, ReserveMem, ScratchRequest
from kho_sim.base.errors import ModelError
from kho_sim.builds import PageDemand, load_build
from kho_sim.chain.invariants import check_hand_over, check_running, check_survivors
from kho_sim.kernel.boot import KernelSetup, boot_memory
from kho_sim.kernel.running import RunningMemory
from kho_sim.kho.handover import Folios
from kho_sim.kho.preserve import KINDS, LiveObject, PreserveFailed
from kho_sim.memory.early import BootOptions
from kho_sim.memory.pages import INTERLEAVINGS, UNMOVABLE
from kho_sim.platform.firmware.e820 import qemu_machine
from kho_sim.platform.x86_64 import X86_64

MIB = 1 << 20
PAGE = 4096


class VmallocArea:
    """Kernel pages, virtually contiguous: a key for each page, and chunks that list them."""

    name = "vmalloc area"

    def create(self, home, wanted):
        runs = home.pages.alloc(wanted.size_bytes // PAGE, 0, UNMOVABLE)
        data = [Folios.of(runs, 0)]
        return LiveObject(wanted.name, self.name, wanted.size_bytes, data, wanted.session)

    def preserve(self, luo, live):
        luo.add_file(live.session)
        chunks = luo.outgoing.preserve_vmalloc([run for folios in live.data for run in folios.runs])
        return live.handed(chunks[0], chunks)

    def unpreserve(self, luo, handed):
        luo.outgoing.unpreserve([run for folios in handed.data for run in folios.runs], 0)
        luo.outgoing.free_preserved(handed.metadata)
        luo.remove_file(handed.session)

    def retrieve(self, home, handed):
        home.pages.adopt(handed.data[0].extents(12), user=False)
        return LiveObject.of(handed)

    def close(self, home, live):
        home.pages.free([run for folios in live.data for run in folios.runs])


FILES = {"memfd": PAGE, "hugetlb": 2 * MIB, "vmalloc area": PAGE}
"""Kind of user space -> bytes of its folios."""
AREAS = (ReserveMem(3 * MIB, PAGE, "oops"), ReserveMem(MIB, PAGE, "trace"))


@pytest.fixture(autouse=True)
def a_fourth_kind(monkeypatch):
    monkeypatch.setitem(KINDS, "vmalloc area", VmallocArea())


def setup_of(areas=AREAS):
    demand = PageDemand(50, 20, 5, 50, 20, 20, 0, 0, 0)
    return KernelSetup(
        X86_64(),
        replace(load_build(), image_bytes=2 * MIB, swiotlb_bytes=0, demand=demand),
        BootOptions(hugepages=(HugepageRequest(2 * MIB, 4),), reserve_mem=areas),
        scratch=ScratchRequest(0, 16 * MIB, 4 * MIB, 4 * MIB),
    )


MACHINE = qemu_machine(192 * MIB, cpus=1)


def boot(handover=None, setup=None):
    setup = setup or setup_of()
    booted = boot_memory(MACHINE, setup, handover)
    assert not booted.panic
    interleaving = INTERLEAVINGS["parallel"]
    return RunningMemory.start(MACHINE, setup, booted, handover, interleaving, random.Random(0))


def jump(memory, setup=None):
    """Hand over to the next kernel; return it with the handover, nothing retrieved yet."""
    setup = setup or setup_of()
    handover = memory.hand_over(memory.load(setup), setup)
    check_hand_over(handover)
    return boot(handover, setup), handover


def free(memory):
    """Pages that are free: on lists, in front of them, and in the pool of huge pages."""
    memory.pages.check()
    in_front = sum(zone.pcp.pages for zone in memory.pages._zones)
    return memory.pages.free_pages().pages + in_front + (len(memory.pool_of(2 << 20)) << 9)


def keys(memory):
    return memory.outgoing.tree.counts_by_order()


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("size_bytes", [2 * MIB, 6 * MIB])
def test_an_object_goes_through_its_life_in_two_kernels(kind, size_bytes):
    memory = boot()
    live = memory.create(kind, "one", size_bytes, FILES[kind])
    memory.preserve(["one"])
    memory.preserve_own()
    preserved = list(live.data)
    memory, handover = jump(memory)
    memory.retrieve(handover)
    check_running(memory, handover)
    check_survivors(memory.booted, handover, memory.retrieved)
    found = memory.files["one"]
    assert (found.kind, found.size_bytes, found.data) == (kind, size_bytes, preserved)
    before = free(memory)
    memory.close("one")
    index_pages = sum(run.blocks for run in found.index)
    assert free(memory) == before + found.pages + index_pages
    assert "one" not in memory.files


@pytest.mark.parametrize("kind", FILES)
def test_what_is_closed_where_it_was_made_leaves_nothing(kind):
    memory = boot()
    before = free(memory)
    memory.create(kind, "one", 4 * MIB, FILES[kind])
    assert free(memory) < before or kind == "hugetlb"
    memory.close("one")
    assert free(memory) == before


@pytest.mark.parametrize("kind", FILES)
def test_a_preservation_that_is_taken_back_leaves_its_object_open(kind):
    memory = boot()
    live = memory.create(kind, "one", 4 * MIB, FILES[kind])
    before = keys(memory)
    memory.preserve(["one"])
    assert keys(memory) != before
    memory.unpreserve(0)
    assert (keys(memory), memory.handed) == (before, [])
    assert memory.files["one"] is live
    memory.preserve(["one"])
    memory.close_session("session")
    assert (keys(memory), memory.luo.sessions) == (before, {})
    memory.close("one")


# The kernel's own


def test_named_areas_are_in_no_session_and_outlive_an_update_that_is_given_up():
    memory = boot()
    memory.create("memfd", "oops", MIB)  # a file may have the name of an area
    before = memory.outgoing.tree.freeze().preserved_bytes
    memory.preserve(["oops"])
    memory.preserve_own()
    memory.unpreserve(0)
    assert [handed.name for handed in memory.handed] == ["oops", "trace"]
    added = memory.outgoing.tree.freeze().preserved_bytes - before
    assert added == 4 * MIB + PAGE, "the areas, and the page that lists them"
    memory.preserve(["oops"])
    memory.preserve_own()
    _, handover = jump(memory)
    names = [(handed.kind, handed.name) for handed in handover.objects]
    assert names == [("memfd", "oops"), ("reserve_mem", "oops"), ("reserve_mem", "trace")]


def test_an_area_that_the_next_command_line_leaves_out_is_not_found_and_not_missed():
    memory = boot()
    memory.create("memfd", "one", MIB)
    memory.preserve(["one"])
    memory.preserve_own()
    memory, handover = jump(memory, setup_of(AREAS[1:]))
    memory.retrieve(handover)
    assert list(memory.own) == ["trace"]
    assert [handed.name for handed in memory.retrieved] == ["one", "trace"]
    check_running(memory, handover)
    check_survivors(memory.booted, handover, memory.retrieved)


@pytest.mark.parametrize("lost", ["one", "trace"])
def test_whatever_was_retrieved_has_to_be_there(lost):
    memory = boot()
    memory.create("memfd", "one", MIB)
    memory.preserve(["one"])
    memory.preserve_own()
    memory, handover = jump(memory)
    memory.retrieve(handover)
    (memory.own if lost == "trace" else memory.files).pop(lost)
    with pytest.raises(ModelError, match=f"{lost} was handed over and is lost"):
        check_running(memory, handover)
    kept = [handed for handed in memory.retrieved if handed.name != "one"]
    with pytest.raises(ModelError, match="survived, but"):
        check_survivors(memory.booted, handover, kept)


def test_the_object_names_its_record_wherever_its_other_pages_stand():
    memory = boot()
    memory.create("memfd", "one", MIB)
    memory.preserve(["one"])
    (handed,) = memory.handed
    assert handed.record in handed.metadata
    memory, handover = jump(memory)
    memory.retrieve(handover)
    turned = replace(handover, objects=(replace(handed, metadata=handed.metadata[::-1]),))
    check_survivors(memory.booted, turned, turned.objects)
    elsewhere = replace(handed, record=handed.record._replace(first_pfn=1))
    with pytest.raises(ModelError, match="survived, but"):
        check_survivors(memory.booted, replace(handover, objects=(elsewhere,)), [elsewhere])


def test_an_area_is_taken_back_and_closed_like_any_object():
    memory = boot()
    before = keys(memory)
    kind, area = KINDS["reserve_mem"], memory.own["oops"]
    handed = kind.preserve(memory.luo, area)
    assert sum(keys(memory).values()) > sum(before.values())
    kind.unpreserve(memory.luo, handed)
    assert keys(memory) == {**before, 0: before[0] + 1}, "the page that lists areas stays"
    free_before = free(memory)
    kind.close(memory, area)
    assert free(memory) == free_before + 3 * MIB // PAGE


def test_an_area_that_can_not_be_preserved_whole_leaves_no_key(monkeypatch):
    memory = boot()
    before, preserve = keys(memory), memory.outgoing.preserve
    left = [2]

    def preserve_some(runs, order):
        left[0] -= 1
        if left[0] < 0:
            raise PreserveFailed("-ENOMEM")
        preserve(runs, order)

    area = replace(memory.own["oops"])
    area.data = [Folios.of([area.data[0].runs[0]._replace(blocks=7)], 0)]
    monkeypatch.setattr(memory.outgoing, "preserve", preserve_some)
    with pytest.raises(PreserveFailed):
        KINDS["reserve_mem"].preserve(memory.luo, area)
    assert keys(memory) == {**before, 0: before[0] + 1}
