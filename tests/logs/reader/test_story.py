"""The names of early requests: those of a simulation, whatever the functions are called."""

from __future__ import annotations

import lzma
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kho_sim.base import requesters
from kho_sim.chain import run_scenario
from kho_sim.logs.reader import read_boot_log_lines
from kho_sim.scenario import from_dict
from kho_sim.trace.records import Allocation
from kho_sim.trace.trace import Trace

RECORDED = Path(__file__).parents[2] / "recorded"
VERSION = "Linux version 7.3.0-rc7+ (build@host) (cc 1.0)"
FOUND = "KHO: found kexec handover data."
CALLER = re.compile(rb"((?:memblock_alloc|memblock_phys_alloc)\w+: .* )[A-Za-z_][\w.]*\+")

NOT_OF_THE_MODEL = {
    ("tiny-64G-8M_16M_16M", requesters.LOST_REQUEST): "boot 1 begins with an answer",
}
"""Names of recorded logs that no simulation has, with the reason."""
DISTRO = "x86-distro/d-q35-numa2-8G-dist"
"""A kernel of a distribution, with distances between its nodes."""
ARM64 = ("arm64/a64-kfence-2G", "arm64/a64-crash-4G")
NEVER_RECORDED = {
    requesters.EFI_MAP_COPY: "no recorded firmware has tables for which a map is copied",
    requesters.CRASH_KERNEL_LOW: "no recorded command line has crashkernel=",
    requesters.CRASH_KERNEL_CMA: "no recorded command line has crashkernel=",
    requesters.HUGETLB_CMA_AREA: "no recorded command line has hugetlb_cma=",
    requesters.MEMMAP_TAIL_PAGE: "no recorded command line has hugetlb_free_vmemmap=",
}


def names(*lines: str) -> list[tuple[str, str]]:
    """The (phase, name) of each request of one boot."""
    text = [line.encode() for line in (VERSION, *lines)]
    return [(row.phase, row.what) for row in read_boot_log_lines(text, "log")["allocations"]]


def request(
    size: int, align: int, caller: str = "f", nid: int = -1, low: int = 0, high: int = 0
) -> str:
    window = f"nid={nid} from={low:#x} max_addr={high:#x}"
    return f"memblock_alloc_try_nid: {size} bytes align={align:#x} {window} {caller}+0x1/0x2"


def raw(size: int, caller: str = "f", nid: int = 0) -> str:
    line = request(size, size, caller, nid, 0x1000000, 1)
    return line.replace("try_nid:", "try_nid_raw:")


def in_range(size: int, align: int, low: int, high: int, caller: str = "f") -> str:
    window = f"from={low:#x} max_addr={high:#x}"
    return f"memblock_phys_alloc_range: {size} bytes align={align:#x} {window} {caller}+0x1/0x2"


def answer(size: int, nid: int = -1, start: int = 1 << 30) -> str:
    end = start + size - 1
    return f"__memblock_reserve: [{start:#x}-{end:#x}] nid={nid} flags=20 memblock_alloc_range_nid"


def answered(*lines: str) -> list[str]:
    """These requests, each with an answer of its size."""
    return [
        line for asked in lines for line in (asked, answer(int(asked.split(": ")[1].split()[0])))
    ]


def test_recorded_names_are_those_of_the_model(recorded, recorded_name):
    recorded_names = {row.what for row in recorded["allocations"]}
    strange = {what for what in recorded_names if not requesters.is_modelled(what)}
    assert strange == {what for log, what in NOT_OF_THE_MODEL if log == recorded_name}


def test_all_names_of_the_model_are_recorded(read_recorded):
    logs = (
        "seed-case1",
        "tiny-8G-8M_16M_16M",
        "huge30-64G",
        "b-noext-8G-16M_16M_16M",
        DISTRO,
        *ARM64,
    )
    seen = {row.what for name in logs for row in read_recorded(name)["allocations"]}
    assert set(requesters.REQUESTERS) - seen == set(NEVER_RECORDED)


