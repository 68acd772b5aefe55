"""Common parts of the options of several verbs: ``KEY=VALUE``, the scenario that it changes, and
numbers within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from kho_sim.scenario import Scenario


def pairs(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    """Take ``key=value`` apart, for a click option that may be repeated; each place once, whatever
    name of it is used."""
    from kho_sim.scenario import canonical_key

    found: dict[str, str] = {}
    named: dict[str, str] = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not key:
            raise click.BadParameter(f"'{text}' is not key=value, as in kernel.extend.shift=28.")
        earlier = named.setdefault(canonical_key(key), text)
        if earlier is not text:
            raise click.BadParameter(f"'{earlier}' and '{text}' are about the same place.")
        found[key] = value
    return found


def read_scenario(path: str, settings: Mapping[str, Any]) -> Scenario:
    """Return the scenario of a file with the values of ``-s``. Raises ScenarioError."""
    from kho_sim.scenario import load, with_values

    scenario = load(path)
    return with_values(scenario, settings, "-s") if settings else scenario


class FiniteRange(click.FloatRange):
    """A number within bounds; nan, which is within all of them, is none."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = float(super().convert(value, param, ctx))
        if number != number:
            self.fail(f"{value} is no number.", param, ctx)
        return number
