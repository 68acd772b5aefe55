"""EFI memory maps: the types of their descriptors, and the e820 map that a kernel on x86 makes.

Neutral of the architecture: reading the types that kernels print. Of x86: the boot loader (the
EFI stub) turns descriptors into e820 entries and joins neighbours that became the same.

Source: kernel-facts-distro 4 (usable is conventional, loader and boot services).
"""

from __future__ import annotations

from collections.abc import Iterable

from kho_sim.base.words import USABLE_MEMORY
from kho_sim.machine.efi import EfiDescriptor
from kho_sim.machine.machine import MMIO, RESERVED, USABLE, FirmwareRange

PRINTED_TYPES = {
    "acpi mem nvs": "acpi nvs",
    "acpi memory nvs": "acpi nvs",
    "acpi reclaim memory": "acpi reclaim",
    "conventional memory": "conventional",
    "memory mapped i/o": "mmio",
    "mmio port space": "mmio port",
    "persistent memory": "persistent",
    "unaccepted memory": "unaccepted",
    "unusable memory": "unusable",
}
"""How kernels print types, in small letters, where it is not our word for them."""
E820_KINDS = {
    **dict.fromkeys(USABLE_MEMORY, USABLE),
    "acpi reclaim": "acpi data",
    "acpi nvs": "acpi nvs",
    "mmio": MMIO,
    "persistent": "persistent",
    "unusable": "unusable",
}
"""Type of a descriptor -> kind of its e820 entry; all others are reserved."""


def word_of(printed: str) -> str:
    """Return our word for a type as a kernel prints it ('Boot Code', 'Conventional Memory')."""
    text = printed.strip().lower()
    return PRINTED_TYPES.get(text, text)


def e820_of(descriptors: Iterable[EfiDescriptor]) -> tuple[FirmwareRange, ...]:
    """Return the e820 map of descriptors: neighbours of one kind are one entry."""
    entries: list[FirmwareRange] = []
    for start, end, kind, _ in sorted(descriptors):
        entry = FirmwareRange(start, end, E820_KINDS.get(kind, RESERVED))
        if entries and entries[-1][1:] == (start, entry.kind):
            entries[-1] = entries[-1]._replace(end=end)
        else:
            entries.append(entry)
    return tuple(entries)
