"""Kinds of lines that the excerpt does not have, and what is counted where a line is damaged."""

from __future__ import annotations

import pytest

from kho_sim.base.errors import TraceError
from kho_sim.logs.reader import read_boot_log_lines

VERSION = "Linux version 6.18.0-rc1+ (build@host) (cc 1.0)"
ANSWER = "__memblock_reserve: [{:#x}-{:#x}] nid={} flags=20 memblock_alloc_range_nid+0xcc/0x190"
REQUEST = "memblock_alloc_try_nid: {} bytes align=0x40 nid={} from=0x0 max_addr=0x0 {}+0x1/0x2"


def read(*lines: str):
    return read_boot_log_lines([line.encode() for line in (VERSION, *lines)], "lines")


def calls(*lines: str):
    return read(*lines).extra["boots"][0].calls


def test_a_request_without_an_answer_was_refused():
    first, second = calls(REQUEST.format(96, 0, "f"), REQUEST.format(64, 1, "g"),
                          ANSWER.format(0x1000, 0x103F, 0))  # fmt: skip
    assert (first.result, first.size, first.nid, first.caller) == (0, 96, 0, "f")
    assert (second.result, second.result_nid, second.nid, second.flags) == (0x1000, 0, 1, 0x20)


def test_a_request_that_the_log_cuts_off_is_not_called_refused():
    assert calls(REQUEST.format(96, 0, "f")) == []


def test_an_answer_of_another_size_belongs_to_a_request_that_is_not_logged():
    first, second = calls(REQUEST.format(96, 0, "f"), ANSWER.format(0x2000, 0x2FFF, 0))
    assert (first.result, first.caller) == (0, "f")
    assert (second.result, second.size, second.function, second.what) == (
        0x2000,
        0x1000,
        "",
        "node data",
    )


def test_a_request_of_no_bytes_is_answered_by_an_empty_range():
    (call,) = calls(REQUEST.format(0, -1, "f"), ANSWER.format(0x3000, 0x2FFF, -1))
    assert (call.result, call.size) == (0x3000, 0)


def test_calls_keep_their_order_and_kind():
    kinds = calls(
        "memblock_add: [0x0000000000001000-0x000000000009fbff] e820__memblock_setup+0x4c/0xc0",
        "memblock_reserve: [0x0000000000002000-0x0000000000002fff] setup_arch+0x1/0x2",
        "memblock_free: [0x0000000000002000-0x0000000000002fff] setup_arch+0x1/0x2",
        "memblock_remove: [0x0000000000008000-0x0000000000008fff] setup_arch+0x1/0x2",
        "memblock: reserved is doubled to 256 at [0x0000000000004000-0x00000000000057ff]",
    )
    assert [(call.op, call.base, call.size) for call in kinds] == [
        ("add", 0x1000, 0x9EC00),
        ("reserve", 0x2000, 0x1000),
        ("free", 0x2000, 0x1000),
        ("remove", 0x8000, 0x1000),
        ("double", 0x4000, 0x1800),
    ]


def test_reservations_of_preserved_memory_fold_into_runs_of_one_order():
    line = "__memblock_reserve: [{:#018x}-{:#018x}] nid=-1 flags=0 kho_preserved_memory_reserve+0x9"
    ranges = [
        (0x200000, 0x3FFFFF),
        (0x400000, 0x5FFFFF),
        (0x600000, 0x600FFF),
        (0x602000, 0x602FFF),
    ]
    log = read(*(line.format(*each) for each in ranges)).extra["boots"][0]
    assert log.retrieved_runs == [
        (9, 0x200000, 0x600000),
        (0, 0x600000, 0x601000),
        (0, 0x602000, 0x603000),
    ]
    assert log.retrieved_count == 4
    assert [call.op for call in log.calls] == ["retrieve"]


def test_the_retrieval_of_another_kernel_version_folds_too():
    line = "memblock_reserve: [{:#x}-{:#x}] kho_mem_deserialize+0x1/0x2"
    log = read(line.format(0, 0xFFF), line.format(0x1000, 0x1FFF)).extra["boots"][0]
    assert log.retrieved_runs == [(0, 0, 0x2000)]


def test_a_kernel_that_found_data_was_handed_it():
    assert read("KHO: found kexec handover data.")["boots"][0].kind == "kho"
    assert read()["boots"][0].kind == "cold"


def test_a_boot_without_its_first_lines_is_known_by_what_it_says():
    line = "__memblock_reserve: [0x1000-0x1fff] nid=-1 flags=0 kho_preserved_memory_reserve+0x9"
    trace = read("kexec_core: Starting new kernel", "stray line", line, "OBS CHAIN DONE")
    assert [boot.kind for boot in trace["boots"]] == ["cold", "kho"]
    assert trace["boots"][1].preservations is None
    assert trace.provenance["incomplete"] == ["the first lines of boot 1 are missing"]


STAMPED = f"[    0.000000] {VERSION}"


@pytest.mark.parametrize(
    ("line", "boots"),
    [
        (f"OBS version {VERSION}", 1),
        (f"[    1.000000] init: {VERSION}", 1),
        (VERSION, 1),
        (STAMPED, 2),
    ],
)
def test_a_boot_begins_with_the_kernels_own_line_only(line, boots):
    lines = (STAMPED, "[    0.500000] Run /init as init process", line)
    trace = read_boot_log_lines([text.encode() for text in lines], "lines")
    assert len(trace["boots"]) == boots


