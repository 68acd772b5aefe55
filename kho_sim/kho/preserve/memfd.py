"""A file whose pages are handed on: memfd, and in the same form hugetlb files.

Models mm/memfd_luo.c of Linux 7.3 (kernel-facts 10.1 and 10.4): a record, all folios pinned (which
moves them out of scratch), an array of 16 bytes a folio, a key for every folio, the array itself
preserved. Assumption: a preserved hugetlb file (the series that the patch is from) uses the same
record and array.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter

from kho_sim.base.work import Work
from kho_sim.kho.handover import Folios, HandedFile
from kho_sim.kho.preserve.luo import LiveUpdate
from kho_sim.kho.preserve.outgoing import Outgoing, PreserveFailed
from kho_sim.memory.pages import OutOfMemory, Run, migrate_out_of_cma

FOLIO_RECORD_BYTES = 16
PIN_RECORD_BYTES = 8
DEADLOCK = "System is deadlocked on memory"


@dataclass
class FilePages:
    """A file that is alive in a kernel: its folios in file order."""

    name: str
    kind: str
    size_bytes: int
    data: list[Folios] = field(default_factory=list)
    session: str = "session"
    index: list[Run] = field(default_factory=list)
    """Kernel pages that go when the file is closed."""

    @property
    def folios(self) -> int:
        return sum(folios.run.blocks for folios in self.data)

    @property
    def pages(self) -> int:
        return sum(folios.pages for folios in self.data)


def preserve_file(outgoing: Outgoing, luo: LiveUpdate, file: FilePages) -> HandedFile:
    """Preserve a file in its session; return what the next kernel will find of it.

    Raises PreserveFailed: -ENOMEM, or the panic of a kernel that can not move pinned pages out of
    scratch and has nobody to kill. Then nothing of the file is preserved.
    """
    luo.add_file(file.session)
    outgoing.begin()
    try:
        return _preserve_folios(outgoing, file)
    except PreserveFailed:
        _delete_keys(outgoing, file.data)
        outgoing.undo()
        luo.remove_file(file.session)
        raise


def unpreserve_file(outgoing: Outgoing, luo: LiveUpdate, handed: HandedFile) -> None:
    """Take back the preservation of the file that its session lists last.

    Its folios stay where pinning has moved them, and belong to the open file again.
    """
    _delete_keys(outgoing, handed.data)
    outgoing.free_preserved(handed.metadata)
    luo.remove_file(handed.session)


def _delete_keys(outgoing: Outgoing, data: Iterable[Folios]) -> None:
    for order, folios in groupby(data, key=attrgetter("order")):
        outgoing.unpreserve([part.run for part in folios], order)


def _preserve_folios(outgoing: Outgoing, file: FilePages) -> HandedFile:
    record = outgoing.allocate_preserved()
    if not file.data:
        return _handed(file, record)
    count = file.folios
    pins = outgoing.vmalloc(_pages(outgoing, count * PIN_RECORD_BYTES))
    _pin(outgoing, file)
    array = outgoing.vmalloc(_pages(outgoing, count * FOLIO_RECORD_BYTES))
    for order, folios in groupby(file.data, key=attrgetter("order")):
        outgoing.preserve([part.run for part in folios], order)
    chunks = outgoing.preserve_vmalloc(array)
    outgoing.pages.free(pins)
    return _handed(file, [*array, *chunks, *record])


def _pin(outgoing: Outgoing, file: FilePages) -> None:
    """Long-term pinning: folios in scratch move to where kernel pages may be (kernel-facts
    10.4)."""
    pinned: list[Folios] = []
    for order, folios in groupby(file.data, key=attrgetter("order")):
        try:
            runs, migrated = migrate_out_of_cma(
                outgoing.pages, (part.run for part in folios), order
            )
        except OutOfMemory as error:
            raise PreserveFailed(DEADLOCK) from error
        outgoing.work += Work(pages_migrated=migrated << order)
        pinned += [Folios(run, order) for run in runs]
    file.data = pinned


def _handed(file: FilePages, metadata: list[Run]) -> HandedFile:
    return HandedFile(
        name=file.name,
        kind=file.kind,
        session=file.session,
        size_bytes=file.size_bytes,
        data=tuple(file.data),
        metadata=tuple(metadata),
    )


def _pages(outgoing: Outgoing, size_bytes: int) -> int:
    return -(-size_bytes // outgoing.pages.geometry.page_bytes)
