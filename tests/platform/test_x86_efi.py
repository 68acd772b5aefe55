"""EFI machines on x86: the e820 map of an EFI map, and what early boot reserves, held to a log."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kho_sim.base.extent import Extent, merged, round_up, total_size
from kho_sim.base.words import EFI_MEMORY, MEMORY_KINDS, USABLE_MEMORY
from kho_sim.builds import load_build
from kho_sim.chain.build import build_machine
from kho_sim.kernel.boot import BootedMemory
from kho_sim.kernel.bring_up import open_allocator
from kho_sim.kho.load import place_kernel
from kho_sim.logs.importing import scenario_from_trace
from kho_sim.logs.reader import read_boot_log
from kho_sim.machine import Efi, EfiDescriptor, FirmwareRange, NodeRange
from kho_sim.memory.early import BootOptions
from kho_sim.memory.memblock import RSRV_KERN
from kho_sim.memory.pages import PageAllocator
from kho_sim.memory.pages.handover import EMULATED
from kho_sim.platform import x86_efi
from kho_sim.platform.firmware.e820 import from_memory_map
from kho_sim.platform.firmware.efi import E820_KINDS, e820_of, word_of
from kho_sim.platform.firmware.ranges import MapBeside
from kho_sim.platform.loader import LoadRequest
from kho_sim.platform.rules import ZoneLimit
from tests.memory.boots import X86, early_boot, handover_at

LOG = Path(__file__).parents[1] / "recorded" / "x86-distro" / "d-efi-4G-nokaslr.log.xz"
MIB = 1 << 20
GIB = 1 << 30
BUILD = load_build("distro")


@cache
def recorded():
    """The log of a chain without KASLR, and the machine that it shows."""
    trace = read_boot_log(LOG)
    return trace, build_machine(scenario_from_trace(trace).to_scenario())


def reserved(memblock_regions):
    """What is reserved above 1 MiB and not the kernel's own, as (start, end)."""
    return [
        (region.base, region.base + region.size)
        for region in memblock_regions
        if not region.flags & RSRV_KERN and region.base >= MIB
    ]


def booted(boot):
    """Run a boot to the end of initmem_init(), as a log's second dump shows it."""
    for step in boot.platform.before_extension(boot):
        step.run()
        if step.name == "nodes":
            break
    return boot


# The map


def test_every_type_of_efi_has_a_word_and_an_e820_kind():
    assert ("usable", "reserved", "nomap", *EFI_MEMORY) == MEMORY_KINDS
    assert set(E820_KINDS) - {"usable"} <= set(EFI_MEMORY)
    assert {kind for kind, e820 in E820_KINDS.items() if e820 == "usable"} == set(USABLE_MEMORY)


@pytest.mark.parametrize(
    ("printed", "word"),
    [
        ("Conventional Memory", "conventional"),
        ("Boot Code          ", "boot code"),
        ("ACPI Reclaim Memory", "acpi reclaim"),
        ("ACPI Mem NVS", "acpi nvs"),
        ("MMIO", "mmio"),
        ("Memory Mapped I/O", "mmio"),
        ("Runtime Data", "runtime data"),
    ],
)
def test_printed_types_get_our_words(printed, word):
    assert word_of(printed) == word


def test_neighbours_that_become_one_kind_are_one_entry():
    kinds = ("conventional", "boot code", "loader data", "runtime code", "reserved", "acpi nvs")
    parts = [EfiDescriptor(n * MIB, (n + 1) * MIB, kind) for n, kind in enumerate(kinds)]
    assert e820_of(parts) == (
        (0, 3 * MIB, "usable"),
        (3 * MIB, 5 * MIB, "reserved"),
        (5 * MIB, 6 * MIB, "acpi nvs"),
    )


@given(st.lists(st.tuples(st.sampled_from(MEMORY_KINDS), st.integers(1, 3), st.booleans())))
def test_the_e820_map_has_all_of_the_efi_map_and_no_border_inside_a_kind(parts):
    descriptors, at = [], 0
    for kind, pages, gap in parts:
        at += 4096 * gap
        descriptors.append(EfiDescriptor(at, at + pages * 4096, kind))
        at += pages * 4096
    entries = e820_of(descriptors)
    for kind in {entry.kind for entry in entries}:
        ours = [
            part.extent for part in descriptors if E820_KINDS.get(part.kind, "reserved") == kind
        ]
        assert [(e.start, e.end) for e in entries if e.kind == kind] == merged(ours)


