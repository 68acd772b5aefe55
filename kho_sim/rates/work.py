"""The time of counted work: each field of ``Work`` has a rate of the same name."""

from __future__ import annotations

from dataclasses import fields

from kho_sim.base.work import Work
from kho_sim.rates.hardware import Hardware


def counts_of(work: Work) -> dict[str, float]:
    """Return what was counted, by the names of the rates; what did not happen is left out."""
    counts = {one.name: getattr(work, one.name) for one in fields(Work)}
    return {name: count for name, count in counts.items() if count}


def nanoseconds(work: Work, hardware: Hardware) -> int:
    """Return the time of that much work with central rates: never less for more work."""
    return hardware.times(counts_of(work)).central
