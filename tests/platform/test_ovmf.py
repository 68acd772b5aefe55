"""OVMF's map on q35: that of recorded boots, and a sane one for any size."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kho_sim.base.errors import ScenarioError
from kho_sim.base.extent import Extent, intersected, merged, subtracted, total_size
from kho_sim.base.words import USABLE_MEMORY
from kho_sim.builds import load_build
from kho_sim.chain.build import build_machine
from kho_sim.machine.machine import USABLE
from kho_sim.platform.firmware import FIRMWARES
from kho_sim.platform.firmware.ovmf import LEAST_BYTES, LEAST_BYTES_PER_CPU, ovmf_machine
from kho_sim.scenario import loads
from kho_sim.scenario.machine import LEAST_BYTES_OF_FIRMWARE
from tests.memory.boots import X86, early_boot

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
PAGE = 4096
LOW = [
    (0, 0xA0000, USABLE),
    (0x100000, 0x806000, USABLE),
    (0x806000, 0x808000, "acpi nvs"),
    (0x808000, 0x810000, USABLE),
    (0x810000, 0x900000, "acpi nvs"),
]
MIDDLE = [
    (0x7F4EC000, 0x7F76C000, "reserved"),
    (0x7F76C000, 0x7F77E000, "acpi data"),
    (0x7F77E000, 0x7F7FE000, "acpi nvs"),
]
HIGH = [(0xB0000000, 0xC0000000, "reserved"), (0xFFC00000, 0x100000000, "mmio")]
RUNTIME = (0x7EA8A000, 0x7EB8C000)
RECORDED = {
    (2, 1): (0x7EAA0000, 0x7EBA2000, 0x7FEF4000, 0x7FF78000),
    (4, 2): (*RUNTIME, 0x7FEEC000, 0x7FF70000),
    (8, 2): (*RUNTIME, 0x7FEEC000, 0x7FF70000),
    (8, 4): (*RUNTIME, 0x7FEDC000, 0x7FF60000),
    (16, 4): (*RUNTIME, 0x7FEDC000, 0x7FF60000),
}
"""(GiB, CPUs) -> what varies in the e820 maps of d-efi-2G, -4G-nokaslr, -8G-*, -8G, -16G-4x1G."""
HELD_8G = [
    (0x900000, 0x1500000),
    (0x7BB6D000, 0x7BB8D000),
    (0x7DC86000, 0x7DD24000),
    (0x7DD5F000, 0x7EA8A000),
    (0x7EB8C000, 0x7F4EC000),
    (0x7F7FE000, 0x7FE00000),
    (0x7FE71000, 0x7FEEC000),
]
"""Boot services above 1 MiB in d-efi-8G-crash256M: 2 CPUs."""
TABLES_8G = [
    (0x7F774000, 0x7F774028),
    (0x7F775000, 0x7F77503C),
    (0x7F776000, 0x7F776038),
    (0x7F777000, 0x7F777080),
    (0x7F778000, 0x7F7780F4),
    (0x7F779000, 0x7F77B07B),
    (0x7F7DC000, 0x7F7DC040),
]
"""ACPI's tables in d-efi-8G-crash256M."""


@pytest.mark.parametrize(("gib", "cpus"), RECORDED)
def test_the_e820_map_is_that_of_recorded_boots(gib, cpus):
    runtime, runtime_end, reserved, stacks = RECORDED[gib, cpus]
    expected = [
        *LOW,
        (0x900000, runtime, USABLE),
        (runtime, runtime_end, "reserved"),
        (runtime_end, 0x7F4EC000, USABLE),
        *MIDDLE,
        (0x7F7FE000, reserved, USABLE),
        (reserved, stacks, "reserved"),
        (stacks, 0x80000000, "acpi nvs"),
        *HIGH,
    ]
    if gib > 2:
        expected.append((4 * GIB, (gib + 2) * GIB, USABLE))
    machine = ovmf_machine(gib * GIB, cpus=cpus)
    assert [tuple(entry) for entry in machine.firmware] == expected


def test_boot_services_and_tables_are_those_of_a_recorded_boot():
    machine = ovmf_machine(8 * GIB, cpus=2)
    efi = machine.efi
    assert [tuple(extent) for extent in efi.boot_services] == HELD_8G
    assert efi.kept == (0x7DD3F000, 0x7DD5F000)
    assert efi.attributes == (0x7DD3F298, 0x7DD3F6C8)
    assert efi.memory_map == (0x7F771040, 0x7F772960)
    assert efi.initrd_end == 0x7D42F000
    assert [tuple(extent) for extent in machine.firmware_tables] == TABLES_8G
    loaded = X86.load_cold(machine, load_build())
    assert loaded.image.start == 0x1600000


