"""Logs of arm64: architecture and page size, and the names of early requests at each page size."""

from __future__ import annotations

import lzma
import re
from collections import Counter
from itertools import groupby
from pathlib import Path

import pytest

from kho_sim.base import requesters as names
from kho_sim.logs.reader import BootLog, read_boot_log_lines
from kho_sim.logs.reader.facts import ReservedNode
from kho_sim.platform.geometry import ARM64_GEOMETRIES, PAGES_4K
from kho_sim.trace.trace import Trace

RECORDED = Path(__file__).parents[2] / "recorded"
LOGS = sorted((RECORDED / "arm64").glob("*.log.xz"))
CALLER = re.compile(rb"((?:memblock_alloc|memblock_phys_alloc)\w+: .* )[A-Za-z_][\w.]*\+")

BOOTING = "Booting Linux on physical CPU 0x0000000000 [0x410fd083]"
NATIVE = "Linux version 6.9.0 (user@host) (gcc (GCC) 13.2.0)"
CROSS = "Linux version 6.9.0 (user@host) (aarch64-linux-gnu-gcc (GCC) 13.2.0)"
FEDORA = "Linux version 6.8.5-301.fc40.aarch64 (user@host) (gcc (GCC) 14.0.1)"

KIB = 1 << 10


def boots(*lines: str) -> tuple[BootLog, ...]:
    return read_boot_log_lines([line.encode() for line in lines], "log").extra["boots"]


def text_of(path: Path) -> list[bytes]:
    return lzma.decompress(path.read_bytes()).split(b"\n")


@pytest.mark.parametrize("lines", [(BOOTING, NATIVE), (CROSS,), (FEDORA,)])
def test_a_kernel_of_arm64_says_what_it_is(lines):
    (log,) = boots(*lines)
    assert (log.architecture, log.geometry) == ("arm64", ARM64_GEOMETRIES[4 * KIB])


def test_all_others_are_of_x86_64():
    arm, x86 = boots(BOOTING, NATIVE, "kexec_core: Starting new kernel", NATIVE)
    assert (arm.architecture, x86.architecture) == ("arm64", "")
    assert x86.geometry is PAGES_4K


@pytest.mark.parametrize(
    ("page_kib", "line"),
    [
        (16, "percpu: Embedded 5 pages/cpu s38960 r0 d42960 u81920"),
        (64, "percpu: Embedded 2 pages/cpu s39280 r0 d91792 u131072"),
        (16, "Dentry cache hash table entries: 2097152 (order: 10, 16777216 bytes, linear)"),
        (64, "Dentry cache hash table entries: 2097152 (order: 8, 16777216 bytes, linear)"),
        (64, "memblock_phys_alloc_range: 65536 bytes align=0x10000 from=0x0 max_addr=0x1 f+0x1"),
        (16, "memblock_phys_alloc_range: 8388608 bytes align=0x4000 from=0x0 max_addr=0x0 f+0x1"),
        (4, "futex hash table entries: 512 (order: -2, 32768 bytes, linear)"),
        (4, "percpu: Embedded 5 pages/cpu s38960 r0 d42960 u10240"),
    ],
)
def test_lines_that_show_the_page_size_or_do_not(page_kib, line):
    (log,) = boots(CROSS, line)
    assert log.geometry.page_bytes == page_kib * KIB
    assert boots(NATIVE, line)[0].geometry is PAGES_4K


def test_the_pages_of_a_chain_keep_their_size():
    line = "percpu: Embedded 2 pages/cpu s39280 r0 d91792 u131072"
    key = "KHO: OBS key 3 0x100000 0x180000"
    first, second, late = boots(
        *(CROSS, line, "kexec_core: Starting new kernel"),
        *(CROSS, key, "kexec_core: Starting new kernel", key),
    )
    assert {log.geometry.page_bytes for log in (first, second, late)} == {64 * KIB}
    assert [len(log.keys) for log in (first, second, late)] == [0, 1, 1]


def test_a_run_of_keys_is_whole_blocks_of_its_pages():
    line = "percpu: Embedded 2 pages/cpu s39280 r0 d91792 u131072"
    (log,) = boots(CROSS, line, "KHO: OBS key 0 0x1000 0x2000", "KHO: OBS key 49 0x0 0x0")
    assert not log.keys