@pytest.mark.parametrize(
    "name", ["tiny-64G-8M_16M_16M", "b-noext-8G-8M_16M_16M", "numa2-16G-huge", "seed-case2"]
)
def test_a_caller_of_another_name_changes_no_name(name, read_recorded):
    lines = lzma.decompress((RECORDED / f"{name}.log.xz").read_bytes()).split(b"\n")
    renamed = [CALLER.sub(rb"\1some_function+", line) for line in lines]
    assert renamed != lines
    rows = read_boot_log_lines(renamed, name)["allocations"]
    expected = read_recorded(name)["allocations"]
    assert [(r.phase, r.what) for r in rows] == [(r.phase, r.what) for r in expected]


# A simulated chain, printed as a log

IN_A_RANGE = {
    requesters.TRAMPOLINE,
    requesters.DIRECT_MAP_PROBE,
    requesters.DIRECT_MAP_PAGE,
    requesters.CRASH_KERNEL,
    requesters.CRASH_KERNEL_LOW,
    requesters.LOWMEM_SCRATCH,
    requesters.GLOBAL_SCRATCH,
    requesters.reserve_mem("area"),
}
ANSWER_ONLY = {requesters.NODE_DATA, requesters.CMA_AREA}
RAW = {requesters.VMEMMAP_TABLE, requesters.MEMMAP, requesters.MEMMAP_PAGE}


def printed(trace: Trace, cpus: int, nodes: int) -> list[str]:
    """The lines that the kernels of a simulated chain would print with ``memblock=debug``."""
    lines = []
    for boot in trace["boots"]:
        lines += [VERSION, f"Command line: {boot.command_line}"]
        lines += [FOUND] if boot.kind == "kho" else []
        lines.append(f"setup_percpu: NR_CPUS:64 nr_cpu_ids:{cpus} nr_node_ids:{nodes}")
        for row in trace["allocations"].where(boot=boot.boot, twin=False):
            lines += printed_request(row)
        lines.append("MEMBLOCK configuration:")
    return lines


def printed_request(row: Allocation) -> list[str]:
    if row.what in (*ANSWER_ONLY, requesters.node_scratch(row.nid)):
        return [] if row.failed else [answer(row.size_bytes, row.nid, row.address)]
    window = f"from={row.min_address:#x} max_addr={row.max_address:#x} f+0x1/0x2"
    size = f"{row.size_bytes} bytes"
    if row.what == requesters.GIGANTIC_PAGE:
        asked = f"memblock_alloc_hugetlb: {size} nid={row.nid} exact_nid=0 f+0x1/0x2"
    elif row.what in IN_A_RANGE:
        asked = f"memblock_phys_alloc_range: {size} align={row.align_bytes:#x} {window}"
    else:
        function = "try_nid_raw" if row.what in RAW else "try_nid"
        place = f"align={row.align_bytes:#x} nid={row.nid} {window}"
        asked = f"memblock_alloc_{function}: {size} {place}"
    return [asked] if row.failed else [asked, answer(row.size_bytes, row.nid, row.address)]


@settings(max_examples=20, deadline=None)
@given(
    gib=st.integers(2, 24),
    cpus=st.integers(1, 40),
    nodes=st.integers(1, 3),
    words=st.sets(
        st.sampled_from(
            ["log_buf_len=4M", "crashkernel=64M", "crashkernel=96M,high", "cma=8M",
             "hugepagesz=1G hugepages=2", "foo=bar", "nokaslr",
             "reserve_mem=4M:4K:area"]
        )
    ),
    scratch=st.sampled_from(["", "kho_scratch=16M,32M,16M", "kho_scratch=64M,256M,64M"]),
    strategy=st.sampled_from(["blocks", "none"]),
)  # fmt: skip
def test_a_simulated_chain_that_is_printed_is_read_with_its_names(
    gib, cpus, nodes, words, scratch, strategy
):
    scenario = from_dict(
        {
            "machine": {"memory": f"{gib}GiB", "cpus": cpus, "nodes": nodes},
            "kernel": {
                "command_line": " ".join([*sorted(words), scratch]),
                "extend": {"strategy": strategy},
            },
            "chain": {"boots": 2, "twin": False},
        }
    )
    trace = run_scenario(scenario)
    rows = read_boot_log_lines([x.encode() for x in printed(trace, cpus, nodes)], "printed")
    found = [(r.boot, r.phase, r.what, r.failed) for r in rows["allocations"]]
    asked = [r for r in trace["allocations"] if not (r.failed and r.what in ANSWER_ONLY)]
    assert found == [(r.boot, r.phase, r.what, r.failed) for r in asked]


# Requests that no modelled build makes


