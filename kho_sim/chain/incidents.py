"""Incidents, and the files at risk in them: those that were to outlive their kernel."""

from __future__ import annotations

from typing import NamedTuple

from kho_sim.kho.handover import HandedFile, Handover
from kho_sim.kho.preserve import FilePages
from kho_sim.memory.early import NamedArea


class Failure(NamedTuple):
    """A fault that occurs, or a failure that comes by itself (see ``trace.records.Incident``).

    ``fatal``: the kernel is gone, and all that it held with it.
    """

    kind: str
    message: str
    injected: bool = False
    fatal: bool = False


class PersistentObject(NamedTuple):
    """A file, or a named area, that is to outlive its kernel."""

    name: str
    kind: str
    session: str
    size_bytes: int
    order: int

    @classmethod
    def of_file(cls, file: HandedFile | FilePages) -> PersistentObject:
        order = max((run.order for run in file.data), default=0)
        return cls(file.name, file.kind, file.session, file.size_bytes, order)

    @classmethod
    def of_area(cls, area: NamedArea) -> PersistentObject:
        return cls(area.name, "reserve_mem", "", area.size_bytes, 0)


def persistent_objects(handover: Handover | None) -> list[PersistentObject]:
    """Return what a handover promises to its kernel."""
    if handover is None:
        return []
    areas = handover.kho.named_areas
    return [*map(PersistentObject.of_file, handover.files), *map(PersistentObject.of_area, areas)]
