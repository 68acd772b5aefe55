"""What is imported of EFI: from descriptors, from what a kernel reserves, or from a sum only."""

from __future__ import annotations

import lzma
import re
from itertools import pairwise
from pathlib import Path

import pytest

from kho_sim.base.extent import merged, total_size
from kho_sim.chain.build import build_machine
from kho_sim.logs.importing import scenario_from_trace
from kho_sim.logs.reader import read_boot_log, read_boot_log_lines

RECORDED = Path(__file__).parents[2] / "recorded" / "x86-distro"
HELD_4G = [
    (0x900000, 0x1500000),
    (0x7BB6D000, 0x7BB8D000),
    (0x7DC86000, 0x7DD24000),
    (0x7DD5F000, 0x7EA8A000),
    (0x7EB8C000, 0x7F4EC000),
    (0x7F7FE000, 0x7FE00000),
    (0x7FE71000, 0x7FEEC000),
]
"""Reserved by efi_reserve_boot_services() in d-efi-4G-nokaslr above 1 MiB."""
KEPT_4G = (0x7DD3F000, 0x7DD5F000)
MIB = 1 << 20


def imported(trace):
    return scenario_from_trace(trace)


def lines_of(name, *without):
    """The lines of a recorded log but for those that have one of these texts."""
    lines = lzma.decompress((RECORDED / f"{name}.log.xz").read_bytes()).splitlines()
    return [line for line in lines if not any(text in line for text in without)]


def held(found, kind="boot data"):
    parts = found.scenario["machine"]["memory_map"]
    return [(part["start"], part["end"]) for part in parts if part.get("kind") == kind]


def test_requests_show_boot_services_and_the_tables():
    found = imported(read_boot_log(RECORDED / "d-efi-4G-nokaslr.log.xz"))
    assert held(found) == sorted([*HELD_4G, KEPT_4G])
    assert found.scenario["machine"]["efi"] == {
        "memory_map": {"start": 0x7F771040, "end": 0x7F772960},
        "attributes": {"start": 0x7DD3F298, "end": 0x7DD3F6C8},
        "runtime_ranges": 6,
        "initrd_end": 0x7D42F000,
    }
    assert held(found, "mmio") == [(0xFFC00000, 0x100000000)]
    assert held(found, "acpi reclaim") == [(0x7F76C000, 0x7F77E000)]
    assert len(found.scenario["machine"]["firmware_tables"]) == 7
    machine = build_machine(found.to_scenario())
    assert len(machine.firmware) == 17
    assert machine.efi.kept == KEPT_4G


def test_regions_show_the_same_where_requests_are_not_logged():
    name = "d-efi-8G-scratch-tiny"
    found = imported(read_boot_log(RECORDED / f"{name}.log.xz"))
    assert "efi_reserve_boot_services" not in b"".join(lines_of(name)).decode(errors="replace")
    assert (0x7DD40000, 0x7EA8A000) in held(found)
    assert (0x7DD3D000, 0x7DD3E000) in held(found)
    efi = found.scenario["machine"]["efi"]
    assert efi["memory_map"] == {"start": 0x7F771040, "end": 0x7F7729C0}
    assert efi["attributes"] == {"start": 0x7DD3D018, "end": 0x7DD3D448}
    assert efi["runtime_ranges"] == 6


SILENT = (b"memblock", b"reserved[", b"KHO: OBS")
"""Lines that show what a kernel reserves."""


def test_a_map_that_ovmf_makes_has_its_boot_services_where_ovmf_has_them():
    found = imported(read_boot_log_lines(lines_of("d-efi-4G-nokaslr", *SILENT), "plain"))
    there = merged([*HELD_4G, KEPT_4G])
    assert merged(held(found)) == merged([*HELD_4G, (0x7DD3F000, 0x7DD40000)])
    assert total_size(there) - total_size(merged(held(found))) == 0x1F000
    assert any("the map is OVMF's" in note for note in found.notes)
    assert any("6 are assumed" in note for note in found.notes)
    assert found.to_scenario().machine.efi.runtime_ranges == 6


