"""Kinds of options that several verbs have: ``KEY=VALUE``, and numbers within bounds."""

from __future__ import annotations

from typing import Any

import click


def pairs(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    """Take ``key=value`` apart, for a click option that may be repeated; each key once."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not key:
            raise click.BadParameter(f"'{text}' is not key=value, as in kernel.extend.shift=28.")
        if key in found:
            raise click.BadParameter(f"{key} is named twice.")
        found[key] = value
    return found


class FiniteRange(click.FloatRange):
    """A number within bounds; nan, which is within all of them, is none."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = float(super().convert(value, param, ctx))
        if number != number:
            self.fail(f"{value} is no number.", param, ctx)
        return number
