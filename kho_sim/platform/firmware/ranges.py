"""What all kinds of explicit maps and firmware have in common."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kho_sim.base.extent import Extent
from kho_sim.machine.efi import EfiDescriptor
from kho_sim.machine.machine import NOMAP, USABLE, BootLoader, FirmwareRange, NodeRange


@dataclass(frozen=True, kw_only=True)
class MapBeside:
    """What a scenario says of firmware beside the ranges of its map; nothing by default.

    ``tables``: where ACPI's tables lie, if that is known. ``efi``: whether EFI started the
    machine; ``boot_loader``: where it puts a first kernel of arm64. The others are as in
    ``machine.Efi``, ``runtime_ranges`` None where the map has them.
    """

    tables: tuple[Extent, ...] | None = None
    hotplug: tuple[NodeRange, ...] = ()
    efi: bool = False
    runtime_ranges: int | None = None
    memory_map: Extent | None = None
    attributes: Extent | None = None
    initrd_end: int = 0
    boot_loader: BootLoader | None = None
    kept_tables: int = 0


def joined(entries: Iterable[EfiDescriptor]) -> tuple[FirmwareRange, ...]:
    """Join neighbours of one kind that are memory: the kernel's map has no borders inside memory,
    and it counts entries."""
    result: list[FirmwareRange] = []
    for entry in entries:
        last = result[-1] if result else None
        if last and last.end == entry.start and last.kind == entry.kind in (USABLE, NOMAP):
            result[-1] = FirmwareRange(last.start, entry.end, entry.kind)
        else:
            result.append(FirmwareRange(entry.start, entry.end, entry.kind))
    return tuple(result)


def deal_cpus(cpus: int, nodes: int) -> tuple[int, ...]:
    """Deal CPUs to nodes in equal consecutive shares; return the node of each."""
    return tuple(cpu * nodes // cpus for cpu in range(cpus))
