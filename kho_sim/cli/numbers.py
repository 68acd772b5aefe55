"""Numbers on the command line, where click takes more than a number can be."""

from __future__ import annotations

from typing import Any

import click


class FiniteRange(click.FloatRange):
    """A number within bounds; nan, which is within all of them, is none."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = float(super().convert(value, param, ctx))
        if number != number:
            self.fail(f"{value} is no number.", param, ctx)
        return number