DISTRIBUTION = (
    "setup_percpu: NR_CPUS:8192 nr_cpu_ids:4 nr_node_ids:2",
    "ACPI: SRAT: Node 0 PXM 0 [mem 0x00000000-0x7fffffff]",
    "ACPI: SRAT: Node 1 PXM 1 [mem 0x100000000-0x17fffffff]",
    *answered(request(4, 4096, "numa_alloc_distance")),
    answer(0x2B080, 0),
    answer(256 << 20),
    *answered(
        request(0x49, 64, "__memblock_alloc_or_panic"),
        request(0x4B, 64, "__memblock_alloc_or_panic"),
        request(0x440, 64, "__memblock_alloc_or_panic"),
        request(104, 64, "firmware_map_add_early"),
        request(32, 64, "__memblock_alloc_or_panic"),
        request(4096, 4096, "kho_memory_init_early"),
        request(4096, 4096, "kho_radix_add_key"),
    ),
    "Zone ranges:",
    answer(2 << 30, 0),
    *answered(
        request(0x200000, 64, "__memblock_alloc_or_panic"),
        request(4096, 64, "sparse_index_alloc", nid=0),
        request(88 * 64, 64, "sparse_init_nid", nid=0),
        raw(4096, "vmemmap_populate_hvo"),
        raw(4096, "vmemmap_pgd_populate"),
        raw(4096, "vmemmap_pud_populate"),
        raw(4096, "vmemmap_populate_address"),
        raw(4096, "vmemmap_populate_address"),
        raw(4096, "vmemmap_populate_address"),
        raw(2 << 20, "vmemmap_populate_hugepages"),
        request(96, 64, "__memblock_alloc_or_panic"),
        request(96, 64, "__memblock_alloc_or_panic"),
        request(4096, 4096, "pcpu_build_alloc_info"),
        request(4096, 64, "pcpu_embed_first_chunk"),
        request(2 << 20, 2 << 20, "pcpu_embed_first_chunk", nid=0, low=0x1000000),
    ),
    "percpu: Embedded 49 pages/cpu s163840 r8192 d28672 u524288",
    *answered(
        *(
            request(size, 64, "__memblock_alloc_or_panic")
            for size in (8, 8, 16, 32, 0x150, 136, 256, 264, 64, 136, 896, 904, 224, 8, 8, 8)
        ),
        request(10, 64, "start_kernel"),
    ),
    *answered(
        request(0x200000, 4096, "kfence_alloc_pool_and_metadata"),
        request(0x48000, 4096, "kfence_alloc_pool_and_metadata"),
    ),
)
CHUNK = [
    requesters.PER_CPU_CHUNK,
    requesters.PER_CPU_ALLOCATION_MAP,
    requesters.PER_CPU_BOUNDARY_MAP,
    requesters.PER_CPU_PAGE_BLOCKS,
]
DISTRIBUTION_NAMES = [
    requesters.NODE_DISTANCES,
    requesters.NODE_DATA,
    requesters.CMA_AREA,
    requesters.HPET_RESOURCE,
    requesters.IOAPIC_RESOURCE,
    requesters.E820_RESOURCES,
    requesters.FIRMWARE_MAP_ENTRY,
    requesters.NOSAVE_REGION,
    requesters.DIGEST_PAGE,
    requesters.DIGEST_PAGE,
    requesters.HUGETLB_CMA_AREA,
    requesters.SECTION_ROOT_ARRAY,
    requesters.SECTION_ROOT,
    requesters.USAGE_MAP,
    requesters.MEMMAP_TAIL_PAGE,
    requesters.VMEMMAP_TABLE,
    requesters.VMEMMAP_TABLE,
    requesters.VMEMMAP_TABLE,
    requesters.MEMMAP_PAGE,
    requesters.VMEMMAP_TABLE,
    requesters.MEMMAP,
    requesters.COMMAND_LINE,
    requesters.COMMAND_LINE,
    requesters.PER_CPU_GROUP_INFO,
    requesters.PER_CPU_AREAS,
    requesters.PER_CPU_UNITS,
    requesters.PER_CPU_GROUP_OFFSETS,
    requesters.PER_CPU_GROUP_SIZES,
    requesters.PER_CPU_UNIT_MAP,
    requesters.PER_CPU_UNIT_OFFSETS,
    requesters.PER_CPU_CHUNK_SLOTS,
    *CHUNK,
    *CHUNK,
    *[requesters.CPUMASK] * 3,
    requesters.UNKNOWN_PARAMETERS,
    requesters.KFENCE_POOL,
    requesters.KFENCE_METADATA,
]
"""The boot of kernel-facts-distro 1, with a node of one group of CPUs."""


