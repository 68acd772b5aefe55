"""Logs of arm64 as scenarios: memory of device trees and of UEFI, sizes of builds, cut logs."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from kho_sim.base.extent import merged
from kho_sim.chain.build import build_machine
from kho_sim.logs.importing import import_files, scenario_from_trace
from kho_sim.logs.importing.arm64 import first_load
from kho_sim.logs.reader import read_boot_log_lines
from kho_sim.machine.machine import NOMAP, USABLE, BootLoader, FirmwareRange

RECORDED = Path(__file__).parents[2] / "recorded" / "arm64"
FLASH = FirmwareRange(0x4000000, 0x8000000, NOMAP)
MIB, GIB = 1 << 20, 1 << 30
UEFI_4G = [
    FLASH,
    FirmwareRange(0x40000000, 0x13C440000),
    FirmwareRange(0x13C440000, 0x13C730000, NOMAP),
    FirmwareRange(0x13C730000, 0x13FC00000),
    FirmwareRange(0x13FC00000, 0x13FFE0000, NOMAP),
    FirmwareRange(0x13FFE0000, 0x140000000),
]
"""What the kernel of a64-efidebug-4G-uefi has as memory."""


def lines_of(name: str) -> list[bytes]:
    return lzma.decompress((RECORDED / f"{name}.log.xz").read_bytes()).split(b"\n")


def without(name: str, *texts: bytes) -> list[bytes]:
    return [line for line in lines_of(name) if not any(text in line for text in texts)]


def imported(lines: list[bytes]):
    return scenario_from_trace(read_boot_log_lines(lines, "log"))


def memory_of(lines: list[bytes]) -> list[FirmwareRange]:
    return [
        FirmwareRange(part["start"], part["end"], part.get("kind", USABLE))
        for part in imported(lines).scenario["machine"]["memory_map"]
    ]


@pytest.mark.parametrize(
    ("name", "page_kib", "memory_gib", "cpus", "image", "initrd"),
    [
        ("a64-machine-1G", 4, 1, 1, 0x650000, 0x68F600),
        ("a64-16k-machine-2G", 16, 2, 2, 0x600000, 0x62A400),
        ("a64-16k-huge1G-16G", 16, 16, 2, 0x600000, 0x62C000),
        ("a64-64k-cma0-4G", 64, 4, 2, 0x7F0000, 0x7B6C00),
    ],
)
def test_machine_and_build_of_a_log(name, page_kib, memory_gib, cpus, image, initrd):
    """Without ``memblock=debug`` an initrd is known in whole pages."""
    found = imported(lines_of(name))
    scenario = found.to_scenario()
    assert (scenario.machine.platform, scenario.machine.cpus) == ("arm64", cpus)
    assert scenario.kernel.page_size == page_kib << 10
    assert (scenario.kernel.image, scenario.kernel.initrd) == (image, initrd)
    assert scenario.chain.workers == "sequential"
    assert [tuple(extent) for extent in build_machine(scenario).memory] == [
        (GIB, (memory_gib + 1) * GIB)
    ]
    assert "early" not in found.scenario["kernel"]


def test_memory_of_nodes():
    parts = imported(lines_of("a64-numa2-8G")).scenario["machine"]["memory_map"]
    assert parts == [
        {"start": GIB, "end": 5 * GIB},
        {"start": 5 * GIB, "end": 9 * GIB, "node": 1},
    ]


DUMPS = (b"] \tmemory[", b"\tmemory[", b" memory[", b"preretrieve memory")
"""What shows the flags of memory."""
UEFI_MAP = (b"efi:   0x",)


def test_memory_under_uefi_by_what_a_log_shows():
    name = "a64-efidebug-4G-uefi"
    assert memory_of(lines_of(name)) == UEFI_4G
    described = memory_of(without(name, *DUMPS))
    kinds = {part.kind for part in described}
    assert {"conventional", "acpi reclaim", "boot data", NOMAP} <= kinds
    assert [part for part in described if part.kind == NOMAP] == UEFI_4G[::2]
    listed = imported(without(name, *DUMPS, *UEFI_MAP))
    assert any("taken not to be mapped (NOMAP)" in note for note in listed.notes)
    assert memory_of(without(name, *DUMPS, *UEFI_MAP))[1:] == UEFI_4G[1:]


def test_what_firmware_leaves_reserved_and_where_a_boot_begins(read_recorded):
    name = "a64-efidebug-4G-uefi"
    tables = imported(lines_of(name)).scenario["machine"]["firmware_tables"]
    assert [(table["start"], table["end"]) for table in tables] == [
        (0x13BDCFF98, 0x13BDCFFA8),
        (0x13C430000, 0x13C440000),
        (0x13E00C018, 0x13E00C418),
    ]
    first = first_load(read_recorded(f"arm64/{name}").extra["boots"][0])
    assert first.image == (0x13B600000, 0x13BC50000)
    assert first.initrd == (0x13AF70000, 0x13B600000)
    assert first.device_tree == (0x13AD70000, 0x13AD7024D)


@pytest.mark.parametrize("name", ["a64-machine-1G", "a64-16k-huge1G-16G", "a64-64k-cma0-4G"])
def test_a_log_without_a_part_of_its_memory_is_refused(name):
    lines = [
        line.replace(b"0x0000000040000000-", b"0x0000000050000000-")
        .replace(b"memory 0x40000000", b"memory 0x50000000")
        for line in lines_of(name)
    ]  # fmt: skip
    found = imported(lines)
    assert {key for key, *_ in found.disagreements} == {"machine.memory_map"}
    assert "in 'Memory: x/yK'" in found.disagreements[0].other


def test_ranges_that_say_otherwise_than_the_flags_are_a_disagreement():
    lines = without("a64-machine-1G", b"Memory: ")
    cut = [
        line.replace(b"0: [mem 0x0000000040000000-", b"0: [mem 0x0000000048000000-")
        for line in lines
    ]
    assert not imported(lines).disagreements
    assert imported(cut).disagreements


def test_reserved_memory_nodes_are_not_mapped_or_reserved():
    form = "OF: reserved mem: 0x{:016x}..0x{:016x} (1024 KiB) {} {} {}"
    first, *rest = lines_of("a64-machine-1G")
    added = [
        form.format(0x60000000, 0x600FFFFF, "map", "non-reusable", "firmware@60000000"),
        form.format(0x61000000, 0x610FFFFF, "map", "reusable", "linux,cma"),
    ]
    where = next(number for number, line in enumerate(rest) if b"OF: reserved mem" in line)
    lines = [first, *rest[:where], *(line.encode() for line in added), *rest[where:]]
    found = imported(lines)
    assert found.scenario["machine"]["firmware_tables"] == [
        {"start": 0x60000000, "end": 0x60100000}
    ]
    assert any("linux,cma is left out" in note for note in found.notes)


# Files of running machines


@pytest.mark.parametrize(
    ("name", "page_kib"), [("a64-numa2-8G", 4), ("a64-16k-huge1G-16G", 16), ("a64-64k-cma0-4G", 64)]
)
def test_iomem_is_never_read_as_of_x86(name, page_kib, iomem, put):
    found = import_files([put("iomem", iomem(f"arm64/{name}"))])
    scenario, log = found.to_scenario(), imported(lines_of(name)).to_scenario()
    assert (scenario.machine.platform, scenario.kernel.page_size) == ("arm64", page_kib << 10)
    assert scenario.kernel.image == log.kernel.image
    assert merged(build_machine(scenario).memory) == merged(build_machine(log).memory)


def test_iomem_of_a_uefi_machine_has_its_unmapped_memory(iomem, put, recorded_path):
    name = "arm64/a64-efidebug-4G-uefi"
    file = put("iomem", iomem(name))
    parts = import_files([file]).scenario["machine"]["memory_map"]
    assert [FirmwareRange(p["start"], p["end"], p.get("kind", USABLE)) for p in parts] == UEFI_4G
    assert import_files([recorded_path(name), file]).disagreements == ()


MEMBLOCK = (
    "   0: 0x0000000040000000..0x000000013c43ffff    0 NONE\n"
    "   1: 0x000000013c440000..0x000000013c72ffff    0 NOMAP\n"
    "   2: 0x000000013c730000..0x000000013fffffff    0 NONE\n"
)


def test_memblock_of_debugfs_is_never_read_as_of_x86(put):
    found = import_files([put("memory", MEMBLOCK)])
    assert found.scenario["machine"]["platform"] == "arm64"
    kinds = [part.get("kind", USABLE) for part in found.scenario["machine"]["memory_map"]]
    assert kinds == [USABLE, NOMAP, USABLE]
    assert any("page size" in note for note in found.notes)
    found.to_scenario()


def zoneinfo(start: int, pages: int) -> str:
    numbers = (
        f"        spanned  {pages}\n        present  {pages}\n  start_pfn:           {start}\n"
    )
    return f"Node 0, zone      DMA\n{numbers}  pagesets\n    cpu: 0\n    cpu: 1\n"


@pytest.mark.parametrize("page_kib", [16, 64])
def test_zoneinfo_counts_pages_of_the_kernel(page_kib, iomem, put):
    name = {16: "a64-16k-machine-2G", 64: "a64-64k-cma0-4G"}[page_kib]
    size = {16: 2 * GIB, 64: 4 * GIB}[page_kib]
    pages = zoneinfo(GIB // (page_kib << 10), size // (page_kib << 10))
    files = [put("zoneinfo", pages), put("iomem", iomem(f"arm64/{name}"))]
    found = import_files(files)
    assert found.disagreements == ()
    assert found.scenario["machine"]["cpus"] == 2
    less = put("zoneinfo", zoneinfo(GIB // (page_kib << 10), size // (page_kib << 10) - 1))
    assert import_files([less, files[1]]).disagreements


def test_blocks_that_begin_above_zero_are_of_arm64(put):
    row = '{"range": "0x0000000040000000-0x00000000bfffffff", "size": 2147483648}'
    found = import_files([put("lsmem", f'{{"memory": [{row}]}}')])
    assert found.scenario["machine"]["platform"] == "arm64"


def test_a_scenario_begins_where_the_boot_loader_put_the_first_kernel():
    found = imported(lines_of("a64-efidebug-4G-uefi"))
    machine = build_machine(found.to_scenario())
    assert machine.boot_loader == BootLoader(
        image=0x13B600000, initrd=0x13AF70000, device_tree=0x13AD70000
    )