def test_a_sum_alone_is_taken_to_lie_at_the_top_of_low_memory_and_said():
    """Of a firmware whose map is not OVMF's: its last range ends a page earlier."""
    lines = lines_of("d-efi-4G-nokaslr", *SILENT, b"node ranges", b"node   0", b"Memory: ")
    lines = [line.replace(b"7feebfff]  System", b"7feeafff]  System") for line in lines]
    found = imported(read_boot_log_lines(lines, "plain"))
    parts = held(found)
    assert total_size(parts) == 42776 << 10
    assert (0x7DD3F000, 0x7DD40000) in parts  # the attributes table, apart
    assert parts[-1][1] == 0x7FEEB000  # the end of memory below 4 GiB
    assert (0x7EB8C000, 0x7F4EC000) in parts
    assert any(f"{42776 << 10} bytes, from 'Freeing EFI boot" in note for note in found.notes)


def test_nothing_at_all_is_said_as_well():
    dropped = (b"memblock", b"reserved[", b"KHO: OBS", b"Freeing EFI", b"MEMATTR", b"RAMDISK")
    lines = lines_of("d-efi-4G-nokaslr", *dropped, b"node ranges", b"node   0", b"Memory: ")
    lines = [line.replace(b"7feebfff]  System", b"7feeafff]  System") for line in lines]
    found = imported(read_boot_log_lines(lines, "plain"))
    assert held(found) == []
    assert any("none, are taken" in note for note in found.notes)
    assert found.scenario["machine"]["efi"] == {"runtime_ranges": 6}


DESCRIPTORS = """\
efi: mem00: [Conventional|   |  |  |  |  |  |  |  |  |  |   |WB|WT|WC|UC] range=[{0}] (0MB)
efi: mem01: [Boot Code   |   |  |  |  |  |  |  |  |  |  |   |WB|WT|WC|UC] range=[{1}] (0MB)
efi: mem02: [Boot Data   |   |  |  |  |  |  |  |  |  |  |   |WB|WT|WC|UC] range=[{2}] (0MB)
efi: mem03: [Loader Data |   |  |  |  |  |  |  |  |  |  |   |WB|WT|WC|UC] range=[{3}] (0MB)
efi: mem04: [Conventional|   |  |  |  |  |  |  |  |  |  |   |WB|WT|WC|UC] range=[{4}] (0MB)
efi: mem05: [Runtime Data|RUN|  |  |  |  |  |  |  |  |  |   |WB|WT|WC|UC] range=[{5}] (0MB)
efi: mem06: [MMIO        |RUN|  |  |  |  |  |  |  |  |  |   |  |  |  |UC] range=[{6}] (0MB)
"""
EDGES = [0, 4, 8, 12, 16, 1024, 1025]


def with_descriptors(e820):
    ranges = [f"{a * MIB:#018x}-{b * MIB - 1:#018x}" for a, b in pairwise(EDGES)]
    ranges.append(f"{0xFFC00000:#018x}-{0xFFFFFFFF:#018x}")
    text = "Linux version 7.3.0 (gcc)\nBIOS-provided physical RAM map:\n"
    if e820:
        text += "BIOS-e820: [mem 0x0000000000000000-0x000000003fffffff]  System RAM\n"
        text += "BIOS-e820: [mem 0x0000000040000000-0x00000000400fffff]  device reserved\n"
        text += "BIOS-e820: [mem 0x00000000ffc00000-0x00000000ffffffff]  device reserved\n"
    text += "efi: EFI v2.7 by EDK II\nefi: SMBIOS=0x1 MEMATTR=0x900018 INITRD=0x2 \n"
    text += DESCRIPTORS.format(*ranges)
    text += "efi: Remove mem06: MMIO range=[0xffc00000-0xffffffff] (4MB) from e820 map\n"
    text += "CPU topo: Allowing 2 present CPUs plus 0 hotplug CPUs\n"
    stamped = re.sub("^", "[    0.000000] ", text.rstrip("\n"), flags=re.MULTILINE)
    return imported(read_boot_log_lines(stamped.encode().split(b"\n"), "debug"))


