"""``kho-sim advise``: the smallest scratch and the best block shift that survive, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from kho_sim.cli.completing import files, nothing
from kho_sim.cli.options import (
    SIGNAL_EXIT_BASE,
    FiniteRange,
    read_scenario,
    settings_option,
    stored_runs_options,
)
from kho_sim.cli.say import say, show

NOTHING_FOUND = 1


def _tries(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    from kho_sim.sweeps.advise import parse_areas

    try:
        for text in texts:
            parse_areas(text)
    except ValueError as error:
        raise click.BadParameter(str(error))
    return texts


def _budget_ns(_: click.Context, __: click.Parameter, text: str | None) -> int | None:
    from kho_sim.base.units import parse_time

    try:
        return None if text is None else round(parse_time(text))
    except ValueError as error:
        raise click.BadParameter(str(error))


def _shifts(_: click.Context, __: click.Parameter, text: str) -> list[int]:
    from kho_sim.scenario import parse_values
    from kho_sim.scenario.ways import SHIFTS

    try:
        shifts = parse_values(text)
    except ValueError as error:
        raise click.BadParameter(str(error))
    least, most = SHIFTS
    if not all(isinstance(shift, int) and least <= shift <= most for shift in shifts):
        raise click.BadParameter(f"block shifts are from {least} to {most}.")
    return sorted(set(shifts))


@click.command("advise")
@click.argument("scenario", shell_complete=files)
@settings_option()
@click.option(
    "--try",
    "tries",
    metavar="SIZES",
    multiple=True,
    callback=_tries,
    shell_complete=nothing,
    help="Also try these areas, as in 8M,16M,16M; may be repeated.",
)
@click.option(
    "--shifts",
    default="21..36",
    show_default=True,
    callback=_shifts,
    shell_complete=nothing,
    metavar="VALUES",
    help="Block shifts to choose from.",
)
@click.option(
    "--margin",
    type=FiniteRange(min=0, max=10),
    default=0.25,
    show_default=True,
    help="What to add to each area, as a part of it.",
)
@click.option(
    "--replicates",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Seeds with which the advised areas have to survive.",
)
@click.option(
    "--chains",
    type=click.IntRange(min=8),
    default=80,
    show_default=True,
    metavar="N",
    help="Simulate so many chains at most; the search ends with what it found by then.",
)
@click.option(
    "--blackout",
    metavar="TIME",
    callback=_budget_ns,
    shell_complete=nothing,
    help="Search instead what to change for blackouts of no more than this, as in 1s or 800ms.",
)
@stored_runs_options("Where advice and the chains behind it are stored; by default in runs/.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def verb(
    scenario: str,
    settings: dict[str, str],
    blackout: int | None,
    out: str | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Search the smallest kho_scratch= with which the chain of SCENARIO survives, with and without
    the extension, and the block shift to choose.

    Faults of the scenario are left out. The same command goes on where it was stopped; report and
    plot show the folder. Exits with 1 if no scratch is enough for the chain.
    """
    from kho_sim.layout import of_terminal
    from kho_sim.sweeps.advise import advise
    from kho_sim.sweeps.advise.text import advice_text
    from kho_sim.sweeps.stop import SweepInterrupted
    from kho_sim.sweeps.sweeping import default_directory

    base = read_scenario(scenario, settings)
    if blackout is not None:
        return _advise_blackout(base, blackout, as_json)
    directory = Path(out) if out else default_directory(f"advise-{Path(scenario).stem}", base)
    try:
        advice = advise(base, directory, progress=_Budget(), **options)
    except SweepInterrupted as stop:
        say(f"stopped; the same command goes on from {directory}")
        return SIGNAL_EXIT_BASE + stop.signal_number
    if as_json:
        click.echo(json.dumps(advice.document, indent=2))
    else:
        click.echo("\n".join(advice_text(advice, of_terminal())), color=True)
    return 0 if advice.survives else NOTHING_FOUND


def _advise_blackout(scenario: Any, budget_ns: int, as_json: bool) -> int:
    """Print what brings blackouts within a budget; exit with 1 if nothing that is known does."""
    from kho_sim.sweeps.advise.blackout import advise_blackout

    advice = advise_blackout(scenario, budget_ns)
    if advice is None:
        click.echo("no update of this chain comes to its end, so it has no blackout", err=True)
        return NOTHING_FOUND
    if as_json:
        click.echo(json.dumps(advice.document, indent=2))
    else:
        show(str(advice))
    return 0 if advice.fits else NOTHING_FOUND


class _Budget:
    """Says on standard error how much of the budget is used, and how long the rest can take: once
    the first chains are done, and then at each fifth."""

    PARTS = 5

    def __init__(self) -> None:
        self._part = -1

    def __call__(self, status: Any) -> None:
        from kho_sim.sweeps.progress import duration

        part = self.PARTS * status.ok // status.runs
        if part > self._part and status.left_s is not None:
            self._part = part
            done = f"{status.ok} of at most {status.runs} chains"
            say(f"{done}, at most about {duration(status.left_s)} left")
