"""What EFI tells a kernel of memory: its own map, and where the tables lie that it leaves behind.

A kernel that EFI started finds a map of descriptors, finer than the one of a BIOS: firmware code
that only runs until then (boot services) is memory afterwards, code that it keeps calling (runtime
services) never is. Left out: what does not decide which memory is used (virtual addresses,
variables, capsules).

Source: kernel-facts-distro 1 and 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from kho_sim.base.extent import Extent

BOOT_SERVICES = ("boot code", "boot data")
CONVENTIONAL = ("conventional", "usable")
RUNTIME = ("runtime code", "runtime data", "mmio")
"""Types that the firmware keeps using, so that kexec passes their descriptors on."""
PAGE_BYTES = 4096
"""Of EFI, whatever the kernel has."""


class EfiDescriptor(NamedTuple):
    """One descriptor: [start, end) in bytes, its type in a word of ``base.words``, and attributes
    as kernels print them ('RUN', 'WB', 'UC')."""

    start: int
    end: int
    kind: str
    attributes: tuple[str, ...] = ()

    @property
    def extent(self) -> Extent:
        return Extent(self.start, self.end)


@dataclass(frozen=True)
class Efi:
    """What EFI leaves to the kernels of a machine.

    ``descriptors``: the map, ascending. ``runtime_ranges``: how many of them kexec passes on.
    ``memory_map``: where the map for a first kernel lies. ``attributes``: the memory attributes
    table. ``initrd_end``: where the initrd of a first kernel ends, 0 if that is not known.
    ``kept_tables``: how many tables (ESRT, BGRT, MOK variables) a kernel keeps that lie inside of
    boot services.
    """

    descriptors: tuple[EfiDescriptor, ...]
    runtime_ranges: int = 0
    memory_map: Extent | None = None
    attributes: Extent | None = None
    initrd_end: int = 0
    kept_tables: int = 0

    @cached_property
    def boot_services(self) -> tuple[Extent, ...]:
        """The memory of boot services, but for the descriptor that is kept."""
        return tuple(
            descriptor.extent
            for descriptor in self.descriptors
            if descriptor.kind in BOOT_SERVICES and descriptor.extent != self.kept
        )

    @cached_property
    def kept(self) -> Extent | None:
        """The boot services that hold the attributes table: no kernel ever gives them back."""
        if self.attributes is None:
            return None
        return next(
            (
                descriptor.extent
                for descriptor in self.descriptors
                if descriptor.kind in BOOT_SERVICES and descriptor.extent.overlaps(self.attributes)
            ),
            None,
        )

    @cached_property
    def conventional(self) -> tuple[Extent, ...]:
        """The memory that was free when the firmware looked for a place for a first kernel."""
        return tuple(d.extent for d in self.descriptors if d.kind in CONVENTIONAL)
