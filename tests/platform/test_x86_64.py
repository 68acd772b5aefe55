"""The order of early boot on x86_64, and where a boot loader puts a kernel."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from kho_sim.base.errors import ScenarioError
from kho_sim.base.extent import Extent
from kho_sim.base.requesters import TRAMPOLINE
from kho_sim.builds import load_build
from kho_sim.chain.build import build_machine
from kho_sim.memory.early import BootOptions
from kho_sim.platform.firmware.e820 import from_memory_map, qemu_machine
from kho_sim.platform.loader import LoadedKernel
from kho_sim.platform.platform import PLATFORMS
from kho_sim.platform.x86_64 import DIRECT_MAP_BYTES, X86_64
from kho_sim.scenario import from_dict, loads
from kho_sim.scenario.fields import ADDRESS_LIMIT
from kho_sim.scenario.machine import MOST_BYTES
from tests.memory.boots import early_boot, handover_at

MIB = 1 << 20
GIB = 1 << 30
BEFORE = [
    "kernel image",
    "first 64 KiB",
    "initrd",
    "setup data",
    "BIOS area",
    "KHO",
    "brk",
    "memory",
    "real mode",
    "direct map",
    "log buffer",
    "ACPI tables",
    "nodes",
    "cma area",
    "crash kernel",
    "resources",
]
"""Steps 1 to 17 of kernel-facts 6.1, and CMA and the crash kernel behind the nodes."""
AFTER = [
    "free pages",
    "hugetlb areas",
    "gigantic pages",
    "sections",
    "command line",
    "per-CPU areas",
    "unknown words",
    "named areas",
    "late log buffer",
    "hashes",
    "CPU entry areas",
]
"""Steps 20 to 34; 35 and 36 only with memory above 4 GiB."""


def steps_run(boot) -> tuple[list[str], list[str]]:
    """Run both halves of a boot; return the names of their steps as they ran."""
    run: tuple[list[str], list[str]] = ([], [])

    class Watched(X86_64):
        def before_extension(self, boot):
            for step in super().before_extension(boot):
                yield step._replace(run=partial(self.note, run[0], step))

        def after_extension(self, boot):
            for step in super().after_extension(boot):
                yield step._replace(run=partial(self.note, run[1], step))

        def note(self, names, step):
            names.append(step.name)
            step.run()

    boot.platform = Watched()
    boot.before_extension()
    boot.after_extension()
    return run


@pytest.mark.parametrize(("gib", "late"), [(2, []), (8, ["bounce buffers"])])
def test_the_steps_of_a_cold_boot(gib, late):
    assert steps_run(early_boot(qemu_machine(gib * GIB, cpus=4))) == (BEFORE, AFTER + late)


def test_a_kho_boot_has_the_same_steps_and_finds_its_scratch_between_bios_and_brk():
    areas = ((0x80000000, 600 * MIB),)
    handover = handover_at(0x80200000, 0x81000000, 0x80001000, 0x80000000, areas)
    boot = early_boot(qemu_machine(4 * GIB, cpus=4), handover=handover)
    found = []
    populate = boot.populate

    def look(boot):
        populate(boot)
        found.extend((r.base, r.end) for r in boot.memblock.reserved)

    boot.populate = look
    assert steps_run(boot) == (BEFORE, [*AFTER, "bounce buffers"])
    image = boot.loaded.image
    assert (0x9F000, MIB) in found
    assert (image.start, image.end) in found


@pytest.mark.parametrize(("from_below", "address"), [(True, 0x10000), (False, 0x99000)])
def test_memory_is_taken_from_below_where_nodes_may_go(from_below, address):
    """The trampoline of 24 KiB lies above the first 64 KiB, or below the BIOS."""
    machine = qemu_machine(1 * GIB, cpus=1)
    boot = early_boot(machine, options=BootOptions(movable_node=from_below))
    boot.before_extension()
    trampoline = boot.requests.rows[0]
    assert (trampoline.what, trampoline.address) == (TRAMPOLINE, address)


def test_every_step_names_the_function_of_the_kernel():
    boot = early_boot(qemu_machine(8 * GIB, cpus=4))
    platform = boot.platform
    for step in (*platform.before_extension(boot), *platform.after_extension(boot)):
        assert step.source.endswith(")"), step.name


# Loading


@pytest.mark.parametrize(("gib", "end"), [(1, 0x3FFE0000), (4, 0xBFFE0000), (64, 0xBFFE0000)])
def test_a_boot_loader_puts_the_initrd_below_the_end_of_low_memory(gib, end):
    """Kernel-facts 1: 0xbfca2000-0xbffe0000 for a file of 0x33d600 bytes."""
    loaded = X86_64().load_cold(qemu_machine(gib * GIB, cpus=4), load_build())
    assert loaded == LoadedKernel(
        image=Extent(0x1000000, 0x187F000), initrd=Extent(end - 0x33E000, end)
    )
    assert loaded.parameters is None
    assert not loaded.by_kexec


def test_a_boot_loader_without_an_initrd_loads_the_kernel_only():
    loaded = X86_64().load_cold(qemu_machine(GIB, cpus=1), replace(load_build(), initrd_bytes=0))
    assert loaded.initrd is None


def test_a_boot_loader_puts_the_initrd_into_the_highest_range_that_holds_it():
    """The range at the end has 2 MiB of whole pages, the initrd 0x33e000 bytes."""
    ranges = [(MIB, 65 * MIB, 0, "usable"), (65 * MIB + 512, 67 * MIB + 0xE00, 0, "usable")]
    loaded = X86_64().load_cold(from_memory_map(ranges, cpus=1), load_build())
    assert loaded.initrd == Extent(65 * MIB - 0x33E000, 65 * MIB)


def test_low_memory_ends_at_4_gib_for_a_boot_loader():
    machine = from_memory_map([(MIB, 6 * GIB, 0, "usable")], cpus=1)
    loaded = X86_64().load_cold(machine, load_build())
    assert loaded.initrd.end == 4 * GIB


# What a scenario may say


def test_the_schema_has_the_limits_of_the_platform():
    assert 1 << X86_64.address_bits == ADDRESS_LIMIT
    assert DIRECT_MAP_BYTES == MOST_BYTES


def test_no_platform_has_more_addresses_than_the_schema():
    platforms = [one for sizes in PLATFORMS.values() for one in sizes.values()]
    assert max(1 << platform.address_bits for platform in platforms) == ADDRESS_LIMIT


@pytest.mark.parametrize("name", PLATFORMS)
@pytest.mark.parametrize("place", ["", "releases"])
def test_a_command_line_is_as_long_as_the_platform_has_room_for(name, place, monkeypatch):
    def words(length):
        line = {"command_line": "q" * length}
        kernel = {"releases": [line]} if place else line
        return {"machine": {"platform": name, "memory": "4GiB"}, "kernel": kernel}

    for platform in PLATFORMS[name].values():
        monkeypatch.setattr(type(platform), "command_line_max_bytes", 100)
    assert from_dict(words(100))
    with pytest.raises(ScenarioError) as error:
        from_dict(words(101))
    (problem,) = error.value.problems
    assert problem.path == ("kernel.releases[0]" if place else "kernel") + ".command_line"
    assert problem.message == "101 bytes are too long; the kernel takes 100"


def test_zones_cover_all_addresses():
    first, second = X86_64().zones(qemu_machine(GIB, cpus=1), load_build())
    assert (first.start, first.end, second.start) == (0, 4 * GIB, 4 * GIB)
    assert second.end == 1 << 52


def test_the_first_16_mib_are_a_zone_where_the_build_has_it():
    """kernel-facts-distro 5."""
    dma, dma32, normal = X86_64().zones(qemu_machine(GIB, cpus=1), load_build("distro"))
    assert (dma.name, dma.start, dma.end) == ("DMA", 0, 16 * MIB)
    assert (dma32.start, dma32.end) == (16 * MIB, 4 * GIB)
    assert normal.start == 4 * GIB


def test_an_initrd_larger_than_low_memory_begins_at_address_0():
    """Addresses are not negative: the arrays of memblock have no room for such a one."""
    machine = qemu_machine(64 * MIB, cpus=1)
    loaded = X86_64().load_cold(machine, replace(load_build(), initrd_bytes=80 * MIB))
    assert loaded.initrd == Extent(0, 80 * MIB)


def test_cpus_that_may_come_later_count_for_early_memory_only():
    """kernel-facts-distro 6: units of per-CPU memory are those of all possible CPUs."""
    text = "machine: {{memory: 8GiB, nodes: 2, cpus: 8{}}}"
    scenario = loads(text.format(", present_cpus: 2"))
    machine = build_machine(scenario)
    assert (machine.cpus, machine.present_cpus) == (8, 2)
    assert [machine.cpus_of(nid) for nid in machine.nodes] == [4, 4]
    assert [machine.present_cpus_of(nid) for nid in machine.nodes] == [1, 1]
    whole = build_machine(loads(text.format("")))
    early = [early_boot(one) for one in (machine, whole)]
    for boot in early:
        boot.before_extension()
        boot.after_extension()
    assert early[0].requests.rows == early[1].requests.rows
    with pytest.raises(ScenarioError, match="9 CPUs are more than the 8 of cpus"):
        loads(text.format(", present_cpus: 9"))
