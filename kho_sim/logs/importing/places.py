"""What chance, firmware or a boot loader chose at each boot of a log: ``kernel.placed``.

With KASLR the image of each boot, and the page tables of the direct map and of the CPUs' entry
areas where memblock=debug shows them. A boot of which the log does not show the tables is taken to
have the most likely number. Left out: boots without KASLR, whose places follow from the machine.

Source: kernel-facts-distro 3.
"""

from __future__ import annotations

from collections.abc import Sequence

from kho_sim.base import requesters
from kho_sim.builds import Build
from kho_sim.logs.importing.imported import Source
from kho_sim.logs.importing.landing import image_address, is_randomised
from kho_sim.logs.reader import BootLog

TABLES_OF_AN_AREA = 2
TABLES_ABOVE = 1
"""Where no area crosses a border and no two share an upper table."""


def find_places(source: Source, logs: Sequence[BootLog], build: Build) -> None:
    """Add the places of every boot to ``source``, if KASLR chose any."""
    places = [_place(log) if is_randomised(log, build) else {} for log in logs]
    if any("image" in place for place in places):
        what = "where KASLR put each kernel, and page tables that follow"
        source.say("kernel.placed", places, "Kernel code", what)


def _place(log: BootLog) -> dict[str, int]:
    place: dict[str, int] = {}
    if (image := image_address(log)) is not None:
        place["image"] = image
    if log.memblock_debug and not log.starts_late:
        asked = [call.what for call in log.calls if call.result]
        place["direct_map_pages"] = asked.count(requesters.DIRECT_MAP_PAGE)
        if tables := asked.count(requesters.ENTRY_AREA_TABLE):
            place["entry_area_tables"] = tables
    elif log.nr_cpu_ids:
        place["entry_area_tables"] = TABLES_OF_AN_AREA * log.nr_cpu_ids + TABLES_ABOVE
    return place
