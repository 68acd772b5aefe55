"""Where an arm64 kernel lies: put there by a boot loader, or by kexec_file_load() of an Image.

Models image_load() and load_other_segments() of arch/arm64/kernel, and what QEMU's loader and the
UEFI stub do (kernel-facts-arm64 1.1, 3 and 6). Left out: compressed kernels, and a machine without
CPU hotplug, which refuses a kexec.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kho_sim.base.extent import Extent, round_down, round_up
from kho_sim.platform.loader import LoadedKernel, LoadRequest, Placement, Segment

if TYPE_CHECKING:
    from kho_sim.builds import Build
    from kho_sim.machine import DeviceTree, Machine

MIB = 1 << 20
IMAGE_ALIGN_BYTES = 2 * MIB
DEVICE_TREE_ALIGN_BYTES = 2 * MIB
DEVICE_TREE_BYTES_MAX = 2 * MIB
STUB_ALIGN_BYTES = 64 << 10
"""What the UEFI stub aligns an initrd to."""
INITRD_REACH_BYTES = 32 << 30
FIRST_INITRD_OFFSET_BYTES = 128 * MIB
"""A boot loader leaves so much of memory, or half of it, to the image."""
CELL_BYTES = 4


def cold_load(machine: Machine, build: Build) -> LoadedKernel:
    """Return what the boot loader of a machine leaves; without one, what QEMU's would."""
    places, page_bytes = machine.boot_loader, machine.page_bytes
    initrd_bytes = round_up(build.initrd_bytes, page_bytes)
    if places and places.image_end_max:
        image = round_down(places.image_end_max - build.image_bytes, IMAGE_ALIGN_BYTES)
        initrd = image - round_up(build.initrd_bytes, STUB_ALIGN_BYTES)
        tree = initrd - DEVICE_TREE_BYTES_MAX
    elif places:
        image, initrd, tree = places.image, places.initrd, places.device_tree
    else:
        image = machine.memory[0].start + IMAGE_ALIGN_BYTES
        room = machine.memory[0].size // 2
        initrd = machine.memory[0].start + min(room, FIRST_INITRD_OFFSET_BYTES)
        tree = 0
    tree = tree or round_up(initrd + initrd_bytes, DEVICE_TREE_ALIGN_BYTES)
    described = machine.device_tree
    return LoadedKernel(
        image=Extent(image, image + build.image_bytes),
        initrd=Extent(initrd, initrd + initrd_bytes) if initrd_bytes else None,
        parameters=Extent(tree, tree + described.cold_bytes) if described else None,
    )


def segments(request: LoadRequest, page_bytes: int) -> tuple[Segment, ...]:
    """Return image, initrd and device tree: the latter two above the image, which moves up until
    they find a place. Source: kernel-facts-arm64 6.1."""
    build = request.build
    image = Segment("kernel", build.image_bytes, IMAGE_ALIGN_BYTES, bottom_up=True)
    initrd = Segment(
        "initrd",
        build.initrd_bytes,
        page_bytes,
        bottom_up=True,
        above="kernel",
        reach_bytes=INITRD_REACH_BYTES,
    )
    size = device_tree_bytes(request)
    tree = Segment("device_tree", size, DEVICE_TREE_ALIGN_BYTES, above="kernel")
    return (image, initrd, tree) if build.initrd_bytes else (image, tree)


def loaded(placed: Iterable[Placement], request: LoadRequest) -> LoadedKernel:
    """Return where the jump leaves image, initrd and device tree."""
    at = {place.name: place for place in placed}
    image, tree = at["kernel"].start, at["device_tree"].start
    return LoadedKernel(
        image=Extent(image, image + request.build.image_bytes),
        initrd=at["initrd"].extent if "initrd" in at else None,
        parameters=Extent(tree, tree + device_tree_bytes(request)),
        by_kexec=True,
    )


def device_tree_bytes(request: LoadRequest) -> int:
    """Return the size of the tree that is passed on: the machine's, with the next command line and
    a seed of random numbers for each kexec but the first, as those before it stay in."""
    tree: DeviceTree | None = request.device_tree
    line_bytes = round_up(request.command_line_bytes + 1, CELL_BYTES)
    if tree is None:
        return line_bytes
    return tree.packed_bytes + line_bytes + tree.seed_bytes * request.kexec_count
