"""Files of running arm64 machines: /proc/iomem, and how other files show that they are none of x86.

A PC has memory below 640 KiB, and none from there to 1 MiB. Memory of arm64 begins anywhere, with
no such hole. Its /proc/iomem shows memory that is not mapped (NOMAP) as `reserved` beside System
RAM, and what the running kernel reserved as `reserved` inside of it. Those ranges are whole pages:
the largest page size that fits all of them is taken to be the kernel's.

Source: kernel-facts-arm64 1.2 and 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kho_sim.base.extent import Extent
from kho_sim.base.words import ARM64
from kho_sim.logs.importing.imported import MEMORY_MAP, Source
from kho_sim.logs.reader.facts import Resource
from kho_sim.machine.machine import NOMAP, USABLE, FirmwareRange
from kho_sim.platform.geometry import ARM64_GEOMETRIES, PAGES_4K

ADAPTERS = Extent(0xA0000, 0x100000)
"""Where PCs have the memory of adapters and the BIOS."""
SYSTEM_RAM = "System RAM"
RESERVED = "reserved"
ENOUGH_RANGES = 4
"""So many ranges of the kernel show its page size; fewer may all be aligned by chance."""


def is_pc(memory: Iterable[FirmwareRange]) -> bool:
    """Tell whether that can be the memory of a PC."""
    extents = [Extent(part.start, part.end) for part in memory]
    below = any(extent.start < ADAPTERS.start for extent in extents)
    return below and not any(extent.overlaps(ADAPTERS) for extent in extents)


def is_of_arm64(resources: Sequence[Resource]) -> bool:
    """Tell whether /proc/iomem is of an arm64 machine; only x86 shows the kernel's bss in it."""
    ram = [FirmwareRange(r.start, r.end) for r in resources if r.name == SYSTEM_RAM]
    has_bss = any(resource.name == "Kernel bss" for resource in resources)
    return bool(ram) and not has_bss and not is_pc(ram)


def say_platform(source: Source, text: str) -> None:
    """Say that a file is of arm64, where its page size is not shown."""
    source.say("machine.platform", ARM64, text, "no memory of a PC: none below 640 KiB")
    source.notes.append("does not show the page size; without another source 4 KiB are taken")


def say_iomem(source: Source, resources: Sequence[Resource]) -> None:
    """Add what /proc/iomem of an arm64 machine tells to ``source``."""
    what = "no memory of a PC: none below 640 KiB"
    source.say("machine.platform", ARM64, SYSTEM_RAM, what)
    page_bytes = _page_bytes(resources)
    if page_bytes is None:
        source.notes.append("does not show the page size; without another source 4 KiB are taken")
    elif page_bytes != PAGES_4K.page_bytes:
        text = "the largest page that all ranges of the kernel are made of"
        source.say("kernel.page_size", page_bytes, SYSTEM_RAM, text)
    kinds = {SYSTEM_RAM: USABLE, RESERVED: NOMAP}
    ranges = [
        FirmwareRange(resource.start, resource.end, kinds[resource.name])
        for resource in resources
        if resource.depth == 0 and resource.name in kinds
    ]
    source.say(MEMORY_MAP, sorted(ranges), SYSTEM_RAM, "System RAM, and reserved beside it")
    if image := image_of(resources):
        what = "Kernel code to Kernel data"
        source.say("kernel.image", image.size, "Kernel code", what)


def image_of(iomem: Iterable[Resource]) -> Extent | None:
    """Return the kernel from its code to the end of its data, which has bss; None if not shown."""
    parts = {resource.name: resource for resource in iomem if resource.name.startswith("Kernel ")}
    if "Kernel code" not in parts or "Kernel data" not in parts:
        return None
    return Extent(parts["Kernel code"].start, parts["Kernel data"].end)


def _page_bytes(resources: Sequence[Resource]) -> int | None:
    inside = [one for one in resources if one.depth and one.name == RESERVED]
    if len(inside) < ENOUGH_RANGES:
        return None
    fitting = (
        size for size in ARM64_GEOMETRIES if not any((r.start | r.end) % size for r in inside)
    )
    return max(fitting, default=None)