def test_what_only_arm64_kernels_say():
    (log,) = boots(
        BOOTING,
        NATIVE,
        "NODE_DATA(1) allocated [mem 0x43dfe0f40-0x43dfe35ff]",
        "cma: Reserved 32 MiB at 0x00000000fe000000",
        "OF: reserved mem: 0x00000000b8000000..0x00000000bfffffff (131072 KiB) "
        "nomap non-reusable a@b",
        "SLUB: HWalign=64, Order=0-3, MinObjects=0, CPUs=12, Nodes=2",
        "arch_timer: cp15 timer running at 62.50MHz (virt).",
    )
    assert log.node_data_bytes == {1: 0x26C0}
    assert log.cma_bytes == 32 << 20
    assert log.reserved_nodes == [ReservedNode(0xB8000000, 0xC0000000, "a@b", True, False)]
    assert (log.nr_cpu_ids, log.nr_node_ids, log.timer_hz) == (12, 2, 62_500_000)


def test_a_removal_of_all_above_an_address_is_read():
    (log,) = boots(CROSS, "memblock_remove: [0x0001000000000000-0x0000fffffffffffe] f+0x1")
    assert [(call.op, call.base, call.size) for call in log.calls] == [
        ("remove", 1 << 48, (1 << 64) - (1 << 48))
    ]


def test_descriptors_of_uefi_are_read(read_recorded):
    first = read_recorded("arm64/a64-efidebug-4G-uefi").extra["boots"][0].efi
    assert len(first.descriptors) == 32
    assert first.descriptors[0] == (0x40000000, 0x44000000, "conventional", ("WB",))
    assert first.descriptors[-2] == (0x4000000, 0x8000000, "mmio", ("RUN", "WC"))
    assert (first.attributes, first.reserved_list) == (0x13E00C018, 0x13BDCFF98)


# Names of early requests


def in_order(trace: Trace, boot: int) -> list[tuple[str, int]]:
    """The requests of a boot: each name, and how often it comes in a row."""
    rows = trace["allocations"].where(boot=boot)
    return [(what, len(list(group))) for what, group in groupby(row.what for row in rows)]


BEFORE_NODES = [(names.DEVICE_TREE, 1), (names.NODE_DATA, 1)]
FROM_COMMAND_LINE = [
    (names.COMMAND_LINE, 2),
    *((name, 1) for name in (
        names.PER_CPU_GROUP_INFO, names.PER_CPU_AREAS, names.PER_CPU_UNITS,
        names.PER_CPU_GROUP_OFFSETS, names.PER_CPU_GROUP_SIZES, names.PER_CPU_UNIT_MAP,
        names.PER_CPU_UNIT_OFFSETS, names.PER_CPU_CHUNK_SLOTS, names.PER_CPU_CHUNK,
        names.PER_CPU_ALLOCATION_MAP, names.PER_CPU_BOUNDARY_MAP, names.PER_CPU_PAGE_BLOCKS,
        names.DENTRY_HASH, names.INODE_HASH, names.SWIOTLB, names.SWIOTLB_SLOTS,
        names.SWIOTLB_AREAS,
    )),
]  # fmt: skip
SECTIONS = [(names.SECTION_ROOT_ARRAY, 1), (names.SECTION_ROOT, 1), (names.USAGE_MAP, 1)]
SCRATCH = [
    (name, 1)
    for name in (
        names.SCRATCH_ARRAY, names.LOWMEM_SCRATCH, names.GLOBAL_SCRATCH, names.node_scratch(0)
    )
]  # fmt: skip

BY_PAGE_SIZE = {
    "a64-machine-1G": (514, True, [(names.VMEMMAP_TABLE, 2), (names.MEMMAP, 8)], 6),
    "a64-16k-machine-2G": (66, True, [(names.VMEMMAP_TABLE, 2), (names.MEMMAP_PAGE, 16 * 32)], 5),
    "a64-64k-cma0-4G": (9, False, [(names.VMEMMAP_TABLE, 1), (names.MEMMAP_PAGE, 8 * 8)], 4),
}
"""Log -> tables of the linear map, whether there is a CMA area, what a section takes, and pages of
the busy tree; kernel-facts-arm64 0, 5.1, 5.3 and 5.5."""


