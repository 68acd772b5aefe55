"""Early memory that its owner preserves later, as a driver does with the tables of an IOMMU.

A page lists it, and its pages have keys of natural order, as ``reserve_mem=`` areas have
(assumption). The next kernel's owner reads it and takes early memory of its own; until that kernel
ends the old memory stays reserved. Left out: owners that go on with what they were handed.
"""

from __future__ import annotations

from kho_sim.kho.handover import HandedObject
from kho_sim.kho.preserve.kind import Home, LiveObject
from kho_sim.kho.preserve.reserve_mem import ReserveMem


class EarlyMemory(ReserveMem):
    """Memory that early boot took beyond what its build takes (``kernel.early``)."""

    name = "early"
    subtree = "early"

    def retrieve(self, home: Home, handed: HandedObject) -> LiveObject | None:  # noqa: ARG002
        """Return nothing: no object lives on under its name."""
        return None
