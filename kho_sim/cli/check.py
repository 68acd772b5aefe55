"""``kho-sim check``: everything that is wrong with scenarios, without running them."""

from __future__ import annotations

import click

from kho_sim.cli.completing import files
from kho_sim.cli.say import say


@click.command("check")
@click.argument("scenarios", shell_complete=files, nargs=-1, required=True)
def verb(scenarios: tuple[str, ...]) -> int:
    """Read and resolve each SCENARIO and report every error at once.

    An error is a line file:line:column: path: message on standard error, and so is a note on what
    has not the effect that its writer may expect. Notes leave the exit code at 0.
    """
    from kho_sim.base.errors import ScenarioError
    from kho_sim.base.units import counted
    from kho_sim.chain.build import build_plan
    from kho_sim.scenario.loader import load_with_notes, with_places

    code = 0
    for path in scenarios:
        try:
            scenario, notes = load_with_notes(path)
            plan = build_plan(scenario)
        except ScenarioError as error:
            code = 3
            for problem in with_places(error.problems, path):
                say(str(problem))
        else:
            for note in notes:
                say(str(note))
            noted = f", {counted(len(notes), 'note')}" if notes else ""
            click.echo(f"{path}: fine, {counted(plan.boots, 'boot')}{noted}")
    return code
