"""However the lines of a log reached the file, the trace is the same."""

from __future__ import annotations

import gzip
import lzma

import pytest

from kho_sim.logs.reader import read_boot_log, read_boot_log_lines
from tests.logs.reader import boot_log_excerpts as excerpts

STYLES = {
    "printk stamp": "[    0.000000] {}",
    "stamp and caller": "[    0.000000][    T0] {}",
    "stamp and level": "<6>[    0.000000] {}",
    "dmesg -T": "[Mon Nov 23 10:59:32 2026] {}",
    "journalctl -k": "Nov 23 10:59:32 host kernel: {}",
    "journal, stamped": "Nov  3 10:59:32 host kernel: [    0.000000] {}",
    "journal, ISO": "2026-11-23T10:59:32+0000 host kernel: {}",
    "journal, monotonic": "[    0.000000] host kernel: {}",
    "journal, precise": "Nov 23 10:59:32.744267 host kernel: {}",
    "journal, full": "Mon 2026-11-23 10:59:32 UTC host kernel: {}",
    "journal, ISO precise": "2026-11-23T10:59:32.744267+00:00 host kernel: {}",
    "journal, unix": "1795431572.744267 host kernel: {}",
    "installer": "Nov 23 10:59:32 kernel: [    0.000000] {}",
    "dmesg -H": "[Nov23 10:59] {}",
    "dmesg -H, later": "[  +0.000001] {}",
    "dmesg -d": "[    0.000000 <    0.000000>] {}",
    "dmesg -xT": "kern  :info  : [Mon Nov 23 10:59:32 2026] {}",
    "dmesg --time-format=iso": "2026-11-23T10:59:32,744267+00:00 {}",
    "quoted mail": "> [    0.000000] {}",
    "twice quoted": "> > [    0.000000] {}",
    "tightly quoted": ">> {}",
    "carriage return": "[    0.000000] {}\r",
    "colours": "\x1b[32m[    0.000000] \x1b[0m\x1b[33m{}\x1b[0m",
    "terminal reset": "\x1bc\x1b[?7l\x1b[2J[    0.000000] {}",
    "control bytes": "\x00[    0.000000] {}\x07\x08",
}


def styled(style: str) -> bytes:
    return "\n".join(style.format(line) for line in excerpts.CHAIN).encode()


@pytest.fixture
def plain():
    return read_boot_log_lines([line.encode() for line in excerpts.CHAIN], "excerpt")


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_a_style_of_stamps_changes_nothing(style, plain):
    trace = read_boot_log_lines(styled(style).split(b"\n"), "excerpt")
    assert trace.digest == plain.digest
    assert trace.extra == plain.extra
    assert trace.provenance == plain.provenance


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress], ids=["plain", "gz", "xz"])
def test_compression_is_told_by_the_content_not_by_the_name(pack, plain, tmp_path):
    path = tmp_path / "console.txt"
    path.write_bytes(pack(styled("[    0.000000] {}")))
    assert read_boot_log(path).digest == plain.digest


def test_several_compressed_streams_in_one_file_are_one_log(plain, tmp_path):
    text = styled("{}")
    path = tmp_path / "two.xz"
    path.write_bytes(lzma.compress(text[:700]) + b"\0\0\0\0" + lzma.compress(text[700:]))
    assert read_boot_log(path).digest == plain.digest


def test_stamps_are_counted_on_from_kernel_to_kernel(plain):
    lines = [b"[    2.500000] " + line.encode() for line in excerpts.COLD.splitlines()]
    lines += [b"[    1.250000] " + line.encode() for line in excerpts.REVIVED.splitlines()]
    last = read_boot_log_lines(lines, "excerpt")["events"][-1]
    assert (last.boot, last.start_ns) == (1, 3_750_000_000)


