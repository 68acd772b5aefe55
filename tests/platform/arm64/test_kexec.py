"""Where kexec puts an arm64 kernel: kernel-facts-arm64 6.1."""

from __future__ import annotations

from dataclasses import replace

from kho_sim.base.extent import round_down, round_up
from kho_sim.builds import load_build
from kho_sim.kho.load import LoadRefused, place_kernel
from kho_sim.machine import DeviceTree
from kho_sim.platform.arm64 import ARM64
from kho_sim.platform.loader import LoadRequest
from tests.platform.arm64.machines import GIB, KIB, MIB, cold_boot

BUILD = load_build("arm64-lab")
INITRD_BYTES = round_up(BUILD.initrd_bytes, 4 * KIB)
REQUEST = LoadRequest(BUILD, 148, device_tree=DeviceTree(MIB, 8104, 43868, 140))


def placed(areas, request=REQUEST):
    found = place_kernel(ARM64[4 * KIB], areas, request)
    if isinstance(found, LoadRefused):
        return found
    return {place.name: place.start for place in found}


def areas_of(memory, cpus, scratch):
    return cold_boot(memory, cpus, f"kho_scratch={scratch}").scratch_areas


def test_with_default_scratch_all_lies_in_the_first_area():
    areas = cold_boot("4GiB", 2).scratch_areas
    (start, size), *_ = areas
    assert placed(areas) == {
        "descriptors": start + size - 64 * KIB,
        "kernel": start,
        "initrd": start + BUILD.image_bytes,
        "device_tree": start + size - 2 * MIB,
    }


def test_what_lies_below_the_image_is_of_no_use():
    """On a small machine the first area is the highest, so it has to hold everything."""
    refused = placed(areas_of("2GiB", 2, "8M,32M,32M"))
    assert isinstance(refused, LoadRefused)
    assert refused.segment.name == "initrd"
    assert not isinstance(placed(areas_of("2GiB", 2, "16M,64M,64M")), LoadRefused)


def test_an_initrd_goes_to_the_next_area_in_its_window():
    areas = areas_of("8GiB", 4, "8M,64M,64M")
    (low, _), (start, size), _ = areas
    assert placed(areas) == {
        "descriptors": low + 8 * MIB - 64 * KIB,
        "kernel": low,
        "initrd": start,
        "device_tree": round_down(start + size - 12 * KIB, 2 * MIB),
    }


def test_the_image_moves_up_where_the_window_ends_before_the_next_area():
    areas = areas_of("64GiB", 4, "8M,512M,256M")
    (low, _), (start, _), _ = areas
    assert start > round_down(low, GIB) + 32 * GIB
    where = placed(areas)
    assert low < where["descriptors"] < low + 8 * MIB
    assert where["kernel"] == start
    assert where["initrd"] == start + BUILD.image_bytes


def test_each_kexec_but_the_first_adds_a_seed_to_the_device_tree():
    """Recorded: 0x2040 bytes after one kexec and 0x20cc after two, with 2 CPUs and 148 bytes of
    command line."""
    sizes = []
    for count in (0, 1):
        request = replace(REQUEST, kexec_count=count)
        found = place_kernel(ARM64[4 * KIB], areas_of("4GiB", 2, "64M,64M,64M"), request)
        sizes.append(ARM64[4 * KIB].load_kexec(found, request).parameters.size)
    assert sizes == [0x2040, 0x20CC]