def test_registers_of_devices_are_no_resource():
    """The map has them, so the memory map kept for /sys/firmware has, but nothing is named."""
    parts = [(0, GIB, 0, "conventional"), (0xFFC00000, 1 << 32, 0, "mmio")]
    rows = {}
    for kind in ("mmio", "reserved"):
        machine = from_memory_map([*parts[:1], (*parts[1][:3], kind)], cpus=1)
        boot = early_boot(machine)
        boot.before_extension()
        rows[kind] = next(r.size_bytes for r in boot.requests.rows if r.what == "e820 resources")
    assert (rows["reserved"], rows["mmio"]) == (3 * 64, 2 * 64)


# Early boot, against a log


def test_a_cold_boot_reserves_what_the_recorded_one_did():
    trace, machine = recorded()
    boot = booted(early_boot(machine, BUILD, BootOptions(log_buffer_bytes=16 * MIB)))
    logged = trace.extra["boots"][0].dumps[1]
    assert reserved(boot.memblock.reserved) == reserved(logged.reserved)
    assert [tuple(r) for r in boot.memblock.memory] == [tuple(r) for r in logged.memory]
    assert boot.loaded.image.start == 0x1600000  # kernel-facts-distro 3.2
    assert boot.loaded.initrd == trace.extra["boots"][0].initrd


def test_a_kho_boot_finds_the_short_map_and_keeps_the_attributes():
    trace, machine = recorded()
    log = trace.extra["boots"][1]
    areas = tuple(zip(log.out_starts, log.out_sizes, strict=True))
    ranges = machine.efi.runtime_ranges
    request = LoadRequest(BUILD, len(log.command_line), ranges)
    placed = place_kernel(X86, areas, request)
    loaded = X86.load_kexec(placed, request)
    assert loaded.efi_map == (0x777FA0E0, 0x777FA200)
    assert loaded.parameters == (0x777FA200, 0x777FA2D0)
    at = {place.name: place.start for place in placed}
    handover = handover_at(0, 0, 0, at["descriptors"], areas, build=BUILD)
    boot = early_boot(machine, BUILD, BootOptions(log_buffer_bytes=16 * MIB), handover)
    boot.loaded = loaded
    booted(boot)
    assert reserved(boot.memblock.reserved) == reserved(log.dumps[1].reserved)
    assert (0x7DD3F000, 0x7DD5F000) in reserved(boot.memblock.reserved)
    assert boot.late_memory == []


def test_boot_services_come_back_as_much_as_the_kernel_says():
    trace, machine = recorded()
    boot = booted(early_boot(machine, BUILD))
    assert (
        sum(extent.size for extent in boot.late_memory) == trace.extra["boots"][0].efi.freed_bytes
    )


def test_only_whole_pages_of_what_a_kernel_has_as_memory_come_back():
    parts = [
        (0, 0x200800, 0, "conventional"),
        (0x200800, 0x204800, 0, "boot data"),
        (0x300800, 0x302000, 0, "boot code"),
        (0x400000, 512 * MIB, 0, "conventional"),
        (GIB, GIB + MIB, 0, "boot data"),
    ]
    machine = from_memory_map(parts, cpus=1)
    boot = booted(early_boot(replace(machine, firmware=machine.firmware[:-1])))
    assert boot.late_memory == [(0x201000, 0x204000), (0x301000, 0x302000)]


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from(EFI_MEMORY), st.integers(1, 1 << 22)), max_size=12),
    st.integers(0, 1 << 26),
)
def test_any_map_gives_back_what_was_reserved_and_is_free(parts, table):
    """Whatever the borders are, every page that comes back was not free before."""
    descriptors, at = [(0, 512 * MIB, 0, "conventional")], 512 * MIB
    for kind, size in parts:
        descriptors.append((at, at + size, 0, kind))
        at += size
    at = round_up(at, MIB)
    descriptors.append((at, at + 64 * MIB, 0, "conventional"))
    place = Extent(512 * MIB + table, 512 * MIB + table + 100)
    machine = from_memory_map(descriptors, cpus=1, beside=MapBeside(attributes=place))
    early = early_boot(machine)
    early.before_extension()
    early.after_extension()
    pages = open_allocator(machine, BootedMemory(early), True, False, EMULATED, Random(0))
    pages.finish_deferred()
    before = pages.free_pages().pages
    pages.give_late(early.late_memory)
    assert pages.free_pages().pages - before == total_size(early.late_memory) >> 12
    pages.check()


