"""Incidents, the files at risk in them (those that were to outlive their kernel), and reasons."""

from __future__ import annotations

from typing import NamedTuple

from kho_sim.base.errors import KhoSimError
from kho_sim.base.units import format_size
from kho_sim.kernel.processes import Process
from kho_sim.kho.handover import HandedObject, Handover
from kho_sim.kho.preserve import LiveObject
from kho_sim.memory.pages import OutOfMemory
from kho_sim.trace.records import OOM_KILL, Outcome


class Failure(NamedTuple):
    """A fault that occurs, or a failure that comes by itself (see ``trace.records.Incident``).

    ``fatal``: the kernel is gone, and all that it held with it. ``victim``: the process that the
    OOM killer ended, if it is that.
    """

    kind: str
    message: str
    injected: bool = False
    fatal: bool = False
    victim: str = ""


class ChainEnds(KhoSimError):  # noqa: N818 (an end of the simulated chain)
    """The chain ends with this kernel, or goes on with a cold boot, with its ``outcome``
    and its ``failure``."""

    def __init__(self, outcome: Outcome, failure: Failure):
        super().__init__(outcome, failure)  # SimPy makes the exception anew from its arguments
        self.outcome = outcome
        self.failure = failure


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


def killed(victim: Process, pages: int, short: OutOfMemory, page_bytes: int) -> Failure:
    """Return what is to be written down of a process that the OOM killer ended, and why it had to;
    ``pages``: of the victim."""
    why = f"; {short.shortage.text(page_bytes)}" if short.shortage else ""
    size = format_size(pages * page_bytes)
    message = f"Out of memory: Killed process ({victim.name}) of {size}{why}"
    return Failure(OOM_KILL, message, victim=victim.name)


def shortage_behind(error: BaseException | None, page_bytes: int) -> str:
    """Return why memory could not serve, if that is what an error comes from; else ''."""
    while error is not None and not isinstance(error, OutOfMemory):
        error = error.__cause__
    return error.shortage.text(page_bytes) if error and error.shortage else ""