def test_a_distribution_kernel_has_names_of_its_own_for_what_no_other_build_asks():
    found = names(FOUND, *DISTRIBUTION)
    assert [what for _, what in found] == DISTRIBUTION_NAMES
    last = DISTRIBUTION_NAMES.index(requesters.HUGETLB_CMA_AREA)
    assert [phase for phase, _ in found] == ["before"] * last + ["after"] * (len(found) - last)


def test_the_first_page_of_the_busy_tree_shows_the_extension():
    (log,) = read_boot_log_lines(
        [line.encode() for line in (VERSION, FOUND, *DISTRIBUTION)], "log"
    ).extra["boots"]
    kinds = [call.op for call in log.calls]
    assert kinds.count("extend") == 1
    assert log.calls[kinds.index("extend") + 1].what == requesters.DIGEST_PAGE


def test_a_request_of_no_kind_is_named_by_its_function():
    assert names(*answered(request(192, 16, "my_driver_init"))) == [
        ("before", "other: my_driver_init")
    ]


def test_a_page_is_of_the_busy_tree_only_after_a_handover():
    page = answered(request(4096, 4096))
    assert names(*page) == [("before", "other: f")]
    assert names(FOUND, *page) == [("before", requesters.DIGEST_PAGE)]


def test_after_the_architectures_setup_no_resource_is_asked_for():
    small = answered(request(64, 64))
    assert names(*small) == [("before", requesters.E820_RESOURCES)]
    assert names("Zone ranges:", *small) == [("after", "other: f")]


def test_what_comes_after_a_late_request_is_late_too():
    assert names(*answered(raw(1 << 30), request(192, 16)))[1] == ("after", "other: f")


def test_small_requests_of_a_log_without_its_start_are_not_guessed():
    small = answered(request(64, 64, "__memblock_alloc_or_panic"))
    rows = read_boot_log_lines([line.encode() for line in small], "log")["allocations"]
    assert [row.what for row in rows] == ["other: __memblock_alloc_or_panic"]


def test_a_table_that_found_no_memory_is_asked_for_again_at_half_the_size():
    tables = [request(size, 64, "alloc_large_system_hash") for size in (1 << 20, 1 << 19, 1 << 18)]
    lines = [tables[0], *answered(tables[1], tables[2])]
    assert [what for _, what in names(*lines)] == [
        requesters.DENTRY_HASH,
        requesters.DENTRY_HASH,
        requesters.INODE_HASH,
    ]


def test_named_memory_has_the_names_of_the_command_line():
    line = "Command line: reserve_mem=4M:4K:first reserve_mem=8K:4K:second reserve_mem=4M:4K:third"
    asked = answered(*(in_range(size, 4096, 0, 0) for size in (4 << 20, 8192, 4 << 20)))
    assert [what for _, what in names(line, *asked)] == [
        requesters.reserve_mem(name) for name in ("first", "second", "third")
    ]


def test_gigantic_pages_of_7_2_are_requests_like_any_other():
    asked = raw(1 << 30, "alloc_bootmem")
    assert names(*answered(asked)) == [("after", requesters.GIGANTIC_PAGE)]


def test_a_crash_kernel_that_goes_above_is_one_allocation_with_a_low_part():
    low, high = (0, 4 << 30), (4 << 30, 1 << 46)
    lines = [
        in_range(4 << 30, 16 << 20, *low),
        *answered(in_range(4 << 30, 16 << 20, *high), in_range(256 << 20, 16 << 20, *low)),
    ]
    text = [line.encode() for line in (VERSION, *lines)]
    rows = read_boot_log_lines(text, "log")["allocations"]
    assert [(row.what, row.failed) for row in rows] == [
        (requesters.CRASH_KERNEL, False),
        (requesters.CRASH_KERNEL_LOW, False),
    ]
    text[2:] = [line.encode() for line in answered(request(0x49, 64))]
    crash, _ = read_boot_log_lines(text, "log")["allocations"]
    assert crash.failed