def test_without_time_stamps_a_boot_begins_at_the_start_of_a_line():
    assert len(read(f"version: {VERSION}", VERSION)["boots"]) == 2


def test_what_the_firmware_left_on_the_line_does_not_hide_the_first_message():
    trace = read_boot_log_lines([f"Booting from ROM..{VERSION}".encode()], "lines")
    assert [boot.release for boot in trace["boots"]] == ["6.18.0-rc1+"]


def test_older_spellings_of_the_number_of_cpus():
    log = read("smpboot: Allowing 6 CPUs, 0 hotplug CPUs").extra["boots"][0]
    assert log.possible_cpus == 6


def test_the_log_buffer_and_its_metadata_have_names():
    sizes = (1 << 20, (1 << 20) // 32 * 24, (1 << 20) // 32 * 88, 1 << 20)
    lines = [REQUEST.replace("0x40", "0x8").format(size, -1, "setup_log_buf") for size in sizes]
    names = [call.what for call in calls(*lines, "MEMBLOCK configuration:")][:-1]
    assert names == ["log buffer text", "log buffer desc", "log buffer info", "log buffer text"]


def test_an_area_is_known_by_the_request_that_got_it():
    trace = read(
        "memblock_phys_alloc_range: 4096 bytes align=0x400000 from=0x0 max_addr=0xffffffff"
        " kho_memory_init+0x1/0x2",
        ANSWER.format(0x400000, 0x400FFF, -1),
        ANSWER.format(0x800000, 0x801FFF, 0),
    )
    assert trace["boots"][0].scratch_areas == ((0x400000, 0x1000), (0x800000, 0x2000))


def test_inherited_areas_are_the_flagged_memory_above_1_mib():
    flagged = " memory[{:#x}]\t[{:#018x}-{:#018x}], 0x0000000000001000 bytes flags: {:#x}"
    trace = read(
        "KHO: found kexec handover data.",
        "MEMBLOCK configuration:",
        flagged.format(0, 0x1000, 0x9EFFF, 0x40),
        flagged.format(1, 0x100000, 0x3FFFFF, 0),
        flagged.format(2, 0x400000, 0x7FFFFF, 0x40),
        flagged.format(3, 0x800000, 0xBFFFFF, 0x41),
    )
    assert trace["boots"][0].scratch_areas == ((0x400000, 0x800000),)


@pytest.mark.parametrize(
    "line",
    [
        "BIOS-e820: [mem 0x2000-0x0fff] usable",
        "KHO: OBS key 0 0x1000 0x1800",
        "KHO: OBS key 0 0x3000 0x1000",
        "KHO: OBS key 99 0x0 0x0",
        "__memblock_reserve: [0x3000-0x1000] nid=-1 flags=0 kho_preserved_memory_reserve+0x9a/0xd0",
        "KHO: OBS nonsense 1",
        "KHO: OBS radix_nodes 0x1 nr",
        "KHO: OBS busy 0x" + "f" * 17,
        "KHO: OBS before memory 0x1000",
        "memory[0x0]\t[0x1000-0x1fff], 0x1000 bytes flags: 0x0",
        "RAMDISK: none",
        "OBS meminfo nothing",
        "OBS meminfo MemTotal: 999999999999999999999 kB",
        "memblock_alloc_try_nid: many bytes",
    ],
)
def test_a_damaged_line_is_counted_and_leaves_nothing(line):
    trace = read(line)
    assert trace.provenance["malformed_lines"] == 1
    assert trace.extra == read().extra


def test_lines_of_no_known_kind_are_counted():
    assert read("what is this", "and this").provenance["unknown_lines"] == 2


@pytest.mark.parametrize(
    ("lines", "kind", "boot", "message"),
    [
        (["OBS CHAIN DONE"], "completed", 0, ""),
        (["Run /init as init process", "reboot: Power down"], "completed", 0, ""),
        (["reboot: Power down"], "unknown", 0, ""),
        (["kexec_core: Starting new kernel"], "unknown", 1, ""),
        (["Kernel panic - not syncing: VFS: no root"], "boot_failed", 0, "VFS: no root"),
        (
            ["OBS INIT stage 0 of 2", "Kernel panic - not syncing: System is deadlocked on memory"],
            "preserve_failed",
            0,
            "System is deadlocked on memory",
        ),
        (["OBS FAIL preserve: No memory"], "preserve_failed", 0, "preserve: No memory"),
        (
            ["OBS FAIL preserve: first", "OBS FAIL close: x"],
            "preserve_failed",
            0,
            "preserve: first",
        ),
        (["OBS FAIL open liveupdate: None"], "kho_disabled", 0, "open liveupdate: None"),
        (["OBS FAIL kexec_file_load: Bad"], "load_refused", 0, "kexec_file_load: Bad"),
        (
            [
                "KHO: Failed to reserve lowmem scratch buffer",
                "KHO: Failed to reserve scratch area, disabling kexec handover",
                "OBS FAIL open liveupdate: No such file or directory",
                "reboot: Power down",
            ],
            "kho_disabled",
            0,
            "KHO: Failed to reserve lowmem scratch buffer",
        ),
    ],
)
def test_how_a_chain_ended(lines, kind, boot, message):
    outcome = read(*lines).outcome
    assert (outcome.kind, outcome.boot, outcome.message) == (kind, boot, message)


def test_text_without_a_kernel_message_is_no_log():
    with pytest.raises(TraceError, match="no kernel message in 2 lines"):
        read_boot_log_lines([b"Memory: is what it is", b"OBS CHAIN DONE"], "novel")
