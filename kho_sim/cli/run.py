"""``kho-sim run``: one chain and its twin, its report, and what was expected of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from kho_sim.cli.completing import files, folders, results
from kho_sim.cli.options import read_scenario, settings_option
from kho_sim.cli.say import say

if TYPE_CHECKING:
    from kho_sim.scenario import Scenario
    from kho_sim.scenario.expectations import Expectation
    from kho_sim.trace.trace import Trace


def _conditions(
    _: click.Context, __: click.Parameter, texts: tuple[str, ...]
) -> tuple[Expectation, ...]:
    from kho_sim.cli.expectations import parse_condition

    try:
        return tuple(parse_condition(text) for text in texts)
    except ValueError as error:
        raise click.BadParameter(str(error))


@click.command("run")
@click.argument("scenario", shell_complete=files)
@settings_option("Another value in the scenario, as in kernel.extend.shift=28; may be repeated.")
@click.option(
    "-o",
    "--out",
    metavar="DIR",
    shell_complete=folders,
    help="Store the run there, tables and all.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, not the report.")
@click.option("--seed", type=click.IntRange(min=0), help="Another seed, as -s chain.seed=.")
@click.option("--no-twin", is_flag=True, help="Leave out the paired chain without the extension.")
@click.option(
    "--fail-on",
    metavar="EXPR",
    shell_complete=results,
    multiple=True,
    callback=_conditions,
    help="Exit with 1 if this holds, as in 'failures > 0' or 'outcome != completed'.",
)
def verb(
    scenario: str,
    settings: dict[str, str],
    out: str | None,
    as_json: bool,
    seed: int | None,
    no_twin: bool,
    fail_on: tuple[Expectation, ...],
) -> int:
    """Simulate the chain of SCENARIO, and its twin without the extension; print the report.

    A kernel that dies is a result and exits with 0, unless --fail-on or the scenario's expect:
    rules otherwise.
    """
    from kho_sim.cli.expectations import unmet_expectations

    asked = read_scenario(scenario, {**settings, **_short_forms(settings, seed, no_twin)})
    trace = _simulated(asked, out)
    _print(trace, as_json)
    missed = unmet_expectations(trace, asked.expectations, fail_on)
    for sentence in missed:
        say(sentence)
    return 1 if missed else 0


def _short_forms(
    settings: dict[str, str], seed: int | None, no_twin: bool
) -> dict[str, int | bool]:
    """Return what --seed and --no-twin set. Raises UsageError if ``-s`` sets it as well."""
    short: dict[str, int | bool] = {} if seed is None else {"chain.seed": seed}
    if no_twin:
        short["chain.twin"] = False
    for key in short.keys() & settings.keys():
        option = {"chain.seed": "--seed", "chain.twin": "--no-twin"}[key]
        raise click.UsageError(f"{option} and '-s {key}={settings[key]}' are about the same place.")
    return short


def _simulated(scenario: Scenario, out: str | None) -> Trace:
    """Simulate, and store if asked; a folder that cannot be used is refused before the work."""
    from kho_sim.chain import run_scenario
    from kho_sim.runs.store import folder_for_run, write_run

    if out is None:
        return run_scenario(scenario)
    with folder_for_run(out) as folder:
        trace = run_scenario(scenario)
        write_run(trace, folder)
    say(f"stored in {out}")
    return trace


def _print(trace: Trace, as_json: bool) -> None:
    if as_json:
        from kho_sim.trace.summary import run_document

        click.echo(json.dumps(run_document(trace), indent=2))
    else:
        from kho_sim.layout import of_terminal
        from kho_sim.report import report_text

        click.echo(report_text(trace, of_terminal()), color=True)