def test_a_kernel_message_inside_a_line_of_user_space_is_both():
    cold = excerpts.COLD.splitlines()
    broken = "OBS INIT stage 0 of 2[    2.000000] percpu: Embedded 7 pages/cpu s1 r2 d3 u4"
    log = read_boot_log_lines([line.encode() for line in [*cold[:-1], broken]], "x").extra["boots"]
    assert log[0].percpu.pages == 7
    assert log[0].reached_init
    assert log[0].events[-1].detail == "OBS INIT stage 0 of 2"


def test_the_excerpt_says_what_it_says(plain):
    cold, revived = plain["boots"]
    assert (cold.kind, cold.release) == ("cold", "7.3.4")
    assert (revived.kind, revived.release) == ("kho", "7.3.5")
    assert cold.kernel_reserved_bytes == 0x1001000
    assert cold.scratch_areas == ((0x20000000, 0x400000), (0x20400000, 0x800000))
    assert (cold.gigantic_pages_requested, cold.gigantic_pages_allocated) == (3, 0)
    assert (cold.reserved_regions_before, cold.reserved_regions_after) == (2, 3)
    assert (cold.allocations, cold.failures) == (2, 1)
    assert revived.preservations_by_order == ((0, 2), (9, 1))
    assert (revived.preservations, revived.preserved_bytes, revived.radix_nodes) == (3, 0x202000, 1)
    assert (revived.busy_blocks, revived.extended_bytes) == ((0,), 0x1F000000)
    assert (revived.digest_pages, revived.extend_ns) == (1, None)
    assert (revived.memory_regions_before, revived.memory_regions_after) == (3, 2)
    assert (revived.allocations, revived.failures) == (4, 2)
    assert plain.outcome.kind == "boot_failed"
    assert (plain.outcome.boot, plain.outcome.message) == (
        1,
        "Failed to allocate memmap for section 3",
    )


def test_the_excerpt_tells_the_machine(plain):
    log = plain.extra["boots"][0]
    assert log.e820 == [(0, 0x9FC00, "System RAM"), (0x100000, 0x40000000, "usable")]
    assert log.efi.descriptors == [(0x100000, 0x40000000, "conventional", ())]
    assert log.srat == [(0, 0x20000000, 0), (0x20000000, 0x40000000, 1)]
    assert log.node_ranges == [(0x100000, 0x20000000, 0), (0x20000000, 0x40000000, 1)]
    assert (log.possible_cpus, log.nr_cpu_ids, log.nr_node_ids) == (2, 2, 2)
    assert (log.node_cpus, log.deferred_ms) == ({0: [1, 3, 4], 1: [2]}, {0: 28})
    assert log.initrd == (0x3F000000, 0x3F100000)
    assert log.percpu == (39, 129944, 0, 29800, 1048576)
    assert log.memory.available_bytes == 900000 * 1024
    assert log.memory.parts["cma-reserved"] == 0
    assert log.memory.parts["kernel code"] == 3911 * 1024
    assert log.dumps[0].memory == [(0x100000, 0x3FF00000, -1, 0)]
    assert log.dumps[0].reserved == [(0x1000000, 0x1000000, 0, 0x20)]


def test_the_excerpt_names_its_allocations(plain):
    rows = plain["allocations"]
    assert [(row.boot, row.phase, row.what, row.source, row.failed) for row in rows] == [
        (0, "before", "log buffer text", "memory", False),
        (0, "after", "gigantic page", "", True),
        (1, "before", "digest page", "scratch", False),
        (1, "after", "memmap", "", True),
        (1, "after", "vmemmap table", "", False),
        (1, "after", "memmap page", "", True),
    ]
    assert [row.sequence for row in rows] == [0, 1, 0, 1, 2, 3]


def test_user_space_lines_fill_the_boot():
    lines = (excerpts.COLD + excerpts.USER).encode().split(b"\n")
    trace = read_boot_log_lines([line for line in lines if b"Starting new" not in line], "x")
    assert trace.extra["boots"][0].meminfo == {"MemTotal": 900 * 1024}
    assert [event.what for event in trace["events"]][-3:] == ["init", "preserve", "load"]
