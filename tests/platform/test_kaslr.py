"""KASLR: where a kernel may lie in cold and KHO boots, what keeps it in place, and what follows."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

import kho_sim as ks
from kho_sim.base.extent import Extent
from kho_sim.builds import load_build
from kho_sim.chain.build import build_plan
from kho_sim.platform.firmware.e820 import qemu_machine
from kho_sim.platform.geometry import Geometry
from kho_sim.platform.kaslr import Kaslr, Placed, entry_area_tables, image_slot
from kho_sim.platform.loader import LoadedKernel
from kho_sim.platform.x86_64 import X86_64

MIB, GIB = 1 << 20, 1 << 30
DISTRO = load_build("distro")
IMAGE_BYTES = DISTRO.image_bytes + DISTRO.brk_bytes
MACHINE = qemu_machine(8 * GIB, cpus=4, firmware="qemu-q35")
X86 = X86_64()


def drawn(seed, boot=0, **placed):
    return Kaslr(True, True, MACHINE.memory, (seed, boot), Placed(**placed))


def test_a_first_kernel_lies_anywhere_above_16_mib():
    """kernel-facts-distro 3.1: above and below 4 GiB alike, in proportion to memory."""
    cold = [X86.load_cold(MACHINE, DISTRO, drawn(seed)) for seed in range(400)]
    for loaded in cold:
        start, end = loaded.image.start, loaded.image.start + IMAGE_BYTES
        assert start % (2 * MIB) == 0
        assert start >= 16 * MIB
        assert any(extent.start <= start and end <= extent.end for extent in MACHINE.memory)
        assert not Extent(start, end).overlaps(loaded.initrd)
    high = sum(loaded.image.start >= 4 * GIB for loaded in cold)
    assert 250 < high < 350  # 6 of 8 GiB: 300
    assert len({loaded.image.start for loaded in cold}) > 350


def test_a_first_kernel_never_lies_on_its_initrd():
    small = qemu_machine(96 * MIB, cpus=1, firmware="qemu-q35")
    for seed in range(100):
        kaslr = Kaslr(True, True, small.memory, (seed, 0), Placed())
        loaded = X86.load_cold(small, DISTRO, kaslr)
        start = loaded.image.start
        assert not Extent(start, start + IMAGE_BYTES).overlaps(loaded.initrd)


def test_a_first_kernel_lies_in_the_memory_that_its_command_line_leaves():
    for setup in plan_of("mem=256M").kernels:
        loaded = X86.load_cold(MACHINE, DISTRO, setup.kaslr)
        assert loaded.image.end <= 256 * MIB


def test_the_same_seed_and_boot_give_the_same_place():
    places = [X86.load_cold(MACHINE, DISTRO, drawn(3, boot)).image for boot in (0, 0, 1)]
    assert places[0] == places[1] != places[2]


def test_every_slot_is_as_likely_and_the_last_one_fits():
    ranges = [Extent(0, 4 * MIB), Extent(9 * MIB, 17 * MIB)]
    found = Counter(image_slot(ranges, [], 3 * MIB, drawn(seed)) for seed in range(2000))
    assert set(found) == {0, 10 * MIB, 12 * MIB, 14 * MIB}
    assert all(400 < count < 600 for count in found.values())
    assert image_slot(ranges, [], 9 * MIB, drawn(0)) is None


def test_what_is_avoided_splits_a_range():
    found = {
        image_slot([Extent(0, 12 * MIB)], [Extent(5 * MIB, 6 * MIB)], 4 * MIB, drawn(seed))
        for seed in range(50)
    }
    assert found == {0, 6 * MIB, 8 * MIB}


AREAS = [(0x70000000, 180 * MIB), (0x264C00000, 288 * MIB), (0x251800000, 308 * MIB)]
LOADED = LoadedKernel(
    Extent(0x7A000000, 0x7A000000 + DISTRO.image_bytes),
    Extent(0x79800000, 0x79800000 + 0x4AF000),
    Extent(0x7B3F0000, 0x7B3F0060),
    by_kexec=True,
)


def _holds(area, whole):
    start, size = area
    return start <= whole.start and whole.end <= start + size


def test_a_kernel_with_a_handover_lies_in_one_original_area():
    """kernel-facts-distro 3.4: about in proportion to the size of areas."""
    per_area = Counter()
    for boot in range(1, 400):
        moved = X86.moved_in_scratch(LOADED, AREAS, DISTRO, drawn(0, boot))
        whole = Extent(moved.image.start, moved.image.start + IMAGE_BYTES)
        inside = [
            i for i, (a, size) in enumerate(AREAS) if a <= whole.start and whole.end <= a + size
        ]
        assert len(inside) == 1
        assert not whole.overlaps(LOADED.initrd)
        assert not whole.overlaps(LOADED.parameters)
        assert replace(moved, image=LOADED.image) == LOADED
        per_area.update(inside)
    assert per_area[0] < per_area[1] < per_area[2]


def test_without_kaslr_nothing_moves():
    assert X86.moved_in_scratch(LOADED, AREAS, DISTRO, Kaslr()) is LOADED
    assert X86.load_cold(MACHINE, DISTRO).image.start == DISTRO.image_address


@pytest.mark.parametrize(
    ("image", "taken"), [(0x251800000, True), (0x251800000 + MIB, False), (1 << 33, False)]
)
def test_a_known_place_is_taken_where_it_is_possible(image, taken):
    moved = X86.moved_in_scratch(LOADED, AREAS, DISTRO, drawn(0, 1, image=image))
    assert (moved.image.start == image) is taken


def test_a_known_initrd_is_taken_where_memory_is():
    there = X86.load_cold(MACHINE, DISTRO, Kaslr(placed=Placed(initrd=0x30000000)))
    nowhere = X86.load_cold(MACHINE, DISTRO, Kaslr(placed=Placed(initrd=0x90000000)))
    assert there.initrd == (0x30000000, 0x304AF000)
    assert nowhere.initrd == X86.load_cold(MACHINE, DISTRO).initrd


@pytest.mark.parametrize("cpus", [1, 2, 4, 16])
def test_each_entry_area_mostly_needs_two_tables(cpus):
    """kernel-facts-distro 3.5."""
    found = Counter(entry_area_tables(Geometry(), cpus, 59, drawn(seed)) for seed in range(300))
    assert found.most_common(1)[0][0] == 2 * cpus + 1
    assert set(found) <= set(range(2 * cpus - 3, 2 * cpus + 6))
    assert entry_area_tables(Geometry(), cpus, 59, drawn(0, entry_area_tables=77)) == 77


def plan_of(line, firmware="bios", **kernel):
    extra = "".join(f", {key}: {value}" for key, value in kernel.items())
    efi = "- {start: 0, end: 0xa0000}\n  - {start: 1MiB, end: 2GiB, kind: conventional}"
    bios = "- {start: 0, end: 0xa0000}\n  - {start: 1MiB, end: 2GiB}"
    return build_plan(
        ks.loads(
            f"machine:\n  memory_map:\n  {efi if firmware == 'efi' else bios}\n"
            f"kernel: {{build: distro, command_line: {line!r}{extra}}}\nchain: {{boots: 2}}"
        )
    )


@pytest.mark.parametrize(
    ("line", "firmware", "kernel", "expected"),
    [
        ("quiet", "bios", {}, (True, True)),
        ("nokaslr", "bios", {}, (False, False)),
        ("quiet", "bios", {"kaslr": "false"}, (False, False)),
        ("hugepages=4", "bios", {}, (True, True)),
        ("hugepages=4", "efi", {}, (True, False)),
        ("mem=1G", "efi", {}, (True, False)),
        ("nokaslr", "bios", {"kaslr": "true"}, (False, False)),
    ],
)
def test_what_switches_it_off(line, firmware, kernel, expected):
    """kernel-facts-distro 3.1, 3.2."""
    for setup in plan_of(line, firmware, **kernel).kernels:
        assert (setup.kaslr.enabled, setup.kaslr.moves_cold_image) == expected


def test_a_build_without_kaslr_gets_it_from_the_scenario():
    assert not build_plan(ks.loads("machine: {memory: 4GiB}")).kernels[0].kaslr.enabled
    wanted = ks.loads("machine: {memory: 4GiB}\nkernel: {kaslr: true}")
    assert build_plan(wanted).kernels[0].kaslr.enabled


def test_scratch_is_smaller_below_4g_when_the_image_is_above():
    """kernel-facts-distro 3.3: by two images, and that much larger above."""

    def areas(image):
        text = (
            "machine: {memory: 8GiB, cpus: 2, firmware: qemu-q35}\n"
            f"kernel: {{build: distro, placed: [{{image: {image}}}]}}\nchain: {{boots: 1}}"
        )
        return [size // MIB for _, size in ks.run(ks.loads(text))["boots"][0].scratch_areas]

    assert areas(0x40000000) == [180, 288, 308]
    assert areas(0x140000000) == [140, 328, 308]


def test_each_boot_of_a_chain_lies_elsewhere_and_the_twin_lies_alike():
    text = (
        "machine: {memory: 8GiB, cpus: 2, firmware: qemu-q35}\nkernel: {build: distro}\n"
        "workload: [{kind: memfd, count: 2, size: 4MiB}]\nchain: {boots: 4, seed: 5}"
    )
    trace = ks.run(ks.loads(text))
    assert trace.outcome.kind == "completed"
    images = [
        [row.start for row in trace["regions"]
         if row.boot == boot and row.array == "reserved" and row.moment == "before_extend"
         and row.end - row.start == IMAGE_BYTES]
        for boot in (1, 2, 3)
    ]  # fmt: skip
    assert len({start for found in images for start in found}) == 3
