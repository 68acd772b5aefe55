"""Common parts of several verbs: ``KEY=VALUE``, the scenario that it changes, numbers within
bounds, and the file that a result is written to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kho_sim.base.errors import EngineError
from kho_sim.base.files import atomic_write
from kho_sim.cli.completing import files, keys
from kho_sim.cli.say import say

if TYPE_CHECKING:
    from kho_sim.scenario import Scenario

Command = TypeVar("Command", bound=Callable[..., Any])
SCENARIO_SOURCE = "kho_sim.scenario_source"
"""The key, in a command's context, of the scenario's path and of the places that ``-s`` set."""
SIGNAL_EXIT_BASE = 128
"""A verb that a signal ended exits with this and the signal's number, as a shell has it."""


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


def together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return one decorator that gives a command several options, in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def settings_option(
    text: str = "Another value in the scenario; may be repeated.",
) -> Callable[[Command], Command]:
    """Return the option ``-s KEY=VALUE``, which a verb gets as ``settings``."""
    return click.option(
        "-s",
        "--set",
        "settings",
        metavar="KEY=VALUE",
        multiple=True,
        callback=pairs,
        shell_complete=keys,
        help=text,
    )


def stored_runs_options(out: str) -> Callable[[Command], Command]:
    """Return the options of a verb that makes and stores many runs: ``-o`` with this help,
    ``--workers``, ``--scheduler``."""
    return together(
        click.option("-o", "--out", type=click.Path(file_okay=False), metavar="DIR", help=out),
        click.option(
            "--workers",
            type=click.IntRange(min=0),
            metavar="N",
            help="Processes; by default one a processor, 0 or 1 is this process.",
        ),
        click.option(
            "--scheduler",
            metavar="ADDRESS|FILE",
            shell_complete=files,
            help="A Dask scheduler instead of processes.",
        ),
    )


def read_scenario(path: str, settings: Mapping[str, Any]) -> Scenario:
    """Return the scenario of a file with the values of ``-s``. Raises ScenarioError.

    The file is kept in the command's context: what is found later has its place there.
    """
    from kho_sim.scenario import canonical_key, load, with_values

    places = [canonical_key(key) for key in settings]
    click.get_current_context().meta[SCENARIO_SOURCE] = path, places
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


def write_text(path: Path, text: str) -> None:
    """Write a result to a file, whole or not at all, and say where. Raises EngineError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(f"{text}\n".encode())
    except OSError as error:
        raise EngineError(f"{path} cannot be written: {error.strerror or error}") from error
    say(str(path))