@pytest.mark.parametrize("log", BY_PAGE_SIZE)
def test_requests_in_the_order_of_the_facts(log, read_recorded):
    tables, has_cma, memmap, busy_tree = BY_PAGE_SIZE[log]
    trace = read_recorded(f"arm64/{log}")
    cma = [(names.CMA_AREA, 1)] * has_cma
    before = [(names.LINEAR_MAP_TABLE, tables), *BEFORE_NODES, *cma, (names.MEMORY_RESOURCES, 1)]
    after = [*SECTIONS, *memmap, *FROM_COMMAND_LINE]
    assert in_order(trace, 0) == [*before, *after, *SCRATCH]
    assert in_order(trace, 1) == [*before, (names.DIGEST_PAGE, busy_tree), *after]
    phases = Counter(row.phase for row in trace["allocations"].where(boot=1))
    assert phases["before"] == sum(number for _, number in before) + busy_tree


def test_what_other_command_lines_ask_for(read_recorded):
    kfence = in_order(read_recorded("arm64/a64-kfence-2G"), 1)
    assert kfence[0] == (names.KFENCE_POOL, 1)
    assert kfence[-1] == (names.KFENCE_METADATA, 1)
    crash = in_order(read_recorded("arm64/a64-crash-4G"), 1)
    place = crash.index((names.CRASH_KERNEL, 1))
    assert [crash[place - 1][0], crash[place + 1][0]] == [names.CMA_AREA, names.MEMORY_RESOURCES]
    assert (names.GIGANTIC_PAGE, 16) in in_order(read_recorded("arm64/a64-huge32M-4G"), 1)


def test_the_tables_that_found_no_scratch(read_recorded):
    trace = read_recorded("arm64/a64-scratch-8G-16M_4M_4M")
    *_, last = trace["allocations"].where(boot=1)
    assert (last.what, last.failed) == (names.LINEAR_MAP_TABLE, True)
    assert trace.outcome.kind == "boot_failed"
    assert trace.outcome.message == "Failed to allocate page table page"


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.name.removesuffix(".log.xz"))
def test_no_request_is_unknown_and_no_line_unreadable(path, read_recorded):
    trace = read_recorded(f"arm64/{path.name.removesuffix('.log.xz')}")
    asked = {row.what for row in trace["allocations"]}
    assert not {what for what in asked if what.startswith("other: ") or what == names.LOST_REQUEST}
    assert trace.provenance["malformed_lines"] == 0
    assert {log.architecture for log in trace.extra["boots"]} == {"arm64"}


@pytest.mark.parametrize(
    "log",
    ["a64-machine-1G", "a64-16k-machine-2G", "a64-64k-cma0-4G", "a64-kfence-2G", "a64-crash-4G"],
)
def test_a_caller_of_another_name_changes_no_name(log, read_recorded):
    lines = text_of(RECORDED / "arm64" / f"{log}.log.xz")
    renamed = [CALLER.sub(rb"\1some_function+", line) for line in lines]
    assert renamed != lines
    rows = read_boot_log_lines(renamed, log)["allocations"]
    expected = read_recorded(f"arm64/{log}")["allocations"]
    assert [(r.phase, r.what) for r in rows] == [(r.phase, r.what) for r in expected]


# Facts


def test_gigantic_pages_of_all_sizes_count(read_recorded):
    huge_32m = read_recorded("arm64/a64-huge32M-4G")["boots"]
    assert [boot.gigantic_pages_allocated for boot in huge_32m] == [16, 16, 16]
    huge_1g = read_recorded("arm64/a64-16k-huge1G-16G")["boots"]
    assert [boot.gigantic_pages_allocated for boot in huge_1g] == [4, 4, 4], (
        "32 MiB is not gigantic"
    )


def test_trees_of_larger_pages_are_read(read_recorded):
    pages_64k = read_recorded("arm64/a64-64k-cma0-4G")["boots"][1]
    assert (pages_64k.preservations, pages_64k.radix_nodes) == (0x2C, 4)
    assert pages_64k.preserved_bytes == 0x2C << 16


def test_a_node_without_room_for_scratch_refuses_in_silence():
    lines = [
        CROSS,
        "memblock_alloc_try_nid: 64 bytes align=0x40 nid=-1 from=0x0 max_addr=0x0 f+0x1",
        "__memblock_reserve: [0x1000-0x103f] nid=-1 flags=20 memblock_alloc_range_nid",
    ]
    refused = "KHO: Failed to reserve nid 0 scratch buffer"
    for more, counts in (([], (1, 0)), ([refused], (2, 1))):
        trace = read_boot_log_lines([line.encode() for line in [*lines, *more]], "log")
        (boot,) = trace["boots"]
        assert (boot.allocations, boot.failures) == counts
