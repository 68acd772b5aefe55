"""Sizes of what early boot asks for, by memory and CPUs (kernel-facts 6.1 to 6.3)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kho_sim.builds import Build, load_build
from kho_sim.memory.early import BootOptions, BootPanic, EarlyBoot, Requests
from kho_sim.memory.early.bounce import allocate_bounce_buffers
from kho_sim.memory.early.hashes import (
    allocate_early_hashes,
    free_pages_for_sizing,
    table_bytes,
)
from kho_sim.memory.early.log_buffer import allocate_log_buffer, wanted_bytes
from kho_sim.memory.early.percpu import set_up_per_cpu, unit_layout
from kho_sim.memory.memblock import Memblock
from kho_sim.platform.firmware.e820 import qemu_machine
from kho_sim.platform.geometry import Geometry
from tests.memory.boots import RULES, early_boot

PAGE = 4096
KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
TIB = 1 << 40


def requests(*memory: tuple[int, int, int]) -> Requests:
    """Requests to a memblock with this memory: (start, end, node)."""
    memblock = Memblock()
    for start, end, nid in memory or ((MIB, 4 * GIB, 0),):
        memblock.add(start, end - start, nid)
    memblock.current_limit = memblock.end_of_dram()
    return Requests(memblock)


def boot(gib: int, cpus: int) -> EarlyBoot:
    early = early_boot(qemu_machine(gib * GIB, cpus=cpus))
    early.before_extension()
    early.after_extension()
    return early


def sizes(asked: Requests, what: str) -> list[int]:
    return [row.size_bytes for row in asked.rows if row.what == what]


# Hash tables


@pytest.mark.parametrize(
    ("memory", "dentry"),
    [
        (8 * MIB, 8 * KIB),
        (16 * GIB, 16 * MIB),
        (16 * GIB + PAGE, 32 * MIB),  # 4194305 pages: 256 more are counted, then the power above
        (64 * GIB, 64 * MIB),
        (64 * GIB + PAGE, 64 * MIB),  # a quarter of a bucket a page from here on
        (128 * GIB, 64 * MIB),
        (256 * GIB, 128 * MIB),
        (256 * GIB + PAGE, 128 * MIB),
        (TIB, 256 * MIB),
        (4 * TIB, 512 * MIB),
    ],
)
def test_a_dentry_hash_has_a_bucket_for_two_pages_and_fewer_above_64_gib(memory, dentry):
    assert table_bytes(Geometry(), memory // PAGE, 13) == dentry


def test_a_table_has_a_page_at_least_but_no_more_than_a_sixteenth_of_memory():
    assert table_bytes(Geometry(), 512, 13) == PAGE
    assert table_bytes(Geometry(), 8, 13) == 2 * KIB
    assert table_bytes(Geometry(), 24, 13) == 4 * KIB


def test_one_entry_more_than_a_power_of_two_doubles_a_table():
    assert table_bytes(Geometry(), 512 * 256, 20) == 4 * KIB
    assert table_bytes(Geometry(), 513 * 256, 20) == 8 * KIB


def test_a_table_has_two_to_the_31_entries_at_most():
    assert table_bytes(Geometry(), 1 << 40, 12) == 8 << 31


def test_only_whole_free_pages_count_for_the_size_of_tables():
    asked = requests((MIB, MIB + 8 * PAGE, 0))
    asked.memblock.reserve(MIB + PAGE + 100, 100)
    asked.memblock.reserve(MIB + PAGE + 300, 100)
    asked.memblock.reserve(MIB + 5 * PAGE - 100, 50)
    assert free_pages_for_sizing(asked) == 6


def test_a_hash_table_of_one_page_is_still_tried():
    asked = requests((MIB, MIB + 3 * PAGE, 0))
    asked.memblock.reserve(MIB + PAGE, PAGE)
    assert allocate_early_hashes(asked, (8 * MIB) // PAGE) == {
        "dentry hash": PAGE,
        "inode hash": PAGE,
    }
    assert sizes(asked, "dentry hash") == [8 * KIB, PAGE]
    assert {type(row.size_bytes) for row in asked.rows} == {int}


def test_half_a_page_is_no_hash_table():
    asked = requests((MIB, MIB + PAGE, 0))
    asked.memblock.reserve(MIB, 2 * KIB)
    with pytest.raises(BootPanic, match="Failed to allocate Dentry cache hash table"):
        allocate_early_hashes(asked, (8 * MIB) // PAGE)


# The log buffer


@pytest.mark.parametrize(
    ("cpus", "expected"), [(17, 0), (18, 256 * KIB), (33, 256 * KIB), (34, 512 * KIB)]
)
def test_every_cpu_adds_a_page_to_the_log_buffer_which_is_a_power_of_two(cpus, expected):
    """128 KiB and 4 KiB for each further CPU; up to half of 128 KiB is not worth it."""
    assert wanted_bytes(BootOptions(), load_build(), cpus, late=True) == expected


def test_one_byte_more_than_a_power_of_two_doubles_a_log_buffer():
    build = replace(load_build(), default_log_buffer_bytes=4, log_buffer_per_cpu_bytes=1)
    wanted = [wanted_bytes(BootOptions(), build, cpus, late=True) for cpus in (5, 6)]
    assert wanted == [8, 16]


def test_a_log_buffer_that_was_asked_for_is_wanted_early_and_late():
    options = BootOptions(log_buffer_bytes=MIB)
    assert [wanted_bytes(options, load_build(), 64, late) for late in (False, True)] == [MIB] * 2


def test_descriptors_and_infos_follow_the_text_of_the_log():
    asked = requests()
    assert allocate_log_buffer(asked, 8 * MIB) == (True, [])
    assert [(row.what, row.size_bytes, row.align_bytes) for row in asked.rows] == [
        ("log buffer text", 0x800000, 8),
        ("log buffer desc", 0x600000, 8),
        ("log buffer info", 0x1600000, 8),
    ]


@pytest.mark.parametrize(
    ("cpus", "options", "phases"),
    [
        (4, BootOptions(), []),
        (20, BootOptions(), ["after"]),
        (20, BootOptions(log_buffer_bytes=MIB), ["before"]),
    ],
)
def test_a_log_buffer_for_many_cpus_comes_late_and_one_that_was_asked_for_early(
    cpus, options, phases
):
    early = early_boot(qemu_machine(GIB, cpus=cpus), options=options)
    early.before_extension()
    early.after_extension()
    assert [row.phase for row in early.requests.rows if row.what == "log buffer text"] == phases


# Bounce buffers


@pytest.mark.parametrize(
    ("cpus", "area_bytes"), [(1, 16), (2, 32), (3, 64), (4, 64), (5, 128), (12, 256)]
)
def test_bounce_buffers_have_an_area_for_each_cpu_rounded_up_to_a_power_of_two(cpus, area_bytes):
    asked = requests()
    assert allocate_bounce_buffers(asked, 64 * MIB, cpus, 0xFFFFFFFF) == []
    assert [(row.what, row.size_bytes, row.align_bytes, row.max_address) for row in asked.rows] == [
        ("swiotlb", 64 * MIB, PAGE, 0xFFFFFFFF),
        ("swiotlb slots", 0xC0000, PAGE, 0),
        ("swiotlb areas", area_bytes, 64, 0),
    ]


@pytest.mark.parametrize(
    ("size", "area_bytes"), [(MIB, 4 * 16), (128 * KIB, 16), (640 * KIB, 2 * 16)]
)
def test_bounce_buffers_have_no_more_areas_than_segments_of_256_kib(size, area_bytes):
    asked = requests()
    allocate_bounce_buffers(asked, size, 64, 0xFFFFFFFF)
    assert sizes(asked, "swiotlb areas") == [area_bytes]


def test_halved_bounce_buffers_are_whole_segments_and_said():
    asked = requests((MIB, MIB + 2 * MIB + 256 * KIB, 0))
    messages = allocate_bounce_buffers(asked, 3 * MIB + 512 * KIB, 1, 0xFFFFFFFF)
    assert sizes(asked, "swiotlb") == [3 * MIB + 512 * KIB, 1792 * KIB]
    assert messages == [
        "swiotlb_memblock_alloc: Failed to allocate 3670016 bytes tlb structure",
        "software IO TLB: SWIOTLB bounce buffer size adjusted 1792 -> 896 slabs",
    ]


# Per-CPU memory


@pytest.mark.parametrize(
    ("groups", "per_atom"),
    [
        ([1], 1),
        ([3], 4),
        ([5], 2),
        ([6], 8),
        ([9], 4),
        ([10], 4),
        ([16], 8),
        ([3, 2], 2),
        ([3, 1], 1),
    ],
)
def test_units_of_a_group_share_atoms_with_at_most_a_third_wasted(groups, per_atom):
    assert unit_layout(load_build(), groups, PAGE, 2 * MIB).units_per_atom == per_atom


def test_units_share_an_atom_evenly():
    """85 units of 24 KiB would fit, but only 64 of 32 KiB leave nothing over."""
    build = replace(load_build(), per_cpu_static_bytes=PAGE, per_cpu_dynamic_bytes=20 * KIB)
    assert unit_layout(build, [64], PAGE, 2 * MIB).unit_bytes == 32 * KIB


def test_a_unit_larger_than_an_atom_has_atoms_of_its_own():
    build = replace(load_build(), per_cpu_static_bytes=3 * MIB)
    layout = unit_layout(build, [4], PAGE, 2 * MIB)
    assert (layout.units_per_atom, layout.unit_bytes) == (1, 4 * MIB)


def per_cpu(cpus_by_node: dict[int, int], build: Build | None = None) -> Requests:
    asked = requests((0, GIB, 0), (GIB, 2 * GIB, 1))
    set_up_per_cpu(asked, build or load_build(), RULES, cpus_by_node)
    return asked


def test_each_node_with_cpus_has_its_units_above_16_mib_and_keeps_its_own_parts():
    """3 and 2 CPUs: 2 units of 1 MiB an atom, so 4 units on node 0 and 2 on node 1."""
    asked = per_cpu({0: 3, 1: 2, 2: 0})
    units = [row for row in asked.rows if row.what == "per-cpu units"]
    assert [(row.nid, row.size_bytes, row.align_bytes, row.min_address) for row in units] == [
        (0, 4 * MIB, 2 * MIB, 16 * MIB),
        (1, 2 * MIB, 2 * MIB, 16 * MIB),
    ]
    first, second = (row.address for row in units)
    kept = [first, first + MIB, first + 2 * MIB, second, second + MIB]
    reserved = [(r.base, r.size) for r in asked.memblock.reserved if r.size == 0x27000]
    assert reserved == [(start, 0x27000) for start in kept]
    metadata = {row.what: row.size_bytes for row in asked.rows[4:]}
    assert metadata == {
        "per-cpu group offsets": 16,
        "per-cpu group sizes": 16,
        "per-cpu unit map": 20,
        "per-cpu unit offsets": 40,
        "per-cpu chunk slots": 0x160,
        "per-cpu chunk": 0x88,
        "per-cpu allocation map": 0x400,
        "per-cpu boundary map": 0x408,
        "per-cpu page blocks": 0x100,
    }
    assert {row.align_bytes for row in asked.rows[4:]} == {64}


@pytest.mark.parametrize(("cpus", "slot_bytes"), [(12, 0x140), (4, 0x150), (2, 0x160), (1, 0x170)])
def test_larger_units_have_more_chunk_slots(cpus, slot_bytes):
    assert sizes(per_cpu({0: cpus}), "per-cpu chunk slots") == [slot_bytes]


def test_a_map_of_units_and_a_list_of_areas_are_given_back():
    asked = per_cpu({0: 4})
    given_back = asked.rows[:2]
    assert [(row.what, row.size_bytes, row.align_bytes) for row in given_back] == [
        ("per-cpu group info", PAGE, PAGE),
        ("per-cpu areas", PAGE, 64),
    ]
    metadata = sum(row.size_bytes for row in asked.rows[3:])
    assert asked.memblock.reserved_size() == 4 * 0x27000 + metadata


@pytest.mark.parametrize(
    ("cpus_by_node", "pages"),
    [({0: 996}, 1), ({0: 1000}, 2), ({0: 984, 1: 4}, 1), ({0: 988, 1: 4}, 2)],
)
def test_the_group_info_counts_every_group_and_unit(cpus_by_node, pages):
    """64 bytes, 40 a group, 4 a unit; four units of up to 512 KiB share an atom."""
    asked = per_cpu(cpus_by_node, replace(load_build(), per_cpu_static_bytes=400 * KIB))
    assert sizes(asked, "per-cpu group info") == [pages * PAGE]


@pytest.mark.parametrize(("nodes", "pages"), [(460, 1), (513, 2)])
def test_the_list_of_areas_has_8_bytes_for_each_node(nodes, pages):
    asked = per_cpu(dict.fromkeys(range(nodes), 1))
    assert sizes(asked, "per-cpu areas") == [pages * PAGE]


@pytest.mark.parametrize(
    ("cpus", "tables"), [(1, 3), (8, 3), (9, 4), (12, 4), (16, 4), (17, 4), (18, 5), (113, 16)]
)
def test_cpu_entry_areas_need_a_table_for_512_of_their_pages(cpus, tables):
    assert len(sizes(boot(1, cpus).requests, "cpu entry area table")) == tables