@pytest.mark.parametrize(
    ("gib", "cpus", "low_only", "end"), [(2, 1, True, 0x7D437000), (8, 4, False, 0x7D41F000)]
)
def test_other_recorded_boots_are_near(gib, cpus, low_only, end):
    """d-efi-2G and d-efi-8G: 42836 and 43028 KiB are given back; the initrd of the latter ends a
    page higher."""
    efi = ovmf_machine(gib * GIB, cpus=cpus).efi
    freed_kib = total_size(efi.boot_services) >> 10
    assert abs(freed_kib - (42836 if low_only else 43028)) < 256
    assert efi.initrd_end == end


def test_nodes_add_a_table_and_share_memory_as_the_machine_deals_it():
    machine = ovmf_machine(8 * GIB, cpus=4, node_bytes=[4 * GIB, 4 * GIB])
    assert machine.node_ranges == (
        (0, 2 * GIB, 0),
        (4 * GIB, 6 * GIB, 0),
        (6 * GIB, 10 * GIB, 1),
    )
    assert (0x7F775000, 0x7F775110) in machine.firmware_tables
    assert machine.efi.memory_map == (0x7F770040, 0x7F771960)  # as in d-efi-numa2-8G
    assert machine.cpu_nodes == (0, 0, 1, 1)


sizes = st.integers(LEAST_BYTES // PAGE, 4096 * GIB // PAGE).map(lambda pages: pages * PAGE)


@given(sizes, st.integers(1, 512))
@example(LEAST_BYTES + LEAST_BYTES_PER_CPU, 1)
@example(LEAST_BYTES + 8192 * LEAST_BYTES_PER_CPU, 8192)
@example(2 * GIB, 8)
@example(2 * GIB, 9)
@example(0xB0000000, 4)
@example(0xB0000000 - PAGE, 4)
@example(2048 * GIB, 4)
@example(4 * GIB, 498)
def test_every_size_has_a_map_that_holds_all_its_memory(memory_bytes, cpus):
    if memory_bytes < LEAST_BYTES + cpus * LEAST_BYTES_PER_CPU:
        with pytest.raises(ValueError, match="does not fit"):
            ovmf_machine(memory_bytes, cpus=cpus)
        return
    machine = ovmf_machine(memory_bytes, cpus=cpus)
    efi = machine.efi
    extents = [descriptor.extent for descriptor in efi.descriptors]
    assert extents == sorted(extents)
    assert all(extent.size and extent.start % PAGE == extent.end % PAGE == 0 for extent in extents)
    assert all(left.end <= right.start for left, right in pairwise(extents))
    ram = [d.extent for d in efi.descriptors if d.start not in (0xB0000000, 0xFFC00000)]
    assert total_size(ram) == memory_bytes - 0x60000  # the hole below 1 MiB
    memory = [d.extent for d in efi.descriptors if d.kind in USABLE_MEMORY]
    assert subtracted(memory, [(0, PAGE)]) == merged(machine.memory)
    assert efi.attributes.clip(efi.kept) == efi.attributes
    outside = [*machine.firmware_tables, efi.memory_map]
    assert not intersected(outside, machine.memory)
    assert total_size(merged(outside)) == total_size(outside)


@given(st.integers(9, 16).map(lambda shift: (1 << shift) * MIB), st.integers(1, 64))
def test_every_size_boots(memory_bytes, cpus):
    machine = ovmf_machine(memory_bytes, cpus=cpus)
    boot = early_boot(machine)
    boot.before_extension()
    initrd, image = boot.loaded.initrd, boot.loaded.image
    free = [d.extent for d in machine.efi.descriptors if d.kind == "conventional"]
    assert total_size(intersected([image, initrd], free)) == image.size + initrd.size
    assert not image.overlaps(initrd)
    assert total_size(boot.late_memory) == total_size(machine.efi.boot_services)


def test_a_scenario_has_it_and_is_refused_where_it_does_not_fit():
    text = "machine: {{memory: {}, cpus: {}, firmware: ovmf-q35}}"
    scenario = loads(text.format("8GiB", 2))
    assert build_machine(scenario) == ovmf_machine(8 * GIB, cpus=2, node_bytes=[8 * GIB])
    with pytest.raises(ScenarioError) as error:
        loads(text.format("260MiB", 128))
    assert "ovmf-q35 with 128 CPUs needs 264MiB of memory or more" in str(error.value)
    loads(text.format("264MiB", 128))


def test_the_schema_and_the_firmware_agree_on_the_least():
    assert FIRMWARES["ovmf-q35"] is ovmf_machine
    assert LEAST_BYTES_OF_FIRMWARE["ovmf-q35"] == (LEAST_BYTES, LEAST_BYTES_PER_CPU)
    assert Extent(0, LEAST_BYTES).size == 256 * MIB
