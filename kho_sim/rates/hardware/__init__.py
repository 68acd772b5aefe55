"""Sets of rates, one data file for each machine whose times were published.

A rate is nanoseconds for one of what its name says, as (low, central, high) of what was published,
with its source and its standing: measured, derived or assumed. A set has what differs from the one
that it inherits from. Left out: how the rates were found (docs/time.md).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from kho_sim.base.data_file import names_in
from kho_sim.base.errors import ModelError

FOLDER = Path(__file__).parent
HARDWARE = names_in(FOLDER)
"""The sets that ``machine.hardware`` of a scenario may name."""
DEFAULT_HARDWARE = "generic"
STANDINGS = ("measured", "derived", "assumed")
"""A published figure by itself; arithmetic on published figures; a guess."""
WIDEST = 5
"""The most that a high rate may be of its low one."""


class Times(NamedTuple):
    """A time in nanoseconds with low, central and high rates."""

    low: int
    central: int
    high: int


class Rate(NamedTuple):
    """Nanoseconds for one of something; ``standing``: one of STANDINGS."""

    low: float
    central: float
    high: float
    standing: str
    source: str


class Quantity(NamedTuple):
    """A number of a set that is no time: the most that threads speed something up, or how many of
    something there are where a scenario does not say it."""

    value: float
    standing: str
    source: str


@dataclass(frozen=True, slots=True)
class Hardware:
    """A set of rates, speed-ups (times faster than one thread, at most) and defaults, by name."""

    name: str
    description: str
    rates: Mapping[str, Rate]
    speed_ups: Mapping[str, Quantity]
    defaults: Mapping[str, Quantity]

    def times(self, counts: Mapping[str, float]) -> Times:
        """Return the time of counted things, by the names of their rates."""
        rates = [(self.rates[name], count) for name, count in counts.items()]
        return Times(
            round(sum(rate.low * count for rate, count in rates)),
            round(sum(rate.central * count for rate, count in rates)),
            round(sum(rate.high * count for rate, count in rates)),
        )

    def standing(self, counts: Mapping[str, float]) -> str:
        """Return the standing of the rate that most of that time is from."""
        parts = {name: self.rates[name].central * count for name, count in counts.items()}
        largest = max(parts, key=lambda name: parts[name], default="")
        return self.rates[largest].standing if largest else STANDINGS[-1]

    def with_rates(self, given: Mapping[str, tuple[float, float, float]], source: str) -> Hardware:
        """Return the set with other rates, given as (low, central, high)."""
        changed = {name: Rate(*levels, STANDINGS[0], source) for name, levels in given.items()}
        return replace(self, rates={**self.rates, **changed})


@cache
def load_hardware(name: str = DEFAULT_HARDWARE) -> Hardware:
    """Return a set of HARDWARE, all that it inherits in place. Raises: ModelError if its file is
    wrong."""
    document = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    parent = load_hardware(document["inherits"]) if "inherits" in document else None
    tables: dict[str, dict[str, Any]] = {}
    for table, read in (("rates", _rate), ("speed_ups", _quantity), ("defaults", _quantity)):
        inherited: Mapping[str, Any] = getattr(parent, table) if parent else {}
        own = {key: read(name, key, given) for key, given in document.pop(table, {}).items()}
        if parent and (unknown := own.keys() - inherited.keys()):
            raise ModelError(f"{name}.toml: no {table} of the set it inherits from: {unknown}")
        tables[table] = {**inherited, **own}
    if unknown := document.keys() - {"description", "inherits"}:
        raise ModelError(f"{name}.toml: keys that are not known here: {unknown}")
    return Hardware(name, document["description"], **tables)


def _rate(file: str, key: str, given: Any) -> Rate:
    try:
        rate = Rate(**given)
    except TypeError as error:
        raise ModelError(f"{file}.toml: {key}: {error}") from None
    if not 0 <= rate.low <= rate.central <= rate.high <= WIDEST * rate.low:
        raise ModelError(f"{file}.toml: {key}: not low <= central <= high <= {WIDEST} x low")
    _check_origin(file, key, rate)
    return rate


def _quantity(file: str, key: str, given: Any) -> Quantity:
    try:
        quantity = Quantity(**given)
    except TypeError as error:
        raise ModelError(f"{file}.toml: {key}: {error}") from None
    _check_origin(file, key, quantity)
    return quantity


def _check_origin(file: str, key: str, given: Rate | Quantity) -> None:
    if given.standing not in STANDINGS or not given.source.strip():
        raise ModelError(f"{file}.toml: {key}: no standing of {STANDINGS}, or no source")