@pytest.mark.parametrize("e820", [True, False])
def test_descriptors_keep_their_types(e820):
    found = with_descriptors(e820)
    assert held(found, "boot code") == [(4 * MIB, 8 * MIB)]
    assert held(found) == [(8 * MIB, 12 * MIB)]
    assert held(found, "loader data") == [(12 * MIB, 16 * MIB)]
    assert held(found, "mmio") == [(0xFFC00000, 0x100000000)]
    assert found.scenario["machine"]["efi"]["runtime_ranges"] == 3
    machine = build_machine(found.to_scenario())
    assert machine.efi.kept == (8 * MIB, 12 * MIB)
    assert [tuple(entry) for entry in machine.firmware] == [
        (0, 1024 * MIB, "usable"),
        (1024 * MIB, 1025 * MIB, "reserved"),
        (0xFFC00000, 0x100000000, "mmio"),
    ]


def test_a_type_that_is_not_known_is_reserved():
    lines = [
        b"[    0.000000] Linux version 7.3.0 (gcc)",
        b"[    0.000000] efi: mem00: [Conventional| |WB] range=[0x0-0x3fffffff] (1024MB)",
        b"[    0.000000] efi: mem01: [type=99     | |WB] range=[0x40000000-0x7fffffff] (1024MB)",
        b"[    0.000000] CPU topo: Allowing 1 present CPUs plus 0 hotplug CPUs",
    ]
    found = imported(read_boot_log_lines(lines, "odd"))
    assert held(found, "reserved") == [(0x40000000, 0x80000000)]
    assert any("'type=99' in the memory map is not known" in note for note in found.notes)


def test_ranges_to_be_plugged_in_later_are_no_memory():
    lines = [
        b"[    0.000000] Linux version 7.3.0 (gcc)",
        b"[    0.000000] BIOS-provided physical RAM map:",
        b"[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000003fffffff]  System RAM",
        b"[    0.000000] ACPI: SRAT: Node 0 PXM 0 [mem 0x00000000-0x3fffffff]",
        b"[    0.000000] ACPI: SRAT: Node 0 PXM 0 [mem 0x100000000-0x1ffffffff] hotplug",
        b"[    0.000000] CPU topo: Allowing 1 present CPUs plus 0 hotplug CPUs",
    ]
    machine = imported(read_boot_log_lines(lines, "dimms")).scenario["machine"]
    assert machine["hotplug"] == [{"start": 1 << 32, "end": 1 << 33, "node": 0}]
    assert build_machine(imported(read_boot_log_lines(lines, "dimms")).to_scenario()).hotplug


def test_tables_that_a_kernel_keeps_are_counted_and_said():
    lines = [
        b"[    0.000000] Linux version 7.3.0 (gcc)",
        b"[    0.000000] BIOS-provided physical RAM map:",
        b"[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000003fffffff]  System RAM",
        b"[    0.000000] efi: EFI v2.8 by American Megatrends",
        b"[    0.000000] efi: ACPI=0x3f000000 ESRT=0x3e000018 MOKvar=0xffffffffffffffff RNG=0x1 ",
        b"[    0.000000] ACPI: Reserving BGRT table memory at [mem 0x50000000-0x50000037]",
        b"[    0.000000] CPU topo: Allowing 1 present CPUs plus 0 hotplug CPUs",
    ]
    found = imported(read_boot_log_lines(lines, "host"))
    assert found.scenario["machine"]["efi"]["kept_tables"] == 2
    assert any("for each of BGRT, ESRT, from source only" in note for note in found.notes)
    lines.insert(
        1, b"[    0.000000] memblock_add: [0x1000-0x3fffffff] e820__memblock_setup+0x0/0x1"
    )
    found = imported(read_boot_log_lines(lines, "debug"))
    assert "kept_tables" not in found.scenario["machine"]["efi"]
