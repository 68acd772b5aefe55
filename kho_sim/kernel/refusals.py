"""Files that a kernel is handed and can not read, by the rules of its release.

Models luo_file_deserialize() and kho_restore_folio() (kernel-facts-releases 1 and 6). Left out:
what is refused for want of memory.
"""

from __future__ import annotations

from typing import NamedTuple

from kho_sim.base.extent import subtracted
from kho_sim.kho.handover import HandedObject, Handover
from kho_sim.kho.radix import FrozenRadixTree
from kho_sim.kho.versions import file_messages
from kho_sim.releases import Release

NOT_PROTECTED = "bitmaps of another size do not show its memory"


class Refusals(NamedTuple):
    """``files``: those that are lost, and ``why``. ``messages``: what the kernel prints of it;
    ``breaks_device``: whether every open of live update's device fails from then on."""

    files: list[HandedObject]
    why: str = ""
    messages: tuple[str, ...] = ()
    breaks_device: bool = False


def refused_files(handover: Handover, release: Release, no_device: str) -> Refusals:
    """Return the files that a kernel can not read.

    ``no_device``: why user space has no device of live update, with which all are lost; '' if it
    has one. A file without a handler breaks the device, or is lost with those behind it in its
    session; one of blocks that can not be restored is lost alone.
    """
    files = [handed for handed in handover.objects if handed.session]
    if no_device:
        return Refusals(files, no_device)
    max_order = handover.tree.geometry.max_order
    lost = [
        handed
        for handed in files
        if not release.restores_gigantic_blocks and _is_gigantic(handed, max_order)
    ]
    unknown = [handed for handed in files if handed.kind == "memfd"]
    said = file_messages(handover.versions, release, (one.session for one in unknown))
    if not unknown or not said:
        return Refusals(lost, "blocks above the highest order are not restored" if lost else "")
    if release.luo and release.luo.unknown_file_refuses_device:
        return Refusals(files, said[0], said, breaks_device=True)
    behind: set[str] = set()
    for handed in files:
        if handed in unknown or handed.session in behind:
            behind.add(handed.session)
            lost.append(handed)
    return Refusals([handed for handed in files if handed in lost], said[0], said)


def unprotected(handover: Handover, read: FrozenRadixTree) -> list[HandedObject]:
    """Return the kernel's own objects of a handover that are not all in what was ``read`` of it."""
    if len(read) == len(handover.tree):
        return []
    kept, shift = read.preserved_extents(), read.geometry.page_shift
    return [
        handed
        for handed in handover.objects
        if not handed.session
        and subtracted([extent for folios in handed.data for extent in folios.extents(shift)], kept)
    ]


def _is_gigantic(handed: HandedObject, max_order: int) -> bool:
    return any(folios.order > max_order for folios in handed.data)
