"""What EFI adds to early boot on x86_64, and where its loader puts a first kernel.

Models efi_memblock_x86_reserve_range(), efi_memattr_init(), efi_reserve_boot_services() and
efi_free_boot_services(): a first kernel keeps all that boot services held until it has its page
allocator, as firmware may still use it; a kernel that kexec started finds a map of runtime ranges
only, in kexec's parameters. For each table that a kernel keeps it copies the whole map. Left out:
the pages of these tables, and memory that EFI keeps for itself inside of an e820 entry.

Source: kernel-facts-distro 1 (before 8, 9), 3.2 and 4; copies of the map from source only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kho_sim.base import requesters
from kho_sim.base.extent import Extent, intersected, round_down, round_up, subtracted
from kho_sim.machine.efi import Efi

if TYPE_CHECKING:
    from kho_sim.memory.early import EarlyBoot

MIB = 1 << 20
DESCRIPTOR_BYTES = 48
"""A descriptor in a map, as kexec passes it on."""


def map_bytes(ranges: int) -> int:
    """Return what the runtime ranges take in kexec's parameters."""
    return round_up(ranges * DESCRIPTOR_BYTES, 16)


def reserve_tables(boot: EarlyBoot) -> None:
    """Reserve the map, and on a first boot the attributes table, which no later kernel finds."""
    efi = boot.machine.efi
    tables = [boot.loaded.efi_map]
    if efi and not boot.loaded.by_kexec:
        tables.append(efi.attributes)
    for table in tables:
        if table:
            boot.memblock.reserve(table.start, table.size)


def reserve_boot_services(boot: EarlyBoot) -> None:
    """Reserve what boot services held; above 1 MiB it is memory again at arch_initcall.

    The descriptor of the attributes table is no such memory: a first kernel, which has reserved the
    table, passes it over, and every later one reserves it whole.
    """
    efi = boot.machine.efi
    if efi is None:
        return
    held = efi.boot_services
    if boot.loaded.by_kexec:
        held = (efi.kept,) if efi.kept else ()
    else:
        boot.late_memory += subtracted(_whole_pages_of_memory(boot, held), [(0, MIB)])
    for extent in held:
        boot.memblock.reserve(extent.start, extent.size)


def _whole_pages_of_memory(boot: EarlyBoot, extents: Iterable[Extent]) -> list[Extent]:
    """Return what a kernel has of them as memory, which a command line may limit."""
    size = boot.geometry.page_bytes
    pages = ((round_up(start, size), round_down(end, size)) for start, end in extents)
    return intersected(pages, boot.machine.memory)


def copy_map(boot: EarlyBoot) -> None:
    """Allocate a copy of the map for each table that is kept; a later kernel copies the short one.

    No recorded firmware has such tables; their place among other requests is an inference.
    """
    efi, found = boot.machine.efi, boot.loaded.efi_map
    size = found.size if found else len(efi.descriptors) * DESCRIPTOR_BYTES if efi else 0
    for _ in range(efi.kept_tables if efi else 0):
        boot.requests.alloc(requesters.EFI_MAP_COPY, size, 64)


def image_address(efi: Efi, size_bytes: int, lowest: int, align_bytes: int) -> int:
    """Return where the loader puts a kernel of that size that is not to be moved by chance.

    The lowest free place from ``lowest`` on; ``lowest`` itself where the map shows none.
    """
    for extent in efi.conventional:
        start = round_up(max(extent.start, lowest), align_bytes)
        if start + size_bytes <= extent.end:
            return start
    return lowest


def initrd_of(efi: Efi, size_bytes: int) -> Extent | None:
    """Return where the loader puts the initrd, None where only the end of memory says it.

    One that is larger than all below begins at address 0, as below the end of memory.
    """
    end = efi.initrd_end
    return Extent(max(end - size_bytes, 0), end) if end else None
