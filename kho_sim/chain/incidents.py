"""Incidents, and the files at risk in them: those that were to outlive their kernel."""

from __future__ import annotations

from typing import NamedTuple

from kho_sim.kho.handover import HandedObject, Handover
from kho_sim.kho.preserve import LiveObject


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
    def of(cls, one: HandedObject | LiveObject) -> PersistentObject:
        order = max((folios.order for folios in one.data), default=0)
        return cls(one.name, one.kind, one.session, one.size_bytes, order)


def persistent_objects(handover: Handover | None) -> list[PersistentObject]:
    """Return what a handover promises to its kernel."""
    return list(map(PersistentObject.of, handover.objects)) if handover else []