def test_what_is_given_late_is_as_free_as_what_never_was_reserved():
    def pages(reserved):
        return PageAllocator(
            [(0, 64 * MIB, 0)],
            [],
            [1],
            zones=[ZoneLimit("Normal", 0, 1 << 40)],
            kho_boot=False,
        ), reserved

    held = [(5 * MIB, 7 * MIB), (0x900000, 0x903000)]
    late, reserved = pages(held)
    late.open(reserved)
    before = late.free_pages().pages
    late.give_late(held)
    never, _ = pages([])
    never.open([])
    assert before == never.free_pages().pages - 512 - 3
    assert late.free_pages() == never.free_pages()
    assert late.buddyinfo() == never.buddyinfo()
    late.check()


# Where the loader puts things


def test_the_image_goes_to_the_lowest_free_place():
    efi = Efi(
        (
            EfiDescriptor(0, 0x900000, "conventional"),
            EfiDescriptor(0x900000, 0x1500000, "boot data"),
            EfiDescriptor(0x1500000, 0x1900000, "conventional"),
            EfiDescriptor(0x1900000, 0x1A00000, "loader data"),
            EfiDescriptor(0x1A00000, GIB, "conventional"),
        )
    )
    two = 2 * MIB
    assert x86_efi.image_address(efi, two, 16 * MIB, two) == 0x1600000
    assert x86_efi.image_address(efi, 4 * MIB, 16 * MIB, two) == 0x1A00000
    assert x86_efi.image_address(efi, 2 * GIB, 16 * MIB, two) == 16 * MIB


def test_a_map_without_an_end_of_the_initrd_has_it_below_the_end_of_low_memory():
    machine = from_memory_map([(0, GIB, 0, "conventional")], cpus=1)
    assert X86.load_cold(machine, BUILD).initrd == (GIB - 0x4AF000, GIB)
    told = from_memory_map(
        [(0, GIB, 0, "conventional")], cpus=1, beside=MapBeside(initrd_end=512 * MIB)
    )
    assert X86.load_cold(told, BUILD).initrd.end == 512 * MIB


def test_the_descriptor_of_the_attributes_table_is_kept_and_counted():
    parts = [
        (0, 512 * MIB, 0, "conventional"),
        (512 * MIB, 513 * MIB, 0, "boot data"),
        (513 * MIB, 514 * MIB, 0, "boot data"),
        (514 * MIB, 515 * MIB, 0, "runtime code"),
        (515 * MIB, GIB, 0, "conventional"),
    ]
    table = Extent(513 * MIB + 24, 513 * MIB + 1024)
    efi = from_memory_map(parts, cpus=1, beside=MapBeside(attributes=table)).efi
    assert efi.kept == (513 * MIB, 514 * MIB)
    assert efi.boot_services == ((512 * MIB, 513 * MIB),)
    assert efi.runtime_ranges == 2


def test_each_table_that_is_kept_costs_a_copy_of_the_map():
    parts = [(0, GIB, 0, "conventional"), (GIB, GIB + MIB, 0, "runtime data")]
    for place, size in ((Extent(GIB, GIB + 0x1920), 0x1920), (None, 2 * 48)):
        beside = MapBeside(memory_map=place, kept_tables=2)
        boot = early_boot(from_memory_map(parts, cpus=1, beside=beside))
        boot.before_extension()
        rows = [row for row in boot.requests.rows if row.what == "efi map copy"]
        asked = [(row.size_bytes, row.align_bytes, row.failed) for row in rows]
        assert asked == [(size, 64, False)] * 2


def test_a_map_without_types_of_efi_is_no_efi_machine():
    parts = [(0, GIB, 0, "usable"), (GIB, 2 * GIB, 0, "reserved")]
    assert from_memory_map(parts, cpus=1).efi is None
    told = from_memory_map(parts, cpus=1, beside=MapBeside(efi=True))
    assert told.efi.boot_services == ()
    assert told.firmware == (FirmwareRange(0, GIB), FirmwareRange(GIB, 2 * GIB, "reserved"))


def test_memory_that_may_be_plugged_in_makes_bounce_buffers():
    """kernel-facts-distro 7: a machine of 2 GiB with room for 64 GiB has them."""
    for hotplug, expected in (((), 0), ((NodeRange(4 * GIB, 68 * GIB, 0),), 1)):
        beside = MapBeside(hotplug=hotplug)
        boot = early_boot(from_memory_map([(0, 2 * GIB, 0, "usable")], cpus=1, beside=beside))
        boot.before_extension()
        boot.after_extension()
        assert sum(row.what == "swiotlb" for row in boot.requests.rows) == expected
