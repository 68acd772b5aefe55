"""Steps of early boot that only arm64 has, or has in a form of its own (kernel-facts-arm64 5.1).

Image, initrd and device tree are no kernel memory to memblock: they do not count for the size of
scratch. Left out: a device tree with /aliases, and /memreserve/ entries other than kexec's, which
repeats the initrd.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kho_sim.base import requesters
from kho_sim.base.extent import Extent, round_up

if TYPE_CHECKING:
    from kho_sim.memory.early import EarlyBoot

MEMORY_RESOURCE_BYTES = 64
CHOSEN_PROPERTIES_BYTES = 3 * 104
"""What kexec adds to /chosen, unflattened: three properties."""

SLAB_BYTES = 2048
SEGMENT_SLABS = 128
MEMORY_PER_BOUNCE_BYTE = 1024
"""A machine with nothing but low memory gets bounce buffers of so small a part of it."""


def reserve_blob(boot: EarlyBoot) -> None:
    """Reserve the device tree as it was passed."""
    blob = boot.loaded.parameters
    if blob:
        boot.memblock.reserve(blob.start, blob.size)


def reserve_initrd(boot: EarlyBoot) -> None:
    """Reserve the initrd, in whole pages."""
    initrd = boot.loaded.initrd
    if initrd:
        boot.memblock.reserve(initrd.start, initrd.size)


def reserve_image(boot: EarlyBoot) -> None:
    """Reserve the image: text to the end that its header names."""
    boot.memblock.reserve(boot.loaded.image.start, boot.loaded.image.size)


def unflatten(boot: EarlyBoot) -> None:
    """Allocate a block for nodes and properties of the device tree, unless ACPI is used instead."""
    tree = boot.machine.device_tree
    if not tree or not tree.unflattened_bytes:
        return
    added = CHOSEN_PROPERTIES_BYTES if boot.loaded.by_kexec else 0
    boot.alloc_or_panic(requesters.DEVICE_TREE, tree.unflattened_bytes + added, 8)


def reserve_kfence_pool(boot: EarlyBoot) -> None:
    """Reserve the pool of KFENCE, if it samples: two pages an object, and a guard of two.

    Source: arm64_kfence_alloc_pool().
    """
    page_bytes = boot.geometry.page_bytes
    size = boot.build.kfence_pool_bytes(page_bytes)
    if not size or not boot.options.kfence_interval:
        return
    start = boot.requests.alloc_range(requesters.KFENCE_POOL, size, page_bytes, 0, 0)
    if start:
        boot.kfence_pool = Extent(start, start + size)


def allocate_kfence_metadata(boot: EarlyBoot) -> None:
    """Allocate what KFENCE notes of each object. Source: kfence_alloc_pool_and_metadata()."""
    if boot.kfence_pool:
        size, page_bytes = boot.build.kfence_metadata_bytes, boot.geometry.page_bytes
        boot.requests.alloc(requesters.KFENCE_METADATA, size, page_bytes)


def allocate_resources(boot: EarlyBoot) -> None:
    """Allocate a resource for each region of memory. Source: request_standard_resources()."""
    size = MEMORY_RESOURCE_BYTES * len(boot.memblock.memory)
    boot.alloc_or_panic(requesters.MEMORY_RESOURCES, size)


def allocate_bounce_buffers(boot: EarlyBoot) -> None:
    """Allocate bounce buffers: fewer where all is low, and a segment for each area at least.

    Source: arch_mm_preinit(), swiotlb_adjust_size(); kernel-facts-arm64 5.7.
    """
    slabs = boot.build.swiotlb_bytes // SLAB_BYTES
    if not slabs:
        return
    if boot.machine.end_of_memory <= boot.rules.low_address + 1 and not boot.options.swiotlb_given:
        share = round_up(boot.memblock.memory_size() // MEMORY_PER_BOUNCE_BYTE, SLAB_BYTES)
        slabs = min(round_up(share // SLAB_BYTES, SEGMENT_SLABS), slabs)
    areas = 1 << (boot.machine.cpus - 1).bit_length()
    slabs = max(slabs, SEGMENT_SLABS * areas)
    boot.allocate_bounce_buffers((1 << (slabs - 1).bit_length()) * SLAB_BYTES)
