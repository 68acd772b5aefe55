"""How files of folios are preserved: memfds, and in the same form hugetlb files.

Models mm/memfd_luo.c of Linux 7.3 (kernel-facts 10.1 and 10.4): a record, all folios pinned (which
moves them out of scratch, and fills holes), an array of 16 bytes a folio, a key for every folio,
the array itself preserved. Assumption: a preserved hugetlb file (the series that the patch is from)
uses the same record and array.
"""

from __future__ import annotations

from collections.abc import Iterable

from kho_sim.base.work import Work
from kho_sim.kho.handover import Folios, HandedObject, by_order
from kho_sim.kho.preserve.kind import LiveObject
from kho_sim.kho.preserve.luo import LiveUpdate
from kho_sim.kho.preserve.outgoing import Outgoing, PreserveFailed
from kho_sim.kho.preserve.page_cache import write_file
from kho_sim.memory.pages import DEADLOCK, OutOfMemory, migrate_out_of_cma

FOLIO_RECORD_BYTES = 16
PIN_RECORD_BYTES = 8


class FolioFile:
    """The half of a ``PreservedKind`` that memfds and hugetlb files share."""

    def preserve(self, luo: LiveUpdate, live: LiveObject) -> HandedObject:
        """Pin the folios and preserve them.

        Raises PreserveFailed: -ENOSPC, or the panic of a kernel that finds no memory, cannot
        move pinned pages out of scratch, and has nobody to kill.
        """
        luo.add_file(live.session)
        outgoing = luo.outgoing
        outgoing.begin()
        try:
            return _preserve_folios(outgoing, live)
        except PreserveFailed:
            _delete_keys(outgoing, live.data)
            outgoing.undo()
            luo.remove_file(live.session)
            raise

    def unpreserve(self, luo: LiveUpdate, handed: HandedObject) -> None:
        """Give the folios back to the open file; they stay where pinning has moved them."""
        _delete_keys(luo.outgoing, handed.data)
        luo.outgoing.free_preserved(handed.metadata)
        luo.remove_file(handed.session)


def _delete_keys(outgoing: Outgoing, data: Iterable[Folios]) -> None:
    for folios in data:
        outgoing.unpreserve(folios.runs, folios.order)


def _preserve_folios(outgoing: Outgoing, file: LiveObject) -> HandedObject:
    (record,) = outgoing.allocate_preserved()
    _fill_hole(outgoing, file)
    if not file.data:
        return file.handed(record, [record])
    count = file.folios
    pins = outgoing.vmalloc(_pages(outgoing, count * PIN_RECORD_BYTES))
    _pin(outgoing, file)
    array = outgoing.vmalloc(_pages(outgoing, count * FOLIO_RECORD_BYTES))
    for folios in file.data:
        outgoing.preserve(folios.runs, folios.order)
    chunks = outgoing.preserve_vmalloc(array)
    outgoing.pages.free(pins)
    return file.handed(record, [*array, *chunks, record])


def _fill_hole(outgoing: Outgoing, file: LiveObject) -> None:
    """Pinning faults every page of a file in, holes too (kernel-facts 10.4): page by page, wherever
    user memory may be; what lies in scratch then is moved with the rest, where the kernel asks for
    memory outside of it at once. What was filled stays filled."""
    count = _pages(outgoing, file.hole_bytes)
    if not count:
        return
    try:
        data, index = write_file(outgoing.pages, count, huge_folios=False)
    except OutOfMemory as error:
        raise PreserveFailed(DEADLOCK) from error
    file.data, file.index = by_order([*file.data, *data]), [*file.index, *index]
    file.hole_bytes = 0


def _pin(outgoing: Outgoing, file: LiveObject) -> None:
    """Long-term pinning: folios in scratch move to where kernel pages may be (kernel-facts
    10.4)."""
    pinned: list[Folios] = []
    for folios in file.data:
        try:
            runs, migrated = migrate_out_of_cma(outgoing.pages, folios.runs, folios.order)
        except OutOfMemory as error:
            raise PreserveFailed(DEADLOCK) from error
        outgoing.work += Work(pages_migrated=migrated << folios.order)
        pinned.append(Folios(runs, folios.order))
    file.data = pinned


def _pages(outgoing: Outgoing, size_bytes: int) -> int:
    return -(-size_bytes // outgoing.pages.geometry.page_bytes)
