"""What a booting kernel makes of what it was handed, and of its machine's nodes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kho_sim.base.command_line import Crashkernel, HugepageRequest, ReserveMem
from kho_sim.builds import load_build
from kho_sim.kho.handover import Damage, Handover
from kho_sim.kho.populate import data_found, populate, scratch_found
from kho_sim.memory.early import BootOptions, EarlyBoot, NamedArea, Requests
from kho_sim.memory.early.gigantic import allocate_gigantic_pages
from kho_sim.memory.memblock import KHO_SCRATCH, Memblock
from kho_sim.platform.firmware.e820 import qemu_machine
from kho_sim.releases import load_release
from tests.memory.boots import early_boot, handover_at

MIB = 1 << 20
GIB = 1 << 30
PAGE = 4096
AREAS = ((0x80000000, 600 * MIB), (0x40000000, 0), (0x140000000, 64 * MIB))
FOUND = "KHO: found kexec handover data."
NO_REVIVAL = "KHO: disabling KHO revival"


def handed(areas=AREAS, **damage) -> Handover:
    """A handover that is damaged like this."""
    return handover_at(
        0x80200000, 0x81000000, 0x80001000, 0x80000000, areas, damage=Damage(**damage)
    )


def booted(areas=AREAS, **damage) -> EarlyBoot:
    """A KHO boot of 4 GiB up to the extension step, after such a handover."""
    options = BootOptions(command_line_bytes=50, log_buffer_bytes=2 * MIB)
    machine = qemu_machine(4 * GIB, cpus=2)
    early = early_boot(machine, options=options, handover=handed(areas, **damage))
    early.messages.append("first")
    early.before_extension()
    return early


def scratch_of(early: EarlyBoot) -> list[tuple[int, int]]:
    return [(r.base, r.size) for r in early.memblock.memory if r.flags & KHO_SCRATCH]


def test_scratch_areas_with_bytes_are_marked_and_their_descriptors_reserved():
    early = booted()
    assert early.messages == ["first", FOUND]
    assert early.revived is True
    assert scratch_of(early) == [AREAS[0], AREAS[2]]
    reserved = {(r.base, r.size) for r in early.memblock.reserved}
    assert {(0x80000000, 3 * 16), (0x80001000, 0x60)} <= reserved


def test_a_scratch_area_that_begins_at_1_mib_stays_whole():
    """Only the first MiB may be used for a while, and then no more."""
    areas = ((MIB, 64 * MIB),)
    assert scratch_of(booted(areas)) == list(areas)


@pytest.mark.parametrize(
    ("fdt", "found"), [("kho-v3", "incompatible with 'kho-v4': 1"), ("", "invalid")]
)
def test_an_fdt_that_is_not_understood_makes_a_first_kernel(fdt, found):
    early = booted(fdt=fdt)
    said = [f"KHO: setup: handover FDT (0x12345000) is {found}", NO_REVIVAL]
    assert early.messages == ["first", *said]
    assert early.revived is False
    assert scratch_of(early) == []
    assert early.memblock.scratch_only is False


def test_marks_stay_that_were_made_before_a_bad_descriptor():
    early = booted(sound_areas=2)
    assert early.messages == ["first", NO_REVIVAL]
    assert early.revived is False
    assert scratch_of(early) == [AREAS[0]]
    assert early.memblock.scratch_only is False


@pytest.mark.parametrize(
    ("damage", "scratch", "data"),
    [
        ({}, True, True),
        ({"fdt": ""}, False, False),
        ({"sound_areas": 0}, False, False),
        ({"map_found": False}, True, False),
    ],
)
def test_data_is_found_with_scratch_and_its_map_only(damage, scratch, data):
    handover = handed(**damage)
    release = load_release()
    assert (scratch_found(handover, release), data_found(handover, release)) == (scratch, data)


def test_a_release_finds_what_is_written_in_its_own_format_only():
    other = replace(load_release(), kho_compatible="kho-v3")
    handover = handed()
    assert not scratch_found(handover, other)
    early = early_boot(qemu_machine(4 * GIB, cpus=2), handover=handover)
    populate(handover, other, early)
    assert early.messages == [
        "KHO: setup: handover FDT (0x12345000) is incompatible with 'kho-v3': 1",
        NO_REVIVAL,
    ]
    theirs = replace(handover, kho=replace(handover.kho, compatible="kho-v3"))
    assert data_found(theirs, other)


@pytest.mark.parametrize(("damage", "found"), [({}, True), ({"map_found": False}, False)])
def test_named_areas_are_found_with_the_map_only(damage, found):
    kept = NamedArea("kept", 0x20000000, MIB)
    handover = replace(handed(**damage), kho=replace(handed().kho, named_areas=(kept,)))
    early = early_boot(qemu_machine(4 * GIB, cpus=2), handover=handover)
    early.before_extension()
    assert early.handed_areas == ((kept,) if found else ())


def test_what_early_boot_says_is_kept_in_its_order():
    early = booted()
    early.messages.append("said before")
    early._log_buffer_pending = True
    early.memblock.current_limit = 0x100000
    early.set_up_log_buffer(late=True)
    assert early.messages[-2:] == [
        "said before",
        "printk: log_buf_len: 2097152 text bytes not available",
    ]


# Nodes


def test_each_node_has_its_memory_and_what_was_reserved_in_it():
    machine = qemu_machine(8 * GIB, cpus=2, node_bytes=[2 * GIB, 2 * GIB, 4 * GIB])
    early = early_boot(machine, options=BootOptions(command_line_bytes=50))
    early.before_extension()
    assert [(r.base, r.end, r.nid) for r in early.memblock.memory] == [
        (0x1000, 0x9F000, 0),
        (MIB, 0x80000000, 0),
        (0x80000000, 0xBFFE0000, 1),
        (0x100000000, 0x140000000, 1),
        (0x140000000, 0x240000000, 2),
    ]
    node_data = [row for row in early.requests.rows if row.what == "node data"]
    assert [row.nid for row in node_data] == [0, 1, 2]
    assert {row.align_bytes for row in node_data} == {64}
    image = load_build().image_address
    by_start = {r.base: r.nid for r in early.memblock.reserved}
    assert (by_start[image], by_start[node_data[1].address]) == (0, 1)


def test_pages_of_the_direct_map_lie_in_the_last_512_mib_above_4_gib():
    machine = qemu_machine(8 * GIB, cpus=2)
    early = early_boot(machine)
    early.before_extension()
    end = machine.end_of_memory
    probe, *pages = [row for row in early.requests.rows if row.what.startswith("direct map")]
    assert (probe.address, probe.align_bytes, probe.max_address) == (end - 2 * MIB, 2 * MIB, end)
    assert [(row.min_address, row.max_address, row.address) for row in pages] == [
        (end - 512 * MIB, end, end - PAGE),
        (end - 512 * MIB, end, end - 2 * PAGE),
    ]


# Gigantic pages


def gigantic(count: int) -> tuple[list[tuple[int, int]], list[str]]:
    memblock = Memblock()
    memblock.add(GIB, GIB, 0)
    memblock.add(2 * GIB, MIB, 1)
    memblock.current_limit = memblock.end_of_dram()
    options = BootOptions(hugepages=(HugepageRequest(GIB, count),))
    result = allocate_gigantic_pages(Requests(memblock), options, (1, 0), True)
    return result.pages, result.messages


def test_a_gigantic_page_may_come_from_another_node_than_the_one_whose_turn_it_is():
    assert gigantic(1) == ([(GIB, 1)], [])


def keeping(options, pages):
    return replace(options, gigantic_kept=((GIB, pages),))


def test_pages_that_were_handed_over_count_once_for_all_requests():
    options = BootOptions(hugepages=tuple(HugepageRequest(GIB, count) for count in (2, 2, 3)))
    kept = [
        [request.count for request in keeping(options, number).hugepages_to_make()]
        for number in (0, 1, 3, 5, 9)
    ]
    assert kept == [[2, 2, 3], [1, 2, 3], [0, 1, 3], [0, 0, 2], [0, 0, 0]]


# Other memory that was asked for


def test_a_crash_kernel_lies_on_16_mib_and_named_memory_on_what_was_asked_for():
    options = BootOptions(
        crashkernel=(Crashkernel(10 * MIB),), reserve_mem=(ReserveMem(PAGE + 1, 1, "small"),)
    )
    early = early_boot(qemu_machine(4 * GIB, cpus=2), options=options)
    early.before_extension()
    early.after_extension()
    crash, named = (
        next(row for row in early.requests.rows if row.what == what)
        for what in ("crash kernel", "reserve_mem small")
    )
    assert (crash.size_bytes, crash.align_bytes) == (10 * MIB, 16 * MIB)
    assert (crash.min_address, crash.max_address) == (0, 4 * GIB)
    assert (named.size_bytes, named.align_bytes) == (PAGE + 1, 64)
    assert (named.min_address, named.max_address) == (0, 0)


def test_a_crash_kernel_that_does_not_fit_below_4_gib_is_looked_for_up_to_the_end():
    options = BootOptions(crashkernel=(Crashkernel(4 * GIB),))
    early = early_boot(qemu_machine(16 * GIB, cpus=2), options=options)
    early.before_extension()
    crash = [row for row in early.requests.rows if row.what.startswith("crash kernel")]
    assert [(row.size_bytes, row.min_address, row.max_address) for row in crash] == [
        (4 * GIB, 4 * GIB, 1 << 46),
        (256 * MIB, 0, 4 * GIB),
    ]
    assert crash[0].address + 4 * GIB <= early.machine.end_of_memory
    assert crash[0].address >= 4 * GIB
