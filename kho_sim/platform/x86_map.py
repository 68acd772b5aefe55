"""What a kernel on x86_64 keeps of its firmware's memory map: names, records, gaps.

Models e820__reserve_resources() and what a build adds to it (/sys/firmware, hibernation). Left out:
the map itself, which is the machine's.

Source: kernel-facts 6.1 [17], kernel-facts-distro 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kho_sim.base import requesters
from kho_sim.machine.machine import MMIO

if TYPE_CHECKING:
    from kho_sim.memory.early import EarlyBoot

FIRMWARE_MAP_ENTRY_BYTES = 104
NOSAVE_REGION_BYTES = 32


def allocate_resources(boot: EarlyBoot) -> None:
    """Allocate resources of the HPET, the IO-APIC and each entry of the firmware's map: page 0 is
    one more, and registers that EFI names are none (efi_remove_e820_mmio())."""
    build, entries = boot.build, 1 + sum(entry.kind != MMIO for entry in boot.machine.firmware)
    boot.alloc_or_panic(requesters.HPET_RESOURCE, build.hpet_resource_bytes)
    boot.alloc_or_panic(requesters.IOAPIC_RESOURCE, build.ioapic_resource_bytes)
    boot.alloc_or_panic(requesters.E820_RESOURCES, build.e820_resource_bytes * entries)


def keep_firmware_map(boot: EarlyBoot) -> None:
    """Allocate a record for each entry; it is no error if there is no memory for one."""
    for _ in boot.machine.map_first_seen:
        boot.requests.alloc(requesters.FIRMWARE_MAP_ENTRY, FIRMWARE_MAP_ENTRY_BYTES, 64)


def register_nosave_regions(boot: EarlyBoot) -> None:
    """Allocate a record for each stretch below the end of memory that is none: page 0, and holes.

    Source: kernel-facts-distro 1.
    """
    end = 0
    for extent in boot.machine.memory:
        if extent.start > end:
            boot.alloc_or_panic(requesters.NOSAVE_REGION, NOSAVE_REGION_BYTES)
        end = extent.end
