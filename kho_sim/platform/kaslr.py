"""KASLR of x86_64: where the image of a boot lies, and the page tables of randomised areas.

Models choose_random_location() and efi_random_alloc() as far as physical memory goes, and
init_cea_offsets(). A first kernel may lie at any 2 MiB of memory; a kernel that finds a handover
lies inside of one original scratch area. What is drawn comes from the seed of the chain and the
number of the boot, and what is known of a recorded boot stands in its place. Left out: what a BIOS
boot loader keeps below 1 MiB, and virtual addresses, which take no other memory.

Source: kernel-facts-distro 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kho_sim.base.extent import Extent, round_up, subtracted
from kho_sim.base.seeds import stream
from kho_sim.platform.geometry import Geometry

SLOT_BYTES = 2 << 20
ENTRY_AREAS_BYTES = 512 << 30
"""The part of the address space in which each CPU's entry area gets a place."""
MAPPED_ENTRY_PAGES = 10
"""Pages of an area, from its beginning, that are mapped [I]: 6 of 331 recorded areas crossed a
border of 2 MiB, which is as often as 10 pages do."""
UPPER_ENTRY_TABLES = 1
"""The table whose entries map 1 GiB each; it covers all of these areas."""


@dataclass(frozen=True, slots=True)
class Placed:
    """What is known of one boot that chance, firmware or a boot loader decides; None: not known.

    ``image``, ``initrd``: their addresses, the latter of a first kernel only. ``direct_map_pages``
    and ``entry_area_tables``: pages that these took.
    """

    image: int | None = None
    initrd: int | None = None
    direct_map_pages: int | None = None
    entry_area_tables: int | None = None


@dataclass(frozen=True, slots=True)
class Kaslr:
    """How one boot is randomised. ``moves_cold_image``: whether a first kernel's image is moved as
    well, within ``memory``. ``names`` are those of the random streams: the chain's seed and the
    boot."""

    enabled: bool = False
    moves_cold_image: bool = False
    memory: tuple[Extent, ...] = ()
    names: tuple[int, ...] = (0,)
    placed: Placed = Placed()


NO_KASLR = Kaslr()


def image_slot(
    ranges: Iterable[Extent], avoided: Sequence[Extent], size_bytes: int, kaslr: Kaslr
) -> int | None:
    """Return the address of an image of that size: the known one if it is possible, else a 2 MiB
    slot, all of the same likelihood; None if there is none.

    The image lies inside of one range, clear of all that is avoided.
    """
    spans: list[tuple[int, int]] = []
    for extent in ranges:
        for free in subtracted([extent], avoided):
            first = round_up(free.start, SLOT_BYTES)
            slots = (free.end - size_bytes - first) // SLOT_BYTES + 1
            if slots > 0:
                spans.append((first, slots))
    known = kaslr.placed.image
    if known is not None and any(
        known in range(first, first + slots * SLOT_BYTES, SLOT_BYTES) for first, slots in spans
    ):
        return known
    count = sum(slots for _, slots in spans)
    if not count:
        return None
    number = stream(kaslr.names[0], "image", *kaslr.names[1:]).randrange(count)
    for first, slots in spans:
        if number < slots:
            return first + number * SLOT_BYTES
        number -= slots
    return None


def entry_area_tables(geometry: Geometry, cpus: int, pages_per_cpu: int, kaslr: Kaslr) -> int:
    """Return the pages of the tables that map every CPU's entry area at a place of its own.

    Two for each area, one more for each that crosses a border of 2 MiB, fewer where two share 1
    GiB; and the table above them. Source: kernel-facts-distro 3.5.
    """
    if kaslr.placed.entry_area_tables is not None:
        return kaslr.placed.entry_area_tables
    area_bytes = pages_per_cpu * geometry.page_bytes
    drawn = stream(kaslr.names[0], "entry areas", *kaslr.names[1:])
    places = drawn.sample(range(ENTRY_AREAS_BYTES // area_bytes), cpus)
    leaf_bytes = geometry.page_bytes * geometry.table_entries
    tables: set[tuple[int, int]] = set()
    for place in places:
        start = place * area_bytes
        last = start + min(area_bytes, MAPPED_ENTRY_PAGES * geometry.page_bytes) - 1
        for size in (leaf_bytes, leaf_bytes * geometry.table_entries):
            tables |= {(size, start // size), (size, last // size)}
    return UPPER_ENTRY_TABLES + len(tables)
