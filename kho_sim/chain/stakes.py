"""What an incident is, and which files it may cost: those that were to outlive their kernel."""

from __future__ import annotations

from typing import NamedTuple

from kho_sim.kho.handover import HandedFile, Handover
from kho_sim.kho.preserve import FilePages
from kho_sim.memory.early import NamedArea


class Trouble(NamedTuple):
    """A fault that strikes, or a failure that comes by itself (see ``trace.records.Incident``).

    ``died``: the kernel is gone, and all that it held with it.
    """

    kind: str
    message: str
    injected: bool = False
    died: bool = False


class Stake(NamedTuple):
    """A file, or a named area, that is to outlive its kernel."""

    name: str
    kind: str
    session: str
    size_bytes: int
    order: int

    @classmethod
    def of_file(cls, file: HandedFile | FilePages) -> Stake:
        order = max((run.order for run in file.data), default=0)
        return cls(file.name, file.kind, file.session, file.size_bytes, order)

    @classmethod
    def of_area(cls, area: NamedArea) -> Stake:
        return cls(area.name, "reserve_mem", "", area.size_bytes, 0)


def stakes_of(handover: Handover | None) -> list[Stake]:
    """Return what a handover promises to its kernel."""
    if handover is None:
        return []
    areas = handover.inherited.named_areas
    return [*map(Stake.of_file, handover.files), *map(Stake.of_area, areas)]
